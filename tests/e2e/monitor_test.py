"""graven monitor, through the binary, against logs that really lie; every finding is held to `graven verify
--evidence`."""
import json
import pathlib
import random
import shutil
import signal
import subprocess
import time
import unittest

from planted import Planted, Tiles, append
from serving import BINARY, Server, run


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


if __name__ == "__main__":
    unittest.main()
