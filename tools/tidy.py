#!/usr/bin/env python3
"""The style rules that a program can hold. Exits 1 when one is broken.

    tools/tidy.py          checks every tracked file
    tools/tidy.py FILE...  checks these

Lengths of lines, functions and files; words with a better word; `#pragma once`; sources that no
CMakeLists.txt names; TODOs that do not say what would let them go; paths of somebody's machine.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

LINE_COLUMNS_MAX = 100
PROSE_COLUMNS_MAX = 140  # .md and .proto comments
FUNCTION_LINES_MAX = 70
FILE_LINES_WARN = 600
FILE_LINES_MAX = 1000
ROOM_SOURCES_WARN = 14

# Functions longer than the limit, "path:name of its first line". May only shrink.
LONG_FUNCTIONS = set()

# (word, where it is fine, what to say instead)
WORDS = [
    (re.compile(r"flush", re.I), re.compile(r"fflush|Z_NO_FLUSH|std::flush|flush\(|flush_on|TCP|pipe"),
     "say append (bytes handed to a file) or sync (bytes that survive power loss)"),
    (re.compile(r"\bcommit(s|ted|ting)?\b", re.I),
     re.compile(r"group commit|\.commit\(|commits? (it|them|to) |git|Kafka|offset", re.I),
     "say append or sync; only the sequencer's own comment says group commit"),
]
NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc|stuff)(_|\.|$)")
TODO = re.compile(r"\bTODO\b(?!: \S.{19,})|\bFIXME\b|\bXXX\b")
# Where people and build machines work: their folders, and the one that holds this tree.
MACHINE_PATHS = re.compile(r"(?<![\w.$}/-])/(home|root|tmp|Users|mnt|media)(?![\w-])" +
                           (rf"|{re.escape(str(ROOT.parent))}/" if len(ROOT.parts) > 2 else ""))

CODE = (".h", ".cc")
TEXT = CODE + (".py", ".md", ".proto", ".txt", ".cmake", ".json", ".toml", ".service", ".sh", "")


def tracked():
    listing = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
                             cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def functions(lines, indent=0, first=0, last=None):
    """Yields (first line, last line) of each function, as clang-format lays them out."""
    last = len(lines) if last is None else last
    pad, number = " " * indent, first
    opens = re.compile(rf"^{pad}[^\s}}#/]")
    while number < last:
        if not opens.match(lines[number]):
            number += 1
            continue
        head, start = "", number
        while number < last and "{" not in head and ";" not in head:
            head += re.sub(r'"(\\.|[^"\\])*"|//.*', "", lines[number])
            number += 1
        if "{" not in head or head.count("{") == head.count("}"):
            continue
        end = number
        while end < last and not lines[end].startswith(pad + "}"):
            end += 1
        word = head.strip().split()[0]
        if word in ("class", "struct", "template") and "(" not in head.split("{")[0]:
            yield from functions(lines, indent + 2, number, end)
        elif word not in ("namespace", "class", "struct", "enum", "union", "extern", "case"):
            if "(" in head.split("{")[0]:
                yield start, end
        if word == "namespace" or word == "extern":
            continue
        number = end + 1


def long_function_problems(name, lines):
    for start, end in functions(lines):
        length = end - start + 1
        key = f"{name}:{lines[start].strip()}"
        if length > FUNCTION_LINES_MAX and key not in LONG_FUNCTIONS:
            yield f"{name}:{start + 1}: this function has {length} lines; at most {FUNCTION_LINES_MAX}"


def word_problems(name, lines):
    for number, line in enumerate(lines, 1):
        for word, fine, instead in WORDS:
            if word.search(line) and not fine.search(line):
                yield f"{name}:{number}: '{word.search(line).group()}': {instead}"


def line_problems(path, name, lines):
    columns_max = LINE_COLUMNS_MAX if path.suffix in CODE + (".py",) else PROSE_COLUMNS_MAX
    limited = path.suffix in CODE + (".py", ".proto", ".md")
    itself = name == "tools/tidy.py"
    for number, line in enumerate(lines, 1):
        table = path.suffix == ".md" and (line.startswith("|") or "](" in line)
        if limited and not table and not itself and len(line) > columns_max + 20 * (path.suffix == ".py"):
            yield f"{name}:{number}: {len(line)} columns; at most {columns_max}"
        if line != line.rstrip() and path.suffix != ".md":
            yield f"{name}:{number}: white space at the end"
        if not itself and TODO.search(line):
            yield f"{name}:{number}: a TODO says what would let it go: 'TODO: once ..., ...'"
        if not itself and MACHINE_PATHS.search(line):
            yield f"{name}:{number}: a path of one machine: {MACHINE_PATHS.search(line).group()}"


def link_problems(path, name, lines):
    for number, line in enumerate(lines, 1):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
            if "://" not in target and not (path.parent / target).exists():
                yield f"{name}:{number}: a link to nothing: {target}"


def named_in_cmake(path):
    """Whether the CMakeLists.txt of the file's folder, or of one above it, names the file."""
    folder = path.parent
    while folder != ROOT.parent:
        listing = folder / "CMakeLists.txt"
        if listing.exists() and re.search(rf"(^|[\s/(]){re.escape(path.name)}\b", listing.read_text()):
            return True
        folder = folder.parent
    return False


def code_problems(path, name, lines):
    if path.suffix == ".h":
        code = [line for line in lines if line.strip() and not line.startswith("//")]
        if not code or code[0] != "#pragma once":
            yield f"{name}:1: a header starts with #pragma once"
    if path.suffix == ".cc" and "examples" not in path.parts and not named_in_cmake(path):
        yield f"{name}: no CMakeLists.txt names this file: it is dead, or a test that never runs"
    if NAMES.search(path.stem):
        yield f"{name}: a name that says nothing: name the subject"
    if name.startswith(("src/", "bench/", "tests/")):
        yield from word_problems(name, lines)
    yield from long_function_problems(name, lines)


def file_problems(path, warnings):
    name = str(path.relative_to(ROOT))
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return  # binary: golden bytes
    if path.suffix in TEXT:
        yield from line_problems(path, name, lines)
    if path.suffix == ".md":
        yield from link_problems(path, name, lines)
    if path.suffix in CODE:
        yield from code_problems(path, name, lines)
    if path.suffix in CODE + (".py",):
        if len(lines) > FILE_LINES_MAX:
            yield f"{name}: {len(lines)} lines; at most {FILE_LINES_MAX}"
        elif len(lines) > FILE_LINES_WARN:
            warnings.append(f"{name}: {len(lines)} lines; aim under 400")


def room_warnings():
    for room in sorted((ROOT / "src").iterdir()):
        sources = [p for p in room.rglob("*.cc")
                   if not p.name.endswith(("_test.cc", "_fuzz.cc", "_command.cc"))]
        if len(sources) > ROOM_SOURCES_WARN:
            yield f"src/{room.name}: {len(sources)} sources; then it is two rooms"


def main():
    paths = [pathlib.Path(name).resolve() for name in sys.argv[1:]] or tracked()
    warnings, found = [], []
    for path in paths:
        found += file_problems(path, warnings)
    for line in warnings + list(room_warnings()):
        print(f"warning: {line}")
    for line in found:
        print(line)
    print(f"tidy: {len(found)} broken" if found else "tidy: ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
