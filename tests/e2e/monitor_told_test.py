"""How graven monitor tells what it found, what it asks of witnesses, and how it stops."""
import hashlib
import hmac
import http.server
import json
import os
import select
import signal
import subprocess
import threading
import time
import unittest
import urllib.request

import witnesses
from planted import Planted, append
from serving import BINARY, Server, run


class Hook:
    """Takes webhooks, and answers with the statuses that the test wants."""

    def __init__(self):
        self.statuses, self.taken = [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.statuses.pop(0) if outer.statuses else 200
                if status == 200:
                    outer.taken.append((dict(self.headers), body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


class WebhookTest(Planted):
    def test_finding_is_told_signed_and_without_content(self):
        secret = self.folder / "secret"
        secret.write_text("sixteen bytes or more\n")
        tiles = self.planted_tiles()
        path = "tile/entries/000"
        entries = bytearray((tiles.folder / path).read_bytes())
        entries[-3] ^= 1
        tiles.instead[path] = bytes(entries)
        hook = Hook()
        hook.statuses = [503]
        flags = ("--url", tiles.url, "--webhook", hook.url, "--webhook-secret-file", secret, "--page",
                 "https://audit.example/graven/")
        # Loopback is not called unless somebody says so; the notice waits on the disk.
        self.once(*flags, check=1)
        self.assertEqual(hook.taken, [])
        tiles.instead.clear()
        self.once(*flags, "--webhook-allow", "127.0.0.1")
        self.assertEqual(len(hook.taken), 1)
        headers, body = hook.taken[0]
        text = f"{headers['Graven-Timestamp']}.{headers['Graven-Delivery']}.".encode() + body
        want = "v1=" + hmac.new(b"sixteen bytes or more", text, hashlib.sha256).hexdigest()
        self.assertEqual(headers["Graven-Signature"], want)
        notice = json.loads(body)["notices"][0]
        self.assertEqual((notice["finding"], notice["index"]), ("record", 255))
        self.assertRegex(notice["link"], r"^https://audit\.example/graven/#/[a-z]+/record/255$")
        self.assertNotIn(b"alice", body)

    def test_metrics_and_checkpoint_are_served(self):
        with Server(self.folder / "s") as server:
            append(server.address, 10)
            self.key(server.data)
            watcher = subprocess.Popen(
                [str(BINARY), "monitor", "--key", str(self.folder / "log.vkey"), "--server", server.address,
                 "--data", str(self.folder / "seen"), "--every", "0.05", "--metrics", "127.0.0.1:0"],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            self.addCleanup(watcher.stderr.close)
            self.addCleanup(watcher.wait)
            self.addCleanup(watcher.kill)
            address = watcher.stderr.readline().split()[-1].removesuffix("/metrics")
            end = time.monotonic() + 30
            text = ""
            while "graven_monitor_tree_size{origin=" not in text or "} 10\n" not in text:
                self.assertLess(time.monotonic(), end, text)
                text = urllib.request.urlopen(address + "/metrics", timeout=10).read().decode()
                time.sleep(0.05)
            self.assertIn("graven_monitor_findings_total", text)
            note = urllib.request.urlopen(address + "/checkpoint", timeout=10).read()
            self.assertEqual(note, (self.folder / "seen" / "checkpoint").read_bytes())
            second = run("monitor", "--key", self.folder / "log.vkey", "--server", server.address, "--once",
                         "--data", self.folder / "second", "--checkpoint", address + "/checkpoint")
            self.assertIn("OK", second.stdout)


class QuorumTest(Planted):
    """A policy of the auditor's own: who must have cosigned, and how long ago at most."""

    def setUp(self):
        super().setUp()
        with Server(self.folder / "s") as server:
            self.vkey = server.ready["logs"]["default"]["vkey"]
            self.key(server.data)
            server.stop()
        self.witness = witnesses.Witness(self.folder / "own", [self.vkey], "witness.example/own")
        self.addCleanup(self.witness.kill)
        self.policy = witnesses.write_policy(self.folder / "policy", {"own": self.witness}, "any own",
                                             self.vkey)

    def test_checkpoint_without_the_quorum_is_a_finding(self):
        with Server(self.folder / "s") as server:  # it does not know of the witness
            append(server.address, 3)
            finding, status = self.once("--server", server.address, "--policy", self.policy, check=1)
            self.assertEqual((finding["finding"], status["status"]), ("quorum", "BAD"))
            self.assertIn("0 of its witnesses cosigned", finding["message"])
            self.assertNotIn("evidence", finding, "that nobody cosigned proves nothing")
            # The log is in order, and is followed all the same.
            self.assertEqual(status["size"], 3)
            self.assertEqual(server.stop(), 0)
        with Server(self.folder / "s", "--policy", self.policy) as server:
            run("append", "--actor", "a", "--action", "b", "--wait", "cosigned", "--server",
                server.address)
            status = self.once("--server", server.address, "--policy", self.policy)[-1]
            self.assertEqual((status["status"], status["size"]), ("OK", 4))

    def test_cosignatures_older_than_they_may_be_are_a_finding(self):
        with Server(self.folder / "s", "--policy", self.policy) as server:
            run("append", "--actor", "a", "--action", "b", "--wait", "cosigned", "--server",
                server.address)
            flags = ("--server", server.address, "--policy", self.policy, "--fresh")
            self.assertEqual(self.once(*flags, 3600)[-1]["status"], "OK")
            self.witness.kill()
            time.sleep(2.2)
            finding, status = self.once(*flags, 1, check=1)
            self.assertEqual((finding["finding"], status["status"]), ("stale", "BAD"))
            # Without a policy there is nothing whose age could be looked at.
            self.assertIn("--fresh", run("monitor", "--key", self.folder / "log.vkey", "--data",
                                         self.folder / "x", "--once", "--fresh", 5, "--server",
                                         server.address, check=2).stderr)


class StopTest(Planted):
    """A call that hangs is cancelled. Whether it was, and did not just come to the end of its own time, a second
    monitor shows that is told nothing: its call, made when the other one was, still hangs when that one has ended."""

    def follow(self, *flags):
        return [self.follow_into(folder, *flags) for folder in ("seen", "also-seen")]

    def follow_into(self, folder, *flags):
        process = subprocess.Popen(
            [str(BINARY), "monitor", "--key", str(self.folder / "log.vkey"), "--data",
             str(self.folder / folder), "--every", "0.05", *map(str, flags)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(lambda: (process.kill(), process.wait(), process.stdout.close()))
        self.assertIn("following", process.stdout.readline())
        return process

    def stops(self, process, other):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 0)
        # Its call may have begun one round later.
        said = select.select([other.stdout], [], [], 0.5)[0]
        self.assertEqual(said, [], "a call that hangs held up the stop: one like it has come to its end")
        self.assertIsNone(other.poll())

    def test_a_server_that_hangs_does_not_hold_up_the_stop(self):
        with Server(self.folder / "s") as server:
            append(server.address, 5)
            self.key(server.data)
            both = self.follow("--server", server.address)
            os.kill(server.pid, signal.SIGSTOP)  # its next unary call is never answered
            try:
                time.sleep(0.5)
                self.stops(*both)
                # What the other one says once its call has ended.
                self.assertIn("does not answer", both[1].stdout.readline())
            finally:
                os.kill(server.pid, signal.SIGCONT)

    def test_tiles_that_hang_do_not_hold_up_the_stop(self):
        tiles = self.planted_tiles(2000)
        tiles.hangs.add("tile/entries/003")
        both = self.follow("--url", tiles.url)
        end = time.monotonic() + 60
        while tiles.hanging < 2 and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(tiles.hanging, 2, "requests that hang")
        self.stops(*both)


if __name__ == "__main__":
    unittest.main()
