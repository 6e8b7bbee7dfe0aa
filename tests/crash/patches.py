#!/usr/bin/env python3
"""Breaks the ledger in known ways and demands that the simulation finds each of them.

    tests/crash/patches.py               every patch of tests/crash/patches
    tests/crash/patches.py NAME...       these
    tests/crash/patches.py --points N    within N crash points (default 20,000, as in CI)

Works on a copy of the sources in build/crash-patches, built once and then once more for each patch. Prints
for each the seed that found it and what the judge said. Exits 1 when one is not found, or does not apply any
more: then the patch is to be made anew.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PATCHES = ROOT / "tests" / "crash" / "patches"
COPY = ROOT / "build" / "crash-patches"
BUILD = COPY / "build" / "release"
COPIED = ("CMakeLists.txt", "CMakePresets.json", "cmake", "proto", "src", "tests/CMakeLists.txt", "tests/crash",
          "tools")


def copy_sources():
    """Brings the copy up to date; a file that is the same keeps its time, so that it is not built again."""
    listing = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *COPIED],
                             cwd=ROOT, capture_output=True, check=True).stdout.decode()
    names = {name for name in listing.split("\0") if name and (ROOT / name).is_file()}
    for name in names:
        source, target = ROOT / name, COPY / name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            shutil.copymode(source, target)
    for path in COPY.rglob("*"):
        name = str(path.relative_to(COPY))
        if path.is_file() and not name.startswith("build/") and name not in names:
            path.unlink()


def run(command, **options):
    return subprocess.run(command, cwd=COPY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def build():
    if not (BUILD / "build.ninja").exists():
        configured = run(["cmake", "--preset", "release"])
        if configured.returncode != 0:
            sys.exit(configured.stdout)
    return run(["cmake", "--build", "--preset", "release", "-j", str(os.cpu_count()), "--target", "crash_simulation"])


def patch(path, *options):
    return run(["patch", "-p1", "--batch", "--no-backup-if-mismatch", "--reject-file=-", *options, "-i", str(path)])


def try_patch(path, points):
    """Returns whether the simulation finds the patch, and what there is to say."""
    applied = patch(path)
    try:
        if applied.returncode != 0:
            return False, f"does not apply any more:\n{applied.stdout}"
        built = build()
        if built.returncode != 0:
            return False, f"does not compile:\n{built.stdout[-4000:]}"
        begun = time.monotonic()
        ended = run([str(BUILD / "tests" / "crash" / "crash_simulation"), "--points", str(points), "--quiet"])
        seconds = time.monotonic() - begun
        said = ended.stdout.strip().splitlines()
        if ended.returncode == 1 and said and said[0].startswith("seed "):
            return True, f"{said[0]}  ({seconds:.0f} s)"
        return False, f"not found in {points} points:\n{ended.stdout}"
    finally:
        copy_sources()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--points", type=int, default=20_000)
    arguments = parser.parse_args()
    patches = sorted(PATCHES.glob("*.patch"))
    if arguments.names:
        patches = [path for path in patches if path.stem in arguments.names]
    if not patches or len(patches) < len(arguments.names):
        parser.error("there are no such patches")
    COPY.mkdir(parents=True, exist_ok=True)
    copy_sources()
    built = build()
    if built.returncode != 0:
        sys.exit(f"the sources do not build:\n{built.stdout[-4000:]}")
    missed = 0
    for path in patches:
        found, text = try_patch(path, arguments.points)
        missed += not found
        print(f"{'found ' if found else 'MISSED'}  {path.stem}: {text}", flush=True)
    print(f"patches: {len(patches) - missed} of {len(patches)} found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
