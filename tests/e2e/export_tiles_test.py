"""`graven export --tiles`: a folder that any static web server serves, read back over HTTP and recomputed from
the files alone."""
import base64
import functools
import http.server
import json
import pathlib
import shutil
import signal
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

import oracle
import serving
from tiles import append, recompute


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class StaticSite:
    """A stock web server over a folder."""

    def __init__(self, folder):
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def get(self, path):
        address = f"http://127.0.0.1:{self.server.server_port}/{path}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class ExportTiles(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("export-tiles")
        self.site = self.folder / "site"

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def export(self, *flags, check=0):
        done = serving.run("export", "--tiles", self.site, *flags, "--json", check=check)
        return json.loads(done.stdout) if check == 0 else done

    def wait_published(self, server, size):
        end = time.monotonic() + 30
        while json.loads(serving.run("checkpoint", "--json", "--server",
                                     server.address).stdout)["size"] < size:
            self.assertLess(time.monotonic(), end)

    def test_every_size_is_read_back_over_a_stock_web_server(self):
        with serving.Server(self.folder) as server, StaticSite(self.site) as site:
            before = 0
            for size in (0, 1, 255, 256, 257, 65_537):
                if size > before:
                    append(server.address, size - before, f"to-{size}")
                self.wait_published(server, size)
                report = self.export("--server", server.address)
                self.assertEqual((report["size"], report["new_records"]), (size, size - before))
                found, entries = recompute(site.get)
                self.assertEqual(found, size)
                if entries:
                    self.assertIn(f"to-{size}-{size - before - 1}".encode(), entries[-1])
                before = size
            again = self.export("--server", server.address)
            self.assertEqual((again["files_written"], again["new_records"]), (0, 0))
            with self.assertRaises(urllib.error.HTTPError):
                site.get("tile/0/999")

    def test_a_stopped_servers_folder_gives_the_same_files(self):
        with serving.Server(self.folder) as server:
            append(server.address, 700, "e")
            key = server.ready["logs"]["default"]["vkey"]
            self.assertEqual(server.stop(), 0)
        report = self.export("--data", server.data, "--key", key)
        self.assertEqual(report["size"], 700)
        recompute(lambda path: (self.site / path).read_bytes())
        data_site, self.site = self.site, self.folder / "other"
        with serving.Server(self.folder) as server:
            self.export("--server", server.address)
            self.assertEqual(server.stop(), 0)
        files = lambda root: {path.relative_to(root): path.read_bytes()
                              for path in root.rglob("*") if path.is_file() and
                              path.name != ".export-lock"}
        self.assertEqual(files(data_site), files(self.site))

    def test_a_folder_whose_records_were_changed_is_not_exported(self):
        with serving.Server(self.folder) as server:
            append(server.address, 300, "e")
            self.assertEqual(server.stop(), 0)
        journal = sorted((server.data / "journal").iterdir())[0]
        raw = bytearray(journal.read_bytes())
        raw[raw.index(b"e-222") + 1] ^= 1
        journal.write_bytes(raw)
        done = self.export("--data", server.data, check=1)
        self.assertIn("222", done.stderr)
        self.assertFalse((self.site / "checkpoint").exists())

    def test_another_log_and_an_older_copy_are_refused(self):
        with serving.Server(self.folder) as server:
            append(server.address, 10, "e")
            self.assertEqual(server.stop(), 0)
        copy = self.folder / "copy"
        shutil.copytree(server.data, copy)
        with serving.Server(self.folder) as server:
            append(server.address, 10, "f")
            self.assertEqual(server.stop(), 0)
        self.assertEqual(self.export("--data", server.data)["size"], 20)
        kept = (self.site / "checkpoint").read_bytes()
        done = self.export("--data", copy, check=1)
        self.assertIn("rolled back", done.stderr)
        with serving.Server(self.folder / "stranger") as stranger:
            self.export("--server", stranger.address, check=3)
        self.assertEqual((self.site / "checkpoint").read_bytes(), kept)
        # Nobody has cosigned it.
        key = b"\x04" + oracle.sha256(b"some witness")
        key_id = oracle.sha256(b"w.example\n" + key)[:4].hex()
        vkey = f"w.example+{key_id}+{base64.b64encode(key).decode()}"
        policy = self.folder / "policy.txt"
        policy.write_text(f"witness w {vkey}\nquorum w\n")
        done = self.export("--data", server.data, "--policy", policy, check=1)
        self.assertIn("0 of the policy's 1 witnesses", done.stderr)
        policy.write_text("quorum none\n")
        self.assertEqual(self.export("--data", server.data, "--policy", policy)["size"], 20)
        # Flags that would have no effect are refused.
        for flags in (["--format", "records"], ["--from", "3"], ["--data", copy, "--server", "x"]):
            self.export(*flags, check=2)
        serving.run("export", "--data", copy, check=2)

    def test_kills_while_the_log_grows_leave_a_whole_tree_at_every_moment(self):
        with serving.Server(self.folder) as server, StaticSite(self.site) as site:
            kills, sizes = 0, set()
            for turn in range(12):
                append(server.address, 1500, f"turn-{turn}")
                process = subprocess.Popen([str(serving.BINARY), "export", "--tiles", str(self.site),
                                            "--server", server.address], stdout=subprocess.DEVNULL)
                # Sooner each time, so that it is met in all its stages.
                time.sleep(0.004 * (12 - turn))
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
                if (self.site / "checkpoint").exists():
                    sizes.add(recompute(site.get)[0])
            self.assertGreater(kills, 3)
            self.wait_published(server, 18_000)
            self.assertEqual(self.export("--server", server.address)["size"], 18_000)
            self.assertEqual(recompute(site.get)[0], 18_000)
            leftovers = [path for path in pathlib.Path(self.site).rglob("*.new")]
            self.assertLessEqual(len(leftovers), 1)


if __name__ == "__main__":
    unittest.main()
