#!/usr/bin/env python3
"""Holds the order of the rooms: which room may include which, and which libraries stop where.

    tools/layers.py            checks src/, prints each broken line, exits 1 when there is one
    tools/layers.py --table    prints the table

Includes go down only. A room that is not in the table does not exist yet: add it here first.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# room -> the rooms that it may include (beside itself), bottom first.
ROOMS = {
    "base": [],
    "io": ["base"],
    "merkle": ["base"],
    "note": ["base", "merkle"],
    "tiles": ["base", "io", "merkle", "note"],
    "record": ["base"],
    "query": ["base", "record"],
    "json": ["base", "record"],
    "store": ["base", "io", "merkle", "note", "record"],
    "journal": ["base", "io", "merkle", "record"],
    "sequencer": ["base", "record"],
    "shelf": ["base", "io", "merkle", "note", "record", "store", "journal"],
    "scrub": ["base", "io", "merkle", "note", "record", "store", "journal", "shelf"],
    "ledger": ["base", "io", "merkle", "note", "record", "store", "journal", "sequencer", "shelf", "scrub"],
    "index": ["base", "io", "merkle", "record", "query", "store"],
    "verify": ["base", "io", "merkle", "note", "record", "store", "journal"],
    "metrics": ["base"],
    "engine": ["base", "io", "record", "query", "sequencer", "scrub", "ledger", "index", "metrics"],
    "search": ["base", "merkle", "note", "record", "query", "ledger", "index", "engine"],
    "service": ["base", "record", "query", "sequencer", "scrub", "ledger", "metrics", "engine", "search"],
    "http": ["base"],
    "web": ["base", "io", "merkle", "note", "record", "query", "json", "sequencer", "scrub", "ledger",
            "metrics", "engine", "search", "http"],
    "webhook": ["base", "io", "http"],
    "witness": ["base", "io", "merkle", "note", "http"],
    "client": ["base", "io", "merkle", "note", "record", "verify"],
    "import": ["base", "io", "record"],
    "view": ["base", "io", "note", "json", "engine", "http", "web"],
    "monitor": ["base", "io", "merkle", "note", "record", "verify", "http", "client"],
    "upkeep": ["base", "io", "note", "record", "query", "json", "store", "scrub", "ledger", "verify", "metrics",
               "engine", "search", "http", "webhook", "witness"],
    "server": ["base", "io", "merkle", "note", "record", "query", "json", "store", "journal", "sequencer", "scrub",
               "ledger", "index", "verify", "metrics", "engine", "search", "service", "http", "webhook", "web",
               "witness", "upkeep"],
    "console": ["base", "io", "note", "record", "client"],
    "rehearse": ["base", "io", "note", "store", "http", "witness", "client"],
    "audit": ["base", "io", "merkle", "note", "record", "query", "store", "index", "verify", "http", "webhook",
              "client", "monitor", "server", "console"],
    "cli": ["base", "io", "merkle", "note", "tiles", "record", "query", "store", "verify", "http", "web",
            "webhook", "witness", "client", "import", "view", "server", "console", "rehearse", "audit"],
}

# What tests may include beside that: the independent checker judges the ledger.
TEST_ROOMS = {"ledger": ["verify"]}

# include prefix -> the rooms that may use it. Tests are free to.
LIBRARIES = {
    "grpcpp/": {"service", "client", "server", "cli"},
    "grpc/": {"service", "client", "upkeep", "server", "cli"},
    "CLI/": {"console", "cli"},
    "utf8proc.h": {"query"},
    "roaring/": {"index"},
    "prometheus/": {"metrics"},
    "spdlog/": {"upkeep"},
    "toml++/": {"server", "cli"},
    # Asio and Beast take ten seconds to compile and throw: they stay behind http/'s own headers.
    "boost/": {"http"},
    # io is the only door to the disk.
    "fcntl.h": {"io", "import", "server", "rehearse", "cli"},
    "sys/stat.h": {"io", "import", "server", "cli"},
    "filesystem": {"import", "server", "rehearse", "audit", "cli"},
    "fstream": {"client", "import", "server", "cli"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def is_test(path):
    return path.name.endswith(("_test.cc", "_fuzz.cc", "_bench.cc")) or "test" in path.stem.split("_")


def include_problems(path, room):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        first = target.split("/")[0]
        rooms = ROOMS[room] + (TEST_ROOMS.get(room, []) if is_test(path) else [])
        if quote == '"' and first in ROOMS and first != room and first not in rooms:
            allowed = ", ".join(rooms) or "nothing"
            yield f"{path.relative_to(ROOT)}:{number}: {room}/ may not include {target} (it may include: {allowed})"
        if is_test(path):
            continue
        for prefix, rooms in LIBRARIES.items():
            whole = not prefix.endswith("/")
            if (target == prefix if whole else target.startswith(prefix)) and room not in rooms:
                yield (f"{path.relative_to(ROOT)}:{number}: {target} stops at "
                       f"{', '.join(sorted(rooms))}; {room}/ may not include it")


def cmake_problems(path, room):
    """The rooms that a library links must be in the table too."""
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    for call in re.findall(r"graven_room\((.*?)\)", text, re.S):
        words = call.split()
        if "ROOMS" not in words:
            continue
        for word in words[words.index("ROOMS") + 1:]:
            if word in ("LIBS", "SOURCES", "EXCEPTIONS"):
                break
            if word not in ROOMS[room]:
                yield f"{path.relative_to(ROOT)}: {room}/ may not link {word}"


def problems():
    for folder in sorted((ROOT / "src").iterdir()):
        if not folder.is_dir():
            continue
        room = folder.name
        if room not in ROOMS:
            yield f"src/{room}: this room is not in the table of tools/layers.py"
            continue
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".h", ".cc"):
                yield from include_problems(path, room)
            elif path.name == "CMakeLists.txt":
                yield from cmake_problems(path, room)


def table_problems():
    """The table itself must go down only."""
    order = list(ROOMS)
    for room, below in ROOMS.items():
        for name in below:
            if order.index(name) >= order.index(room):
                yield f"tools/layers.py: {room} stands above {name} in the table and may not include it"


def main():
    if sys.argv[1:] == ["--table"]:
        for room, below in ROOMS.items():
            print(f"{room:10} -> {' '.join(below) or '(nothing)'}")
        return 0
    found = list(table_problems()) + list(problems())
    for line in found:
        print(line)
    print(f"layers: {len(found)} broken" if found else "layers: ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
