"""Witnesses for the end-to-end tests: our own, litewitness, and ones that misbehave."""
import base64
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time
import urllib.request

import serving

LITEWITNESS = serving.SHARED / "witness" / "witness"


class Witness:
    """One `graven witness`, on the same port over its restarts."""

    def __init__(self, folder, log_vkeys, name="witness.example/own", listen="127.0.0.1:0"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.logs = list(log_vkeys)
        self.name = name
        self.listen = listen
        self.start()
        self.listen = self.url.removeprefix("http://")

    def start(self):
        ready = self.folder / f"ready-{time.monotonic_ns()}"
        command = [str(serving.BINARY), "witness", "--data", str(self.folder / "data"), "--name",
                   self.name, "--listen", self.listen, "--ready-file", str(ready)]
        for vkey in self.logs:
            command += ["--log", vkey]
        log = open(self.folder / "witness.log", "ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()
        end = time.monotonic() + 60
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise AssertionError("no witness:\n" + (self.folder / "witness.log").read_text()[-2000:])
            time.sleep(0.01)
        told = json.loads(ready.read_text())
        self.url, self.vkey, self.pid = told["http"][0], told["vkey"], told["pid"]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=60)

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(timeout=60)

    def shown(self, origin):
        """The note that it shows of a log."""
        return fetch(f"{self.url}/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint")


class Litewitness:
    """torchwood's litewitness; `missing()` says why there is none."""

    @staticmethod
    def missing():
        if not LITEWITNESS.exists():
            return f"{LITEWITNESS} is not there"
        for tool in ("go", "ssh-agent", "ssh-add", "ssh-keygen"):
            if not shutil.which(tool):
                return f"{tool} is not installed"
        done = subprocess.run([str(LITEWITNESS), "install"], capture_output=True, text=True)
        return "" if done.returncode == 0 else "litewitness does not build: " + done.stderr[-500:]

    def __init__(self, folder, origin, vkey):
        self.folder = folder
        # Its helpers live on with what it was given as output: a file has no end to wait for.
        said = pathlib.Path(f"{folder}.out")
        with open(said, "wb") as out:
            subprocess.run([str(LITEWITNESS), "start", "--dir", str(folder), "--log",
                            f"{origin}={vkey}"], stdout=out, stderr=out, timeout=120, check=True)
        told = json.loads(said.read_text().splitlines()[-1])
        self.url, self.vkey = told["url"], told["vkey"]

    def stop(self):
        subprocess.run([str(LITEWITNESS), "stop", "--dir", str(self.folder), "--kill"],
                       capture_output=True, timeout=60)


def fetch(url, body=None):
    """The body of a 200; an error otherwise."""
    with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=20) as answer:
        return answer.read().decode()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, content_type="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(404, b"no\n")

    def do_POST(self):
        self.server.witness.requests += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mode = self.server.witness.mode
        if mode == "lying":
            self.answer(409, b"987654321\n", "text/x.tlog.size")
        elif mode == "false":
            self.answer(200, "\u2014 witness.example/false AAAAAAAAAAA=\n".encode())
        elif mode == "slow":
            time.sleep(30)
        elif mode == "flooding":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"flood" * 20_000)
                    self.server.witness.flooded += 100_000
            except OSError:
                pass
        else:
            raise AssertionError(mode)


class FakeWitness:
    """Takes requests and answers them badly. Its key is one that nobody signs with."""

    def __init__(self, mode):
        self.mode = mode
        self.requests = 0
        self.flooded = 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.witness = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.name = f"witness.example/{mode}"
        key = b"\x04" + hashlib.sha256(mode.encode()).digest()
        key_id = hashlib.sha256(self.name.encode() + b"\n" + key).hexdigest()[:8]
        self.vkey = f"{self.name}+{key_id}+{base64.b64encode(key).decode()}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def write_policy(path, witnesses, quorum, log_vkey=None):
    """`witnesses`: name -> one of the above, or (vkey, url). `quorum`: of the names, K or all."""
    lines = [f"log {log_vkey}"] if log_vkey else []
    for name, witness in witnesses.items():
        vkey, url = witness if isinstance(witness, tuple) else (witness.vkey, witness.url)
        lines.append(f"witness {name} {vkey} {url}")
    lines += [f"group g {quorum}", "quorum g"]
    pathlib.Path(path).write_text("\n".join(lines) + "\n")
    return path
