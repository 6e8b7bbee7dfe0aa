"""graven monitor, through the binary, against logs that really lie: what is planted is signed with the
log's own key, and every finding is held to `graven verify --evidence`."""
import hashlib
import hmac
import http.server
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import ssl
import subprocess
import threading
import time
import unittest
import urllib.request

import serving
import witnesses
from serving import BINARY, Server, run


NUMBERS = itertools.count()


def append(address, count, action="a.b", actor="alice"):
    # A line that comes again is the same event; these are all new ones.
    lines = "".join(json.dumps({"actor": {"id": actor}, "action": action, "request_id": str(next(NUMBERS)),
                                "occurred_at": "2026-01-02T03:04:05Z"}) + "\n" for _ in range(count))
    run("append", "--server", address, "-", input=lines)
    time.sleep(0.3)  # published a moment after it is durable


class Tiles:
    """A folder of tiles on a static web server; a test may answer in its place."""

    def __init__(self, folder, certificate=None):
        self.folder = pathlib.Path(folder)
        self.instead = {}  # path -> bytes, or None for 404
        self.hangs = set()  # paths that are not answered
        self.hanging = threading.Event()
        self.closed = threading.Event()
        self.at_once, self.at_once_max, self.lock = 0, 0, threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.lstrip("/")
                if path in outer.hangs:
                    outer.hanging.set()
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

