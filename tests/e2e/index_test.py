"""The search index through the binary: it comes by itself, is what the records make, and is made anew when it is gone or
damaged; `graven verify --indexes` tells a file that was made to lie."""
import json
import shutil
import time
import unittest

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
            cls.files = cls.data / "logs" / "default" / "index"
            cls.wait_for_file()
            assert server.stop() == 0

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def wait_for_file(cls):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if cls.files.exists() and any(len(p.name) == 41 for p in cls.files.iterdir()):
                return
            time.sleep(0.02)
        raise AssertionError("no index file came")

    def verify(self, check=0):
        return json.loads(serving.run("verify", "--data", self.data, "--indexes", "--json",
                                      check=check).stdout)

    def test_1_is_what_the_records_make(self):
        verdict = self.verify()
        self.assertEqual(verdict["verdict"], "OK")
        log = next(log for log in verdict["logs"] if log["log"] == "default")
        self.assertEqual([(file["first"], file["end"]) for file in log["files"]], [("0", "65536")])
        self.assertEqual(log["records"], str(RECORDS))
        self.assertIn(log["manifestHash"], serving.run("verify", "--data", self.data, "--indexes").stdout)

    def test_2_deleted_it_comes_again_the_same(self):
        before = self.verify()
        shutil.rmtree(self.files)
        with serving.Server(self.folder) as server:
            self.wait_for_file()
            self.assertEqual(server.stop(), 0)
        self.assertEqual(self.verify(), before)

    def test_3_damaged_it_is_told_and_set_aside_and_made_anew(self):
        before = self.verify()
        file = next(self.files.iterdir())
        damaged = bytearray(file.read_bytes())
        damaged[-20] ^= 1
        file.write_bytes(damaged)
        self.assertEqual(self.verify(check=1)["verdict"], "BAD")
        with serving.Server(self.folder) as server:
            self.wait_for_file()
            self.assertEqual(server.stop(), 0)
            self.assertIn("set aside", server.log_path.read_text())
        self.assertTrue((self.files / (file.name + ".damaged")).exists())
        self.assertEqual(self.verify(), before)

    def test_4_only_of_a_folder(self):
        done = serving.run("verify", "--server", "127.0.0.1:1", "--indexes", check=2)
        self.assertIn("--indexes", done.stderr)


if __name__ == "__main__":
    unittest.main()
