"""What a record, a chain and a tree are, written from RFC 6962 and docs/format.md and from nothing of ours:
hashlib and stock protobuf only. The judge of the end-to-end tests."""
import base64
import hashlib


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf(record):
    return sha256(b"\x00" + record)


def genesis(origin):
    return sha256(b"graven/genesis/v1\n" + origin.encode())


def root(leaves):
    """The root over leaf hashes, by the definition: split at the largest power of two below the size."""
    if not leaves:
        return sha256(b"")
    level = list(leaves)
    # The same tree level by level: an odd node moves up unchanged.
    while len(level) > 1:
        above = [sha256(b"\x01" + level[i] + level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0]


def split_records(raw):
    """The records of `graven export --format records`: each behind its length as a varint."""
    records, at = [], 0
    while at < len(raw):
        size, shift = 0, 0
        while True:
            byte = raw[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        records.append(raw[at:at + size])
        assert len(records[-1]) == size, "the export ends in the middle of a record"
        at += size
    return records


def parse_checkpoint(note):
    """(origin, size, root) of a signed note's text."""
    lines = note.split("\n")
    return lines[0], int(lines[1]), base64.b64decode(lines[2])


def verify_note(note, vkey):
    """Checks the Ed25519 signature of a C2SP note with the `cryptography` package."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    name, key_id, encoded = vkey.split("+", 2)
    key = base64.b64decode(encoded)
    assert key[0] == 1, "not an Ed25519 log key"
    assert sha256(name.encode() + b"\n" + key)[:4].hex() == key_id, "the key id is not the key's"
    text, signatures = note.rsplit("\n\n", 1)
    for line in signatures.splitlines():
        dash, signer, value = line.split(" ")
        signature = base64.b64decode(value)
        if dash == "\u2014" and signer == name and signature[:4].hex() == key_id:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], (text + "\n").encode())
            return
    raise AssertionError("the key did not sign this note")


def check_chain(records, parse, origin):
    """Holds records against chain, order and time; returns their leaf hashes. `parse` gives the fields."""
    previous, time_ns, leaves = genesis(origin), 0, []
    for index, raw in enumerate(records):
        record = parse(raw)
        assert record.index == index, (record.index, index)
        assert record.previous_hash == previous, f"record {index} does not continue the chain"
        assert record.received_at > time_ns, f"time does not grow at record {index}"
        previous, time_ns = leaf(raw), record.received_at
        leaves.append(previous)
    return leaves
