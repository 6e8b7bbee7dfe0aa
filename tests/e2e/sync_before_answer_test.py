"""A killed process loses no page cache, so a kill cannot show that an answer waits for the sync. strace
can: for every acknowledgement a sync completed after the write of its record and before the answer.

The append is one at a time, so that each answer belongs to one write."""
import re
import shutil
import time
import unittest

import serving

serving.stubs()
import grpc  # noqa: E402
from graven.v1 import audit_log_service_pb2 as service_pb2  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as service_rpc  # noqa: E402
from graven.v1 import event_pb2  # noqa: E402

APPENDS = 50
CALL = re.compile(r"^\d+ +[\d.]+ (?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)$")


def completed_calls(trace):
    """(name, text) of each completed system call in the order of completion."""
    begun = {}
    for line in trace.splitlines():
        pid = line.split(" ", 1)[0]
        found = CALL.match(line)
        if not found:
            continue
        name, rest = found.groups()
        if "<unfinished ...>" in rest:
            begun[pid] = rest
            continue
        yield name, begun.pop(pid, "") + rest if "resumed>" in line else rest


@unittest.skipUnless(shutil.which("strace"), "skipped: strace is not installed")
class SyncBeforeAnswer(unittest.TestCase):
    def test_a_sync_completes_between_each_write_and_its_answer(self):
        folder = serving.make_folder("strace")
        trace_path = folder / "trace"
        prefix = ("strace", "-f", "-ttt", "-yy", "-s", "100000", "-xx", "-o", str(trace_path), "-e",
                  "trace=pwrite64,fdatasync,fsync,sendmsg,write,writev")
        with serving.Server(folder, prefix=prefix, ready_s=120) as server:
            with grpc.insecure_channel(server.address) as channel:
                stub = service_rpc.AuditLogServiceStub(channel)
                for i in range(APPENDS):
                    event = event_pb2.Event(event_id=f"needle-{i:04}-in", action="a")
                    event.actor.id = "b"
                    event.occurred_at.GetCurrentTime()
                    stub.Append(service_pb2.AppendRequest(events=[event]), timeout=60)
            self.assertEqual(server.stop(), 0)
        time.sleep(0.1)
        written, synced, answered = set(), set(), []
        for name, text in completed_calls(trace_path.read_text(errors="replace")):
            ids = re.findall(r"needle-(\d{4})-in", self.text_of(text))
            # The path behind the descriptor is printed as hex too.
            journal = "/journal/" in self.text_of(text.split(">", 1)[0])
            if name == "pwrite64" and journal:
                written.update(ids)
            elif name in ("fdatasync", "fsync") and journal and text.rstrip().endswith("= 0"):
                synced |= written
            elif name == "sendmsg" and "TCP" in text.split(",")[0]:
                for number in ids:
                    self.assertIn(number, synced, f"event {number} was answered before its sync")
                    answered.append(number)
        self.assertEqual(len(written), APPENDS, "the trace does not show the writes")
        self.assertEqual(len(set(answered)), APPENDS, "the trace does not show the answers")

    @staticmethod
    def text_of(call):
        # strace -xx prints all strings as \\xNN.
        hexed = re.findall(r"(?:\\x[0-9a-f]{2})+", call)
        return " ".join(bytes.fromhex(part.replace("\\x", "")).decode("latin-1") for part in hexed)


if __name__ == "__main__":
    unittest.main(verbosity=2)
