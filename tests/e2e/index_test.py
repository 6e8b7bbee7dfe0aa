"""The search index through the binary: it comes by itself, is what the records make, and is made
anew when it is gone or damaged; `graven verify --indexes` tells one that is not right."""
import base64
import collections
import hashlib
import json
import re
import shutil
import subprocess
import time
import unittest
import urllib.parse
import urllib.request

import serving

serving.stubs()
import grpc  # noqa: E402
from graven.v1 import audit_log_service_pb2 as api  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as rpc  # noqa: E402
from graven.v1 import event_pb2  # noqa: E402

RECORDS = 65_536 + 5_000
BATCH = 2_000


class SearchIndex(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = serving.make_folder("index")
        with serving.Server(cls.folder) as server:
            with grpc.insecure_channel(server.address) as channel:
                stub = rpc.AuditLogServiceStub(channel)
                for first in range(0, RECORDS, BATCH):
                    events = []
                    for i in range(first, min(first + BATCH, RECORDS)):
                        event = event_pb2.Event(event_id=f"e{i}", action="read" if i % 3 else "write")
                        event.actor.id = f"user-{i % 50}"
                        event.occurred_at.seconds = 1_700_000_000 + i
                        events.append(event)
                    stub.Append(api.AppendRequest(events=events))
            cls.data = server.data
            (cls.folder / "origin").write_text(json.dumps(server.ready["logs"]["default"]["origin"]))
            cls.files = cls.data / "logs" / "default" / "index"
            cls.wait_for_file()
            assert server.stop() == 0

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def wait_for_file(cls, beside=None):
        """Until an index file is there; with `beside`, one that came after that file did."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if cls.files.exists() and (beside is None or beside.exists()):
                if any(len(p.name) == 41 for p in cls.files.iterdir()):
                    return
            time.sleep(0.02)
        raise AssertionError("no index file came")

    def verify(self, check=0):
        """The verdict on this log; that of the server's own grows with each start."""
        verdict = json.loads(serving.run("verify", "--data", self.data, "--indexes", "--json",
                                         check=check).stdout)
        self.assertEqual(verdict["verdict"], "BAD" if check else "OK")
        log = next(log for log in verdict["logs"] if log["log"] == "default")
        # What `_system` says; which record of it says so grows with each time that files are made.
        self.logged = log.pop("logged")
        return log

    @staticmethod
    def manifest_version():
        """The first line of the manifest in docs/format.md."""
        return re.search(r"^graven-index/v\d+$", (serving.ROOT / "docs" / "format.md").read_text(), re.M)[0]

    def test_1_is_what_the_records_make(self):
        log = self.verify()
        self.assertEqual([(file["first"], file["end"]) for file in log["files"]], [("0", "65536")])
        self.assertEqual(log["records"], str(RECORDS))
        shown = serving.run("verify", "--data", self.data, "--indexes").stdout
        self.assertIn(log["manifestHash"], shown)
        self.assertIn("the manifest is the newest in _system", shown)
        self.assertEqual((self.logged["manifestHash"], self.logged["same"]), (log["manifestHash"], True))
        # The hash is that of the text that docs/format.md has.
        origin = json.loads((self.folder / "origin").read_text())
        text = self.manifest_version() + f"\n{origin}\n"
        for file in log["files"]:
            text += f"{file['first']} {file['end']} {file['subtreeRoot']} {file['indexRoot']}\n"
        self.assertEqual(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode(), log["manifestHash"])
        # One log alone: that of the server is not read.
        alone = json.loads(serving.run("verify", "--data", self.data, "--indexes", "--log", "default",
                                       "--json").stdout)["logs"]
        self.assertEqual([(one["log"], "logged" in one) for one in alone], [("default", False)])

    def test_2_deleted_it_comes_again_the_same(self):
        before = self.verify()
        told_in = self.logged["record"]
        shutil.rmtree(self.files)
        # Gone is not wrong: the manifest is another than the one that was logged, and that is said.
        self.assertNotEqual(self.verify()["manifestHash"], before["manifestHash"])
        self.assertEqual(self.logged, {"manifestHash": before["manifestHash"], "record": told_in, "same": False})
        self.assertIn("is another, " + before["manifestHash"],
                      serving.run("verify", "--data", self.data, "--indexes").stdout)
        with serving.Server(self.folder) as server:
            self.wait_for_file()
            self.assertEqual(server.stop(), 0)
        self.assertEqual(self.verify(), before)
        self.assertTrue(self.logged["same"])
        self.assertGreater(int(self.logged["record"]), int(told_in))

    def test_3_damaged_it_is_told_and_set_aside_and_made_anew(self):
        before = self.verify()
        file = next(path for path in self.files.iterdir() if len(path.name) == 41)
        damaged = bytearray(file.read_bytes())
        damaged[-20] ^= 1
        file.write_bytes(damaged)
        self.assertIn("is not what its records make", self.verify(check=1)["problems"][0])
        with serving.Server(self.folder) as server:
            self.wait_for_file(beside=self.files / (file.name + ".damaged"))
            self.assertEqual(server.stop(), 0)
            self.assertIn("set aside", server.log_path.read_text())
        self.assertEqual(self.verify(), before)

    def test_3b_damage_that_no_query_meets_is_found_all_the_same(self):
        before = self.verify()
        file = next(path for path in self.files.iterdir() if len(path.name) == 41)
        damaged = bytearray(file.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        file.write_bytes(damaged)
        self.verify(check=1)
        aside = self.files / (file.name + ".damaged")
        aside.unlink(missing_ok=True)
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            self.wait_for_file(beside=aside)
            with urllib.request.urlopen(server.ready["http"][0] + "/metrics") as answer:
                self.assertIn("\ngraven_index_files_replaced_total 1\n", answer.read().decode())
            self.assertEqual(server.stop(), 0)
        self.assertEqual(self.verify(), before)

    @staticmethod
    def told(server):
        """The records of the server's own log about index files."""
        url = server.ready["http"][0] + "/logs/_system/search?limit=1000&q=action:index.file"
        with urllib.request.urlopen(url) as answer:
            return [base64.b64decode(record["record"]) for record in json.load(answer)["records"]]

    def test_4_answers_are_those_of_the_records(self):
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            self.wait_for_file()
            for query, matches in (("actor:user-7", lambda i: i % 50 == 7),
                                   ("action:write NOT actor:user-7",
                                    lambda i: i % 3 == 0 and i % 50 != 7),
                                   ("event_id:e66000", lambda i: i == 66_000),
                                   ("WRITE", lambda i: i % 3 == 0),
                                   ("index:65530..65540", lambda i: 65_530 <= i < 65_540)):
                url = (server.ready["http"][0] + "/logs/default/search?limit=1000&wait_ms=60000&q="
                       + urllib.parse.quote(query))
                with urllib.request.urlopen(url) as answer:
                    page = json.load(answer)
                expected = [i for i in reversed(range(RECORDS)) if matches(i)]
                self.assertEqual([int(record["index"]) for record in page["records"]],
                                 expected[:1000], query)
                self.assertEqual(page["count"], {"value": str(len(expected)), "exact": True}, query)
            self.assertEqual(server.stop(), 0)

    def test_5_the_servers_own_log_has_the_lines_of_the_manifest(self):
        verified = self.verify()
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            before = len(self.told(server))
            self.assertEqual(server.stop(), 0)
        shutil.rmtree(self.files)
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            end = time.monotonic() + 60
            while len(self.told(server)) == before and time.monotonic() < end:
                time.sleep(0.05)
            told = self.told(server)
            self.assertEqual(server.stop(), 0)
        self.assertEqual(len(told), before + 1)
        for record in told:
            self.assertIn(verified["files"][0]["indexRoot"].encode(), record)
            self.assertIn(verified["manifestHash"].encode(), record)

    def test_6_only_of_a_folder(self):
        done = serving.run("verify", "--server", "127.0.0.1:1", "--indexes", check=2)
        self.assertIn("--indexes", done.stderr)

    def test_7_an_index_that_cannot_be_looked_into_is_no_empty_one(self):
        aside = self.files.with_name("aside")
        self.files.rename(aside)
        try:
            self.assertEqual(self.verify()["files"], [])
            self.files.write_text("no folder")
            self.assertIn("index folder", self.verify(check=1)["problems"][0])
        finally:
            self.files.unlink(missing_ok=True)
            aside.rename(self.files)

    @unittest.skipUnless(shutil.which("strace"), "skipped: strace is not installed")
    def test_8_records_are_read_once(self):
        def opened(*flags):
            trace = self.folder / "trace"
            subprocess.run(["strace", "-f", "-o", str(trace), "-e", "trace=openat", str(serving.BINARY),
                            "verify", "--data", str(self.data), "--log", "default", *flags],
                           check=True, capture_output=True, timeout=300)
            names = re.findall(r'/((?:journal|logs/default/segments)/[^/"]+)"', trace.read_text())
            return collections.Counter(names)

        plain = opened()
        self.assertTrue(plain, "the trace shows no file of records")
        self.assertEqual(opened("--indexes"), plain)


if __name__ == "__main__":
    unittest.main()
