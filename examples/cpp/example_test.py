"""Installs the client library into a prefix of its own, builds the example against it as a stranger
would, and runs it against the real server.

usage: example_test.py BUILD_FOLDER"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), text=True, capture_output=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    work = build / "client-install-test"
    shutil.rmtree(work, ignore_errors=True)
    run("cmake", "--install", build, "--component", "client", "--prefix", work / "prefix")
    leaked = [path for path in (work / "prefix").rglob("*.cmake") if str(ROOT) in path.read_text()]
    assert not leaked, f"the package names the folder it was built in: {leaked}"
    run("cmake", "-G", "Ninja", "-S", ROOT / "examples" / "cpp", "-B", work / "build",
        f"-DCMAKE_PREFIX_PATH={work / 'prefix'}", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    run("cmake", "--build", work / "build")
    example = work / "build" / "example"

    # Without a server: says so, exit 3.
    absent = subprocess.run([example, "127.0.0.1:1"], capture_output=True, text=True)
    assert absent.returncode == 3, absent

    if not (build / "graven").exists():
        print("built; not run: there is no server binary in this build")
        return
    os.environ["GRAVEN_BINARY"] = str(build / "graven")
    import serving
    with serving.Server(serving.make_folder("example")) as server:
        out = run(example, server.address)
        print(out, end="")
        assert "receipt holds: record 0 " in out, out
        assert "1000 of 1000 events durable" in out, out
        assert "1001 records read back" in out, out
        assert server.stop() == 0


if __name__ == "__main__":
    main()
