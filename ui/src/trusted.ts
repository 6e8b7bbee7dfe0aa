// The page's one Trusted Types policy: it lets workers of the page's own files be made, and nothing else.

interface Policy {
  createScriptURL(url: string): string;
}

interface Factory {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): Policy;
}

const own = (url: string): string => {
  if (new URL(url, document.baseURI).origin !== location.origin)
    throw new TypeError('a script from elsewhere');
  return url;
};

const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
const policy: Policy = factory?.createPolicy('graven', { createScriptURL: own }) ?? {
  createScriptURL: own,
};

export const scriptUrl = (url: string): string => policy.createScriptURL(url);
