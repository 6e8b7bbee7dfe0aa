#!/usr/bin/env python3
"""embed_page.py DIST MADE: writes MADE.S, which holds the files of DIST, and MADE.cc, the table of them that
web/page_files.h declares. DIST "-": a table of nothing. No byte arrays in C++: they take a compiler minutes."""
import hashlib
import pathlib
import sys

HEAD = """// Made by tools/embed_page.py.
#include "web/page_files.h"

"""


def main():
    dist, made = sys.argv[1], pathlib.Path(sys.argv[2])
    folder = pathlib.Path(dist)
    files = [] if dist == "-" else sorted(path for path in folder.rglob("*") if path.is_file())
    if dist != "-" and not (folder / "index.html") in files:
        sys.exit(f"embed_page.py: there is no index.html in {folder}")
    assembly, externs, rows = ["    .section .rodata\n"], [], []
    for number, path in enumerate(files):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        # The digest makes this text, and so the object, another one when the file's bytes are others.
        assembly.append(f"// {digest}\n"
                        f"    .global graven_page_{number}, graven_page_{number}_end\n    .balign 16\n"
                        f"graven_page_{number}:\n    .incbin \"{path.resolve()}\"\ngraven_page_{number}_end:\n"
                        "    .byte 0\n")
        externs.append(f"extern const char graven_page_{number}[];\nextern const char graven_page_{number}_end[];\n")
        name = f"graven_page_{number}"
        rows.append(f'      {{"{path.relative_to(folder).as_posix()}",\n       {{{name}, '
                    f"static_cast<size_t>({name}_end - {name})}}}},\n")
    assembly.append('    .section .note.GNU-stack,"",%progbits\n')
    made.parent.mkdir(parents=True, exist_ok=True)
    made.with_suffix(".S").write_text("".join(assembly))
    made.with_suffix(".cc").write_text(
        HEAD + ('extern "C" {\n' + "".join(externs) + "}\n\n" if externs else "") +
        "namespace graven::web {\n\nconst std::vector<PageFile>& PageFiles() {\n"
        "  static const std::vector<PageFile> files = {\n" + "".join(rows) +
        "  };\n  return files;\n}\n\n}  // namespace graven::web\n")


if __name__ == "__main__":
    main()
