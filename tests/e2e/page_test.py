"""The page: its unit tests, its size, and what it does in Chromium against the real binary and against lies.

The tests themselves are the page's own, in ui/test and ui/e2e; this starts them with the node that belongs to them.
"""
import os
import pathlib
import shutil
import subprocess
import sys

import serving

SCRIPT = serving.ROOT / "tools" / "ui_toolchain.sh"
PRESENT = (serving.ROOT / "ui" / "toolchain" / "node_modules" / ".bin" / "node").exists()


def run():
    # The page that is tested is the one that was built with this tree.
    done = subprocess.run([str(SCRIPT), "all"], env={**os.environ, "GRAVEN_BINARY": str(serving.BINARY)})
    return done.returncode


if __name__ == "__main__":
    if shutil.which("npm") is None and not PRESENT:
        print("skipped: needs npm (./dev install)", file=sys.stderr)
        sys.exit(77)
    if shutil.which("chromium") is None:
        print("skipped: needs chromium (./dev install test)", file=sys.stderr)
        sys.exit(77)
    if not pathlib.Path(serving.BINARY).exists():
        print(f"skipped: needs {serving.BINARY}", file=sys.stderr)
        sys.exit(77)
    sys.exit(run())
