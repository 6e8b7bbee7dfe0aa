"""Logs that really lie, for the tests of those who look on: tiles on a static web server, some of them
changed, and what is planted is signed with the log's own key."""
import http.server
import itertools
import json
import pathlib
import shutil
import ssl
import threading
import time
import unittest

import serving
from serving import Server, run


NUMBERS = itertools.count()


def append(address, count, action="a.b", actor="alice"):
    # A line that comes again is the same event; these are all new ones.
    lines = "".join(json.dumps({"actor": {"id": actor}, "action": action, "request_id": str(next(NUMBERS)),
                                "occurred_at": "2026-01-02T03:04:05Z"}) + "\n" for _ in range(count))
    run("append", "--server", address, "-", input=lines)
    end = time.monotonic() + 60
    while True:  # published a moment after it is durable
        log = json.loads(run("logs", "show", "--server", address, "--json").stdout)
        if log["published_size"] == log["durable_size"]:
            return
        if time.monotonic() > end:
            raise AssertionError(f"not published: {log}")
        time.sleep(0.01)


class Tiles:
    """A folder of tiles on a static web server; a test may answer in its place."""

    def __init__(self, folder, certificate=None):
        self.folder = pathlib.Path(folder)
        self.instead = {}  # path -> bytes, or None for 404
        self.hangs = set()  # paths that are not answered
        self.hanging = 0  # requests for them
        self.closed = threading.Event()
        self.at_once, self.at_once_max, self.lock = 0, 0, threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.lstrip("/")
                if path in outer.hangs:
                    with outer.lock:
                        outer.hanging += 1
                    outer.closed.wait(60)
                with outer.lock:
                    outer.at_once += 1
                    outer.at_once_max = max(outer.at_once_max, outer.at_once)
                if "entries" in path:
                    time.sleep(0.02)  # a way that is not the shortest
                with outer.lock:
                    outer.at_once -= 1
                file = outer.folder / path
                body = outer.instead.get(path, file.read_bytes() if file.is_file() else None)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                try:
                    self.wfile.write(body or b"")
                except OSError:
                    pass  # a reader that has seen enough goes

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.url = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.closed.set()
        self.server.shutdown()
        self.server.server_close()


class Planted(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("monitor")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def key(self, data):
        vkey = self.folder / "log.vkey"
        vkey.write_text(run("keys", "show", "--data", data).stdout)
        return vkey

    def once(self, *flags, check=0, patience=0):
        """One look; returns its JSON lines: findings, then the status."""
        done = run("monitor", "--key", self.folder / "log.vkey", "--data", self.folder / "seen", "--once",
                   "--json", "--every", "0.05", "--patience", patience, *flags, check=check)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def evidence(self, finding, verdict, by_log=None):
        """What somebody else finds in the file, offline."""
        judged = json.loads(run("verify", "--evidence", finding["evidence"], "--key",
                                self.folder / "log.vkey", "--json").stdout)
        self.assertEqual(judged["verdict"], verdict)
        self.assertEqual(finding["verdict"], verdict)
        if by_log is not None:
            self.assertEqual(judged["signed_by_log"], by_log)
        self.assertEqual(judged["trust"], "KEY_PINNED")

    def planted_tiles(self, count=600):
        with Server(self.folder / "s") as server:
            append(server.address, count)
            self.key(server.data)
            run("export", "--server", server.address, "--tiles", self.folder / "tiles")
        tiles = Tiles(self.folder / "tiles")
        self.addCleanup(tiles.close)
        return tiles