class MonitorTest(Planted):
    def test_log_in_order_is_followed_over_grpc_and_tiles(self):
        with Server(self.folder / "s") as server:
            append(server.address, 700)
            self.key(server.data)
            status = self.once("--server", server.address)[-1]
            self.assertEqual((status["status"], status["size"], status["records_read"]), ("OK", 700, 700))
            append(server.address, 5)
            status = self.once("--server", server.address)[-1]
            self.assertEqual((status["size"], status["records_read"]), (705, 5))
            append(server.address, 95)
            run("export", "--server", server.address, "--tiles", self.folder / "tiles")
        tiles = Tiles(self.folder / "tiles")
        self.addCleanup(tiles.close)
        status = self.once("--url", tiles.url)[-1]
        self.assertEqual((status["status"], status["size"], status["records_read"]), ("OK", 800, 95))

    def test_tiles_are_fetched_several_at_once_and_read_in_order(self):
        tiles = self.planted_tiles(6000)
        status = self.once("--url", tiles.url)[-1]
        self.assertEqual((status["status"], status["size"], status["records_read"]), ("OK", 6000, 6000))
        self.assertGreater(tiles.at_once_max, 2)
        self.assertLessEqual(tiles.at_once_max, 9)
        # One in the middle that is not there is what is told, not the ones behind it.
        shutil.rmtree(self.folder / "seen")
        tiles.instead["tile/entries/007"] = None
        finding, status = self.once("--url", tiles.url, check=1)
        self.assertEqual((finding["finding"], status["size"]), ("withheld", 0))
        self.assertEqual(status["records_read"] % (7 * 256), 0, "a record behind the gap was read")

    def test_forked_log_is_proven(self):
        with Server(self.folder / "a") as first:
            append(first.address, 512)
            self.key(first.data)
            self.once("--server", first.address)
            first.stop()
        # The same key, another history: the operator's own machine can do this.
        shutil.copytree(self.folder / "a" / "data", self.folder / "b" / "data")
        with Server(self.folder / "a") as first, Server(self.folder / "b") as second:
            append(first.address, 10, "shown.to.monitor")
            append(second.address, 300, "shown.to.others")
            self.assertEqual(self.once("--server", first.address)[-1]["size"], 522)
            found = self.once("--server", second.address, check=1)
            self.assertEqual(found[0]["finding"], "fork")
            self.evidence(found[0], "FORK_PROVEN", by_log=True)
            # It does not go away, not even when the first history is shown again.
            found = self.once("--server", first.address, check=1)
            self.assertEqual(found[0]["verdict"], "FORK_PROVEN")
        changed = pathlib.Path(found[0]["evidence"])
        text = changed.read_text()
        node = next(line for line in text.splitlines() if line.startswith("node "))
        changed.write_text(text.replace(node, "node " + "A" * 43 + "="))
        run("verify", "--evidence", changed, "--key", self.folder / "log.vkey", check=1)

    def test_fork_is_proven_by_a_checkpoint_of_a_second_monitor(self):
        with Server(self.folder / "a") as first:
            append(first.address, 100)
            self.key(first.data)
            first.stop()
        shutil.copytree(self.folder / "a" / "data", self.folder / "b" / "data")
        with Server(self.folder / "a") as first, Server(self.folder / "b") as second:
            append(first.address, 30, "x.y")
            append(second.address, 20, "y.z")
            run("monitor", "--key", self.folder / "log.vkey", "--data", self.folder / "second", "--once",
                "--server", second.address)
            found = self.once("--server", first.address, "--checkpoint",
                              self.folder / "second" / "checkpoint", check=1)
            self.assertEqual(found[0]["finding"], "fork")
            self.evidence(found[0], "FORK_PROVEN", by_log=True)

    def test_rolled_back_log_is_withheld_and_then_forked(self):
        with Server(self.folder / "s") as server:
            append(server.address, 200)
            self.key(server.data)
            server.stop()
        shutil.copytree(self.folder / "s" / "data", self.folder / "old")
        with Server(self.folder / "s") as server:
            append(server.address, 50)
            self.assertEqual(self.once("--server", server.address)[-1]["size"], 250)
            server.stop()
        # Data and guard together: nothing on that machine can tell.
        shutil.rmtree(self.folder / "s" / "data")
        shutil.copytree(self.folder / "old", self.folder / "s" / "data")
        with Server(self.folder / "s") as server:
            found = self.once("--server", server.address, check=1)
            self.assertEqual(found[0]["finding"], "withheld")
            self.evidence(found[0], "WITHHELD")
            append(server.address, 100, "another.story")
            found = self.once("--server", server.address, check=1)
            self.assertIn("fork", [line.get("finding") for line in found])
            self.evidence(next(line for line in found if line.get("finding") == "fork"), "FORK_PROVEN", by_log=True)

    def test_flipped_bit_in_a_record_is_a_wrong_answer(self):
        tiles = self.planted_tiles()
        path = "tile/entries/001"
        entries = bytearray((tiles.folder / path).read_bytes())
        entries[-3] ^= 1  # within the body of record 511
        tiles.instead[path] = bytes(entries)
        found = self.once("--url", tiles.url, check=1)
        self.assertEqual((found[0]["finding"], found[0]["index"]), ("record", 511))
        self.evidence(found[0], "WRONG_ANSWER", by_log=False)
        # It answers rightly again: nothing was learnt from what was wrong.
        tiles.instead.clear()
        status = self.once("--url", tiles.url)[-1]
        self.assertEqual((status["status"], status["size"]), ("OK", 600))

    def test_record_that_is_kept_back_is_withheld(self):
        tiles = self.planted_tiles()
        tiles.instead["tile/entries/001"] = None
        found = self.once("--url", tiles.url, check=None)
        self.assertIn("withheld", [line.get("finding") for line in found])
        self.evidence(found[0], "WITHHELD")

    def test_signed_and_not_shown_is_withheld_only_after_the_time_for_it(self):
        tiles = self.planted_tiles()
        newer = self.folder / "newer.note"
        with Server(self.folder / "s") as server:
            append(server.address, 40)
            newer.write_bytes(run("checkpoint", "--server", server.address, text=False).stdout)
        begun = time.monotonic()
        found = self.once("--url", tiles.url, "--checkpoint", newer, patience=1, check=1)
        self.assertGreaterEqual(time.monotonic() - begun, 1)
        self.assertEqual(found[0]["finding"], "withheld")
        self.evidence(found[0], "WITHHELD")

    def test_checkpoint_of_another_key_is_a_wrong_answer(self):
        tiles = self.planted_tiles()
        with Server(self.folder / "other") as other:
            append(other.address, 600)
            tiles.instead["checkpoint"] = run("checkpoint", "--server", other.address, text=False).stdout
        found = self.once("--url", tiles.url, check=1)
        self.assertEqual(found[0]["finding"], "checkpoint")
        self.evidence(found[0], "WRONG_ANSWER")

    def certificate(self, name):
        """A self-signed certificate of that name or address."""
        path = self.folder / f"{name}.pem"
        kind = "IP" if name[0].isdigit() else "DNS"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-keyout", str(path.with_suffix(".key")), "-out", str(path), "-days", "1",
                        "-subj", "/CN=test", "-addext", f"subjectAltName={kind}:{name}"],
                       check=True, capture_output=True)
        return path

    def test_https_is_followed_only_with_the_certificate_of_that_host(self):
        folder = self.planted_tiles().folder
        good, other = self.certificate("127.0.0.1"), self.certificate("other.example")
        tiles = Tiles(folder, good)
        self.addCleanup(tiles.close)
        self.assertEqual(self.once("--url", tiles.url, "--ca", good)[-1]["size"], 600)
        for ca in ((), ("--ca", other)):
            done = run("monitor", "--key", self.folder / "log.vkey", "--data", self.folder / "seen", "--once",
                       "--url", tiles.url, *ca, check=3)
            self.assertIn("certificate", done.stderr)
        wrong = Tiles(folder, other)
        self.addCleanup(wrong.close)
        done = run("monitor", "--key", self.folder / "log.vkey", "--data", self.folder / "seen", "--once",
                   "--url", wrong.url, "--ca", other, check=3)
        self.assertIn("certificate", done.stderr)

    def test_log_that_cannot_be_reached_is_exit_3(self):
        self.planted_tiles()
        self.once("--url", "http://127.0.0.1:1", check=3)

    def test_kill_9_loses_no_memory_and_finds_nothing_false(self):
        chance = random.Random(20)
        with Server(self.folder / "s") as server:
            append(server.address, 20)
            self.key(server.data)
            size = self.once("--server", server.address)[-1]["size"]
            for _ in range(20):
                watcher = subprocess.Popen(
                    [str(BINARY), "monitor", "--key", str(self.folder / "log.vkey"), "--server",
                     server.address, "--data", str(self.folder / "seen"), "--every", "0.01", "--json"],
                    stdout=subprocess.PIPE, text=True)
                append(server.address, chance.randrange(1, 200))
                time.sleep(chance.random() * 0.15)
                watcher.send_signal(signal.SIGKILL)
                out, _ = watcher.communicate(timeout=60)
                self.assertNotIn('"finding"', out)
                # What it had seen, a log can no longer take back.
                first = json.loads(out.splitlines()[0]) if out else None
                if first:
                    self.assertGreaterEqual(first["size"], size)
                    size = first["size"]
            total = self.once("--server", server.address)[-1]
            self.assertEqual(total["findings"], 0)
            server.stop()
        shutil.copytree(self.folder / "s" / "data", self.folder / "t" / "data")
        with Server(self.folder / "s") as server:
            append(server.address, 1)
            self.once("--server", server.address)
        with Server(self.folder / "t") as server:
            append(server.address, 1, "other.story")
            self.once("--server", server.address, check=1)

    def test_follows_until_it_is_told_to_stop(self):
        with Server(self.folder / "s") as server:
            append(server.address, 10)
            self.key(server.data)
            watcher = subprocess.Popen(
                [str(BINARY), "monitor", "--key", str(self.folder / "log.vkey"), "--server", server.address,
                 "--data", str(self.folder / "seen"), "--every", "0.05", "--json"],
                stdout=subprocess.PIPE, text=True)
            self.addCleanup(watcher.kill)
            self.assertEqual(json.loads(watcher.stdout.readline())["status"], "FOLLOWING")
            append(server.address, 25)
            end = time.monotonic() + 30
            note = self.folder / "seen" / "checkpoint"
            while time.monotonic() < end and (not note.exists() or note.read_text().split("\n")[1] != "35"):
                time.sleep(0.05)
            self.assertEqual(note.read_text().split("\n")[1], "35")
            watcher.send_signal(signal.SIGTERM)
            out, _ = watcher.communicate(timeout=30)
            self.assertEqual(watcher.returncode, 0)
            self.assertEqual(json.loads(out.splitlines()[-1])["size"], 35)


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
        flags = ("--url", tiles.url, "--webhook", hook.url, "--webhook-secret-file", secret)
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
    def follow(self, *flags):
        process = subprocess.Popen(
            [str(BINARY), "monitor", "--key", str(self.folder / "log.vkey"), "--data",
             str(self.folder / "seen"), "--every", "0.05", *map(str, flags)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(lambda: (process.kill(), process.wait(), process.stdout.close()))
        self.assertIn("following", process.stdout.readline())
        return process

    def stops(self, process):
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 0)
        # A call has 10 s and is tried again; one that is cancelled takes no time.
        self.assertLess(time.monotonic() - begun, 8, "a call that hangs held up the stop")

    def test_a_server_that_hangs_does_not_hold_up_the_stop(self):
        with Server(self.folder / "s") as server:
            append(server.address, 5)
            self.key(server.data)
            process = self.follow("--server", server.address)
            time.sleep(0.5)
            os.kill(server.pid, signal.SIGSTOP)  # its next unary call is never answered
            try:
                time.sleep(0.5)
                self.stops(process)
            finally:
                os.kill(server.pid, signal.SIGCONT)

    def test_tiles_that_hang_do_not_hold_up_the_stop(self):
        tiles = self.planted_tiles(2000)
        tiles.hangs.add("tile/entries/003")
        process = self.follow("--url", tiles.url)
        end = time.monotonic() + 20
        while not tiles.hanging.is_set() and time.monotonic() < end:
            time.sleep(0.05)
        self.assertTrue(tiles.hanging.is_set())
        self.stops(process)


class RehearseTest(unittest.TestCase):
    def caught(self, attack, *flags):
        report = json.loads(run("rehearse", attack, "--json", *flags).stdout)
        self.assertTrue(report["caught"])
        return {sighting["who"]: sighting["caught"] for sighting in report["sightings"]}, report

    def test_every_attack_is_caught(self):
        who, report = self.caught("flip")
        self.assertTrue(who["verify"])
        # A witness sees no records, and says so.
        self.assertFalse(who["witness"])
        self.assertIn("it sees no records", self.words(report, "witness"))
        who, report = self.caught("fork")
        self.assertTrue(who["monitor"])
        self.assertTrue(who["witness"])
        self.assertIn("refuses to cosign", self.words(report, "witness"))
        self.assertFalse(who["verify"])
        self.assertTrue(report["evidence"].startswith("FORK_PROVEN"))
        who, report = self.caught("rollback")
        self.assertTrue(who["monitor"])
        self.assertTrue(who["witness"])
        self.assertIn("has cosigned a tree of 320 records", self.words(report, "witness"))
        self.assertTrue(who["server"])
        self.assertIn("rolled back", self.words(report, "server"))
        self.assertTrue(report["evidence"].startswith("WITHHELD"))
        who, report = self.caught("withhold")
        self.assertTrue(who["monitor"])
        self.assertTrue(who["witness"])
        self.assertIn("has cosigned a tree of 320 records", self.words(report, "witness"))

    def words(self, report, who):
        return next(one["words"] for one in report["sightings"] if one["who"] == who)

    def test_copy_is_attacked_and_the_folder_is_not_touched(self):
        folder = serving.make_folder("rehearse")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        with Server(folder / "s") as server:
            append(server.address, 50)
            busy = run("rehearse", "fork", "--data", server.data, check=3)
            self.assertIn("rehearsal", busy.stderr)
            server.stop()

        def state():
            return {path: path.read_bytes() for path in sorted(server.data.rglob("*"))
                    if path.is_file() and path.name != "lock"}
        before = state()
        self.caught("fork", "--data", server.data)
        self.caught("flip", "--data", server.data)
        self.assertEqual(state(), before)


if __name__ == "__main__":
    unittest.main()
