"""Starts and stops the real binary, for the end-to-end tests.

Every server listens on loopback on a port that the system chooses, writes into a folder of its own below
build/, and is ended by its pid.
"""
import atexit
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("GRAVEN_BINARY", ROOT / "build" / "release" / "graven"))
SHARED = ROOT.parent / "shared"
STUBS = ROOT / "build" / "e2e-stubs"


def make_folder(name):
    """A new folder on the disk that holds build/ (not a memory file system: syncs must be real)."""
    parent = ROOT / "build" / "e2e"
    parent.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=parent))
    # Each server lays out half a gigabyte of journal; GRAVEN_KEEP=1 leaves it to be looked at.
    if not os.environ.get("GRAVEN_KEEP"):
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def stubs():
    """Generates Python stubs of both contracts with stock protoc, and makes them importable."""
    protos = {"graven": ["google/rpc/status.proto", "google/rpc/error_details.proto",
                         "graven/v1/event.proto", "graven/v1/record.proto",
                         "graven/v1/audit_log_service.proto"],
              "compat": ["compat/audit_log.proto"]}
    for kind, files in protos.items():
        out = STUBS / kind
        stamp = out / "made"
        newest = max((ROOT / "proto" / file).stat().st_mtime for file in files)
        if not stamp.exists() or stamp.stat().st_mtime < newest:
            making = STUBS / f"{kind}-{os.getpid()}"
            making.mkdir(parents=True)
            subprocess.run(["protoc", "-I", str(ROOT / "proto"), f"--python_out={making}",
                            f"--grpc_out={making}",
                            f"--plugin=protoc-gen-grpc={shutil.which('grpc_python_plugin')}",
                            *files], check=True)
            (making / "made").touch()
            shutil.rmtree(out, ignore_errors=True)
            making.rename(out)
        if str(out) not in sys.path:
            sys.path.append(str(out))
    import google  # the installed package: ours adds google.rpc to it
    google.__path__.append(str(STUBS / "graven" / "google"))


class Server:
    """One `graven serve`. Use as a context manager; leaving it kills what still runs."""

    def __init__(self, folder, *flags, prefix=(), env=None, listen=("127.0.0.1:0",), ready_s=60):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.ready_file = self.folder / f"ready-{time.monotonic_ns()}"
        self.log_path = self.folder / "serve.log"
        command = [*prefix, str(BINARY), "serve", "--data", str(self.data), "--ready-file",
                   str(self.ready_file)]
        for address in listen:
            command += ["--listen", address]
        command += [str(flag) for flag in flags]
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log,
                                        env={**os.environ, **(env or {})})
        self.ready = self._wait(ready_s)
        self.pid = self.ready["pid"]
        self.address = self.ready["grpc"][0]

    def _wait(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.ready_file.exists():
                return json.loads(self.ready_file.read_text())
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.process.kill()
        raise AssertionError(f"the server did not get ready:\n{self.log_path.read_text()[-4000:]}")

    def stop(self):
        """SIGTERM; returns the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.log.close()
        return code

    def kill(self):
        """SIGKILL: nothing is told to anybody."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait(timeout=60)
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=60)


def run(*arguments, check=0, text=True, **options):
    """Runs `graven ARGUMENTS`; `check` is the exit code that must come (None: any)."""
    done = subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=text,
                          timeout=options.pop("timeout", 300), **options)
    if check is not None and done.returncode != check:
        raise AssertionError(f"graven {' '.join(map(str, arguments))}: exit {done.returncode}, "
                             f"not {check}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done
