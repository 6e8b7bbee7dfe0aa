"""kill -9 of the real server under load from several clients, again and again: every acknowledged event
is there once, in order, and the receipts that were given before still verify.

KILL_ROUNDS says how often (default 3; the long stage of CI takes 50)."""
import os
import random
import threading
import time
import unittest

import oracle
import serving

serving.stubs()
import grpc  # noqa: E402
from compat import audit_log_pb2, audit_log_pb2_grpc  # noqa: E402
from graven.v1 import audit_log_service_pb2 as service_pb2  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as service_rpc  # noqa: E402
from graven.v1 import event_pb2, record_pb2  # noqa: E402

ROUNDS = int(os.environ.get("KILL_ROUNDS", "3"))


def event(event_id):
    made = event_pb2.Event(event_id=event_id, action="load.write")
    made.actor.id = "loader"
    made.occurred_at.GetCurrentTime()
    return made


class Load:
    """Three clients (unary, stream, minimal contract) that append until the server dies. What was
    acknowledged is kept as {event id: index}."""

    def __init__(self, address, name):
        self.acknowledged = {}
        self.lock = threading.Lock()
        self.address = address
        self.name = name
        self.threads = [threading.Thread(target=target, args=(i,))
                        for i, target in enumerate((self.unary, self.unary, self.stream,
                                                    self.minimal))]
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join(timeout=60)
            assert not thread.is_alive(), "a client hangs although the server is dead"

    def note(self, event_id, index):
        with self.lock:
            self.acknowledged[event_id] = index

    def unary(self, number):
        with grpc.insecure_channel(self.address) as channel:
            stub = service_rpc.AuditLogServiceStub(channel)
            for i in range(10**9):
                ids = [f"{self.name}-u{number}-{i}-{j}" for j in range(1 + i % 3)]
                try:
                    reply = stub.Append(service_pb2.AppendRequest(events=map(event, ids)), timeout=30)
                except grpc.RpcError:
                    return
                for event_id, receipt in zip(ids, reply.receipts):
                    self.note(event_id, receipt.index)

    def stream(self, number):
        sent = []
        window = threading.Semaphore(64)
        dead = threading.Event()

        def requests():
            for i in range(10**9):
                window.acquire()
                if dead.is_set():
                    return
                ids = [f"{self.name}-s{number}-{i}-{j}" for j in range(1 + i % 5)]
                sent.append(ids)
                yield service_pb2.AppendStreamRequest(events=map(event, ids))

        with grpc.insecure_channel(self.address) as channel:
            stub = service_rpc.AuditLogServiceStub(channel)
            try:
                for reply in stub.AppendStream(requests()):
                    for part in reply.ranges:
                        index = part.first_index
                        for request in range(part.first_request,
                                             part.first_request + part.request_count):
                            for event_id in sent[request]:
                                self.note(event_id, index)
                                index += 1
                            window.release()
            except grpc.RpcError:
                pass
            dead.set()
            window.release()

    def minimal(self, number):
        with grpc.insecure_channel(self.address) as channel:
            stub = audit_log_pb2_grpc.AuditLogServiceStub(channel)
            for i in range(10**9):
                event_id = f"{self.name}-m{number}-{i}"
                try:
                    reply = stub.SendAuditLog(audit_log_pb2.AuditLogEntry(
                        event_id=event_id, actor="loader", action="load.write",
                        timestamp="2026-01-02T03:04:05Z"), timeout=30)
                except grpc.RpcError:
                    return
                self.note(event_id, reply.index)


class Kill(unittest.TestCase):
    def test_every_acknowledged_event_survives_kill_9(self):
        folder = serving.make_folder("kill")
        dice = random.Random(7)
        acknowledged, receipts, vkey = {}, [], None
        flags = ("--config", self.small_journal(folder))
        for round_number in range(ROUNDS):
            server = serving.Server(folder, *flags)
            vkey = server.ready["logs"]["default"]["vkey"]
            load = Load(server.address, f"r{round_number}")
            time.sleep(0.1 + 0.4 * dice.random())
            receipts += self.some_receipts(server, folder, load, dice, round_number)
            server.kill()
            load.join()
            self.assertGreater(len(load.acknowledged), 0, "the load never got an answer")
            acknowledged.update(load.acknowledged)
        with serving.Server(folder, *flags) as server:
            raw = serving.run("export", "--format", "records", "--server", server.address,
                              text=False).stdout
            note = serving.run("checkpoint", "--server", server.address).stdout
            log = server.ready["logs"]["default"]
            self.assertEqual(server.stop(), 0)
        records = oracle.split_records(raw)
        leaves = oracle.check_chain(records, record_pb2.Record.FromString, log["origin"])
        self.assertEqual(oracle.root(leaves), oracle.parse_checkpoint(note)[2])
        at = {}
        for index, raw_record in enumerate(records):
            record = record_pb2.Record.FromString(raw_record)
            event_id = getattr(record, record.WhichOneof("body")).event_id
            self.assertNotIn(event_id, at, "an event is there twice")
            at[event_id] = index
        missing = {key: index for key, index in acknowledged.items() if at.get(key) != index}
        self.assertEqual(missing, {}, "acknowledged events are missing or moved")
        for receipt in receipts:
            serving.run("receipt", "verify", receipt, "--key", vkey)
        self.assertEqual(len(receipts), ROUNDS)
        serving.run("verify", "--data", folder / "data", "--key", vkey)

    @staticmethod
    def small_journal(folder):
        config = folder / "graven.toml"
        config.write_text("[limits]\njournal_file_bytes = 16777216\njournal_files = 4\n")
        return config

    def some_receipts(self, server, folder, load, dice, round_number):
        end = time.monotonic() + 30
        while not load.acknowledged and time.monotonic() < end:
            time.sleep(0.01)
        with load.lock:
            index = dice.choice(sorted(load.acknowledged.values()))
        path = folder / f"receipt-{round_number}.tlog-proof"
        serving.run("receipt", "get", index, "--output", path, "--server", server.address)
        return [path]


if __name__ == "__main__":
    unittest.main(verbosity=2)
