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
LOGS = 64
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

    def test_one_batch_over_many_logs_makes_one_sync(self):
        folder = serving.make_folder("strace-logs")
        with serving.Server(folder) as server:
            with grpc.insecure_channel(server.address) as channel:
                stub = service_rpc.AuditLogServiceStub(channel)
                for i in range(LOGS):
                    stub.CreateLog(service_pb2.CreateLogRequest(name=f"log-{i}"), timeout=60)
            self.assertEqual(server.stop(), 0)
        trace_path = folder / "trace"
        # Each sync takes long, so that everything sent meanwhile waits for the next one.
        prefix = ("strace", "-f", "-ttt", "-yy", "-s", "1000000", "-xx", "-o", str(trace_path), "-e",
                  "trace=pwrite64,fdatasync", "-e", "inject=fdatasync:delay_enter=200000")
        with serving.Server(folder, prefix=prefix, ready_s=120) as server:
            with grpc.insecure_channel(server.address) as channel:
                stub = service_rpc.AuditLogServiceStub(channel)
                requests = []
                for i in range(LOGS):
                    event = event_pb2.Event(event_id=f"needle-{i:04}-in", action="a")
                    event.actor.id = "b"
                    event.occurred_at.GetCurrentTime()
                    requests.append(service_pb2.AppendRequest(log=f"log-{i}", events=[event]))
                for call in [stub.Append.future(request, timeout=60) for request in requests]:
                    call.result()
            self.assertEqual(server.stop(), 0)
        time.sleep(0.1)
        waiting, batches = set(), []  # the events that each sync of the journal made durable
        for name, text in completed_calls(trace_path.read_text(errors="replace")):
            if "/journal/" not in self.text_of(text.split(">", 1)[0]):
                continue
            if name == "pwrite64":
                waiting.update(re.findall(r"needle-(\d{4})-in", self.text_of(text)))
            elif waiting and re.search(r"= 0( \(DELAYED\))?$", text.rstrip()):
                batches.append(len(waiting))
                waiting = set()
        self.assertEqual(sum(batches), LOGS, "the trace does not show all writes and syncs")
        # The first event may find the disk idle and go alone; a few may be on their way meanwhile.
        self.assertLessEqual(len(batches), 3, batches)
        self.assertGreaterEqual(max(batches), LOGS // 2, batches)

    @staticmethod
    def text_of(call):
        # strace -xx prints all strings as \\xNN.
        hexed = re.findall(r"(?:\\x[0-9a-f]{2})+", call)
        return " ".join(bytes.fromhex(part.replace("\\x", "")).decode("latin-1") for part in hexed)


if __name__ == "__main__":
    unittest.main(verbosity=2)
