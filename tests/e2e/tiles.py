"""A reader of the static tree (C2SP tlog-tiles) that recomputes it from what it reads."""
import json

import oracle
import serving


def name(number):
    """1234067 -> x001/x234/067"""
    text = f"{number % 1000:03}"
    while number := number // 1000:
        text = f"x{number % 1000:03}/{text}"
    return text


def tile_path(level, index, width):
    return f"tile/{level}/{name(index)}" + (f".p/{width}" if width < 256 else "")


def recompute(get):
    """Reads the tree of the checkpoint with `get`; returns (size, entries). Fails when anything does not fit."""
    _, size, root = oracle.parse_checkpoint(get("checkpoint").decode())
    entries = []
    for index in range((size + 255) // 256):
        width = min(256, size - index * 256)
        bundle = get(tile_path("entries", index, width))
        at = 0
        while at < len(bundle):
            length = int.from_bytes(bundle[at:at + 2], "big")
            entries.append(bundle[at + 2:at + 2 + length])
            at += 2 + length
        assert len(entries) == index * 256 + width, (index, len(entries))
    leaves = [oracle.leaf(entry) for entry in entries]
    assert oracle.root(leaves) == root
    level, hashes = 0, leaves
    while hashes:
        above = []
        for index in range((len(hashes) + 255) // 256):
            part = hashes[index * 256:index * 256 + 256]
            assert get(tile_path(level, index, len(part))) == b"".join(part), (level, index)
            if len(part) == 256:
                above.append(oracle.root(part))
        level, hashes = level + 1, above
    return size, entries


def append(address, count, prefix):
    lines = "".join(json.dumps({"eventId": f"{prefix}-{i}", "actor": {"id": "alice"}, "action": "a.b",
                                "occurredAt": "2026-01-02T03:04:05Z"}) + "\n" for i in range(count))
    serving.run("append", "-", "--server", address, input=lines)
