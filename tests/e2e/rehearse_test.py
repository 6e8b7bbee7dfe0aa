"""graven rehearse: every attack is caught by who can see it, and the folder is not touched."""
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest

import serving
from planted import append
from serving import Server, run


class RehearseTest(unittest.TestCase):
    def caught(self, attack, *flags):
        report = json.loads(run("rehearse", attack, "--json", *flags).stdout)
        self.assertTrue(report["caught"])
        return {sighting["who"]: sighting["caught"] for sighting in report["sightings"]}, report

    def test_every_attack_is_caught(self):
        who, report = self.caught("flip")
        self.assertTrue(who["verify"])
        self.assertRegex(self.words(report, "verify"), "^the first bad record is \\d+: ")
        self.assertTrue(who["server"])
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


    def test_log_that_is_named_is_the_one_that_is_attacked(self):
        folder = serving.make_folder("rehearse")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        with Server(folder / "s") as server:
            run("logs", "create", "small", "--server", server.address)
            append(server.address, 2000)
            event = {"actor": {"id": "alice"}, "action": "a.b", "occurred_at": "2026-01-02T03:04:05Z"}
            lines = "".join(json.dumps({**event, "event_id": f"small-{n}"}) + "\n" for n in range(10))
            run("append", "--server", server.address, "--log", "small", "-", input=lines)
            server.stop()
        who, report = self.caught("flip", "--data", server.data, "--log", "small", "--keep")
        copy = pathlib.Path(report["folder"])
        self.addCleanup(shutil.rmtree, copy, ignore_errors=True)
        self.assertRegex(report["done"], r"^flipped a bit of (record 5,|the block of records)")
        self.assertTrue(who["verify"])
        self.assertIn("bad record is", self.words(report, "verify"))
        # What is named is what was changed.
        place = report["done"].split(" of ")[-1]
        before, after = ((root / place).read_bytes() for root in (server.data, copy / "log"))
        changed = [at for at, (one, other) in enumerate(zip(before, after)) if one != other]
        self.assertIn(int(report["done"].split("offset ")[1].split(" ")[0]), changed)
        # The other log's records are as they were.
        verdict = json.loads(run("verify", "--data", copy / "log", "--log", "small", "--json", check=1).stdout)
        self.assertEqual(verdict["verdict"], "BAD")

    def test_guard_that_lies_elsewhere_is_asked_for_and_taken_along(self):
        folder = serving.make_folder("rehearse")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        guard = folder / "the-guard"
        with Server(folder / "s", "--guard", guard) as server:
            append(server.address, 20)
            server.stop()
        kept = guard.read_bytes()
        refused = run("rehearse", "rollback", "--data", server.data, check=3)
        self.assertIn("--guard", refused.stderr)
        who, _ = self.caught("rollback", "--data", server.data, "--guard", guard)
        self.assertTrue(who["monitor"])
        self.assertEqual(guard.read_bytes(), kept)
        self.assertIn("--data", run("rehearse", "fork", "--guard", guard, check=2).stderr)


class Ended(unittest.TestCase):
    """However a rehearsal ends, no process of it goes on, and but for kill -9 no key of the copy is left."""

    def setUp(self):
        self.folder = serving.make_folder("rehearse-ended")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def processes(self):
        """Of any rehearsal below our folder: whose command line names it."""
        found = []
        for path in pathlib.Path("/proc").iterdir():
            try:
                if path.name.isdigit() and str(self.folder).encode() in (path / "cmdline").read_bytes():
                    found.append(int(path.name))
            except OSError:
                continue
        return found

    def begin(self, *flags, until):
        process = subprocess.Popen([str(serving.BINARY), "rehearse", *flags], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "TMPDIR": str(self.folder)})
        self.addCleanup(self.end, process)
        self.await_(lambda: list(self.folder.glob(f"*/{until}")) or process.poll() is not None)
        self.assertIsNone(process.poll(), "it ended before it was told to")
        self.await_(self.processes)
        return process

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=60)

    def await_(self, condition):
        end = time.monotonic() + 120
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.005)

    def test_by_a_signal_at_any_stage_nothing_is_left(self):
        for number, until in ((signal.SIGTERM, "log.ready"), (signal.SIGINT, "witness.ready"),
                              (signal.SIGHUP, "before"), (signal.SIGTERM, "monitor/memory")):
            with self.subTest(signal=number.name, stage=until):
                process = self.begin("rollback", until=until)
                process.send_signal(number)
                _, said = process.communicate(timeout=60)
                self.assertEqual(process.returncode, 3, said)
                self.assertIn("signal", said)
                self.assertEqual(self.processes(), [])
                self.assertEqual(list(self.folder.iterdir()), [])

    def test_by_kill_no_process_is_left_and_the_folder_is_ours_alone(self):
        process = self.begin("fork", until="witness.ready")
        process.kill()
        process.communicate(timeout=60)
        self.await_(lambda: not self.processes())
        [left] = self.folder.iterdir()
        self.assertEqual(stat.S_IMODE(left.stat().st_mode), 0o700)

    def test_report_outlives_a_page_that_cannot_be_shown(self):
        process = self.begin("flip", "--page", "--json", until="log.ready")
        address = json.loads(process.stdout.readline())["page"].split("/")[2]
        host, port = address.rsplit(":", 1)
        thief = socket.socket()
        self.addCleanup(thief.close)
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken = threading.Event()

        def steal():
            while not taken.is_set():
                try:
                    thief.bind((host, int(port)))
                    thief.listen()
                    taken.set()
                except OSError:
                    time.sleep(0.001)

        stealing = threading.Thread(target=steal, daemon=True)
        stealing.start()
        process.stdin.close()
        process.stdin = None
        out, said = process.communicate(timeout=120)
        stealing.join(timeout=60)
        self.assertTrue(taken.is_set())
        self.assertEqual(process.returncode, 3, said)
        self.assertTrue(json.loads(out)["caught"])
        self.assertIn("page", said)
        self.assertEqual(list(self.folder.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
