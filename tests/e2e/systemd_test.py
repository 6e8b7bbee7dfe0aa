"""What the service manager is told, and what it says of the unit in deploy/."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

import serving

UNIT = serving.ROOT / "deploy" / "graven.service"
ANALYZE = shutil.which("systemd-analyze")


class ServiceManager(unittest.TestCase):
    def test_it_is_told_when_the_server_is_ready_and_when_it_stops(self):
        # A socket's path is short: not below the build folder.
        with tempfile.TemporaryDirectory() as short, socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            path = os.path.join(short, "notify")
            manager.bind(path)
            manager.settimeout(60)
            with serving.Server(serving.make_folder("notify"), env={"NOTIFY_SOCKET": path}) as server:
                self.assertIn(b"READY=1", manager.recv(4096).split(b"\n"))
                # It is what it said.
                serving.run("append", "--actor", "a", "--action", "b", "--server", server.address)
                self.assertEqual(server.stop(), 0)
            self.assertIn(b"STOPPING=1", manager.recv(4096).split(b"\n"))

    def test_it_is_not_told_that_a_server_is_ready_which_could_not_start(self):
        with tempfile.TemporaryDirectory() as short, socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            path = os.path.join(short, "notify")
            manager.bind(path)
            done = subprocess.run([str(serving.BINARY), "serve", "--data", f"{short}/no/such/folder",
                                   "--listen", "127.0.0.1:0"],
                                  env={**os.environ, "NOTIFY_SOCKET": path}, capture_output=True,
                                  timeout=60)
            self.assertEqual(done.returncode, 3)
            manager.setblocking(False)
            with self.assertRaises(BlockingIOError):
                manager.recv(4096)


@unittest.skipUnless(ANALYZE, "skipped: there is no systemd-analyze on this machine")
class Unit(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("unit")
        self.unit = self.folder / "graven.service"
        # Where the binary will be installed there is none yet.
        text = UNIT.read_text().replace("/usr/local/bin/graven", str(serving.BINARY))
        self.unit.write_text(text)

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def analyze(self, *arguments):
        done = subprocess.run([ANALYZE, *arguments, str(self.unit)], capture_output=True, text=True,
                              timeout=60, env={**os.environ, "SYSTEMD_COLORS": "0"})
        return done.returncode, done.stdout + done.stderr

    def test_the_unit_is_valid(self):
        code, said = self.analyze("verify", "--man=no")
        about_it = [line for line in said.splitlines() if "graven" in line]
        self.assertEqual((code, about_it), (0, []), said)

    def test_an_error_in_it_would_be_seen(self):
        self.unit.write_text(self.unit.read_text().replace("Type=notify", "Type=notified"))
        _, said = self.analyze("verify", "--man=no")
        self.assertIn("notified", said)

    def test_the_sandbox_stays_tight(self):
        code, said = self.analyze("security", "--offline=true", "--no-pager")
        score = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
        self.assertIsNotNone(score, said)
        self.assertEqual(code, 0, said)
        self.assertLessEqual(float(score.group(1)), 1.5, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
