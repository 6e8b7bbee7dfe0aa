// Ed25519 by the browser where it can; by @noble where it cannot: without TLS on a name that is not loopback there is no
// crypto.subtle, and older browsers lack the algorithm.

import { hashes, verify } from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';

hashes.sha512 = sha512;

let subtleWorks: boolean | undefined;

async function bySubtle(
  key: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const imported = await crypto.subtle.importKey('raw', key.slice(), { name: 'Ed25519' }, false, [
    'verify',
  ]);
  return crypto.subtle.verify({ name: 'Ed25519' }, imported, signature.slice(), message.slice());
}

export function verifyHere(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(signature, message, key, { zip215: false });
  } catch {
    return false;
  }
}

export async function verifyEd25519(
  key: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (key.length !== 32 || signature.length !== 64) return false;
  if (subtleWorks !== false && globalThis.crypto?.subtle !== undefined) {
    try {
      const good = await bySubtle(key, message, signature);
      subtleWorks = true;
      return good;
    } catch {
      // A key that cannot be imported is as bad here as there; an algorithm that is missing is not.
      subtleWorks = subtleWorks ?? false;
    }
  }
  return verifyHere(key, message, signature);
}
