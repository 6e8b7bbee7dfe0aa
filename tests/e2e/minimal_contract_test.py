"""A client that stock protoc generates from the minimal contract works against the server unchanged."""
import json
import threading
import unittest

import oracle
import serving

serving.stubs()
import grpc  # noqa: E402
from compat import audit_log_pb2 as pb  # noqa: E402
from compat import audit_log_pb2_grpc as rpc  # noqa: E402
from graven.v1 import audit_log_service_pb2 as service_pb2  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as service_rpc  # noqa: E402
from graven.v1 import record_pb2  # noqa: E402

ENTRIES = 1000


class MinimalContract(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = serving.Server(serving.make_folder("minimal"))
        cls.origin = cls.server.ready["logs"]["default"]["origin"]
        cls.channel = grpc.insecure_channel(cls.server.address)
        cls.stub = rpc.AuditLogServiceStub(cls.channel)
        cls.stub_v1 = service_rpc.AuditLogServiceStub(cls.channel)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        assert cls.server.stop() == 0

    def send(self, **fields):
        entry = dict(actor="alice", timestamp="2026-01-02T03:04:05.678+01:00", action="invoice.approve")
        return self.stub.SendAuditLog(pb.AuditLogEntry(**{**entry, **fields}), timeout=20)

    def follow(self, log, from_index=0):
        return self.stub.StreamAuditLogs(
            pb.Empty(), metadata=(("graven-log", log), ("graven-from-index", str(from_index))))

    def make_log(self, name):
        serving.run("logs", "create", name, "--server", self.server.address)

    def test_the_command_line_shows_an_entry_as_it_was_sent_and_as_an_event(self):
        self.make_log("shown")
        sent = pb.AuditLogEntry(actor="alice", timestamp="2026-01-02T03:04:05.678+01:00", action="see",
                                event_id="shown-1")
        self.stub.SendAuditLog(sent, metadata=(("graven-log", "shown"),), timeout=20)
        line = json.loads(serving.run("tail", "--json", "--log", "shown", "--server",
                                      self.server.address).stdout)
        self.assertEqual(line["entry"]["timestamp"], sent.timestamp)
        self.assertEqual(line["event"], {"event_id": "shown-1", "actor": {"id": "alice"},
                                         "action": "see", "occurred_at": "2026-01-02T02:04:05.678Z"})

    def test_a_thousand_entries_are_followed_while_another_writes(self):
        seen, following = [], threading.Event()

        def read():
            stream = self.stub.StreamAuditLogs(pb.Empty())
            following.set()
            for entry in stream:
                seen.append(entry)
                if len(seen) == 2 * ENTRIES:
                    stream.cancel()
                    return

        reader = threading.Thread(target=read)
        reader.start()
        following.wait()
        receipts = {}

        def write(name):
            channel = grpc.insecure_channel(self.server.address)
            stub = rpc.AuditLogServiceStub(channel)
            for i in range(ENTRIES):
                entry = pb.AuditLogEntry(event_id=f"{name}-{i}", actor=name, action="count",
                                         timestamp="2026-01-02T03:04:05Z")
                receipts[entry.event_id] = stub.SendAuditLog(entry, timeout=20)
            channel.close()

        other = threading.Thread(target=write, args=("other",))
        other.start()
        write("one")
        other.join()
        reader.join(timeout=60)
        self.assertEqual(len(seen), 2 * ENTRIES)
        # Each streamed entry names the hash of the one before it: the chain can be followed.
        previous = oracle.genesis(self.origin).hex()
        for index, entry in enumerate(seen):
            self.assertEqual(entry.hash, previous, index)
            self.assertEqual(receipts[entry.event_id].index, index)
            previous = receipts[entry.event_id].hash
        raw = serving.run("export", "--format", "records", "--server", self.server.address,
                         text=False).stdout
        records = oracle.split_records(raw)[:2 * ENTRIES]
        leaves = oracle.check_chain(records, record_pb2.Record.FromString, self.origin)
        self.assertEqual([leaves[r.index].hex() for r in receipts.values()],
                         [r.hash for r in receipts.values()])

    def test_what_was_sent_comes_back_as_it_was_sent(self):
        self.make_log("as-sent")
        # An unknown field (number 15) that this contract does not have.
        wire = pb.AuditLogEntry(actor="bob", timestamp="2026-01-02T03:04:05.120+02:00",
                                action="x").SerializeToString() + b"\x7a\x03abc"
        send = self.channel.unary_unary("/AuditLogService/SendAuditLog",
                                        request_serializer=bytes,
                                        response_deserializer=pb.Response.FromString)
        response = send(wire, metadata=(("graven-log", "as-sent"),), timeout=20)
        raw = self.channel.unary_stream("/AuditLogService/StreamAuditLogs",
                                        request_serializer=pb.Empty.SerializeToString,
                                        response_deserializer=bytes)
        stream = raw(pb.Empty(), metadata=(("graven-log", "as-sent"),))
        came = next(stream)
        stream.cancel()
        entry = pb.AuditLogEntry.FromString(came)
        self.assertEqual(entry.timestamp, "2026-01-02T03:04:05.120+02:00")
        self.assertEqual(entry.event_id, response.event_id)
        self.assertNotEqual(entry.event_id, "")
        self.assertIn(b"\x7a\x03abc", came)

    def test_the_hash_sent_is_a_precondition(self):
        self.make_log("chained")
        log = (("graven-log", "chained"),)
        origin = self.stub_v1.GetLog(service_pb2.GetLogRequest(log="chained")).log.origin
        entry = pb.AuditLogEntry(event_id="first", actor="a", action="b",
                                 timestamp="2026-01-02T03:04:05Z", hash=oracle.genesis(origin).hex())
        first = self.stub.SendAuditLog(entry, metadata=log, timeout=20)
        second = pb.AuditLogEntry(event_id="second", actor="a", action="b",
                                  timestamp="2026-01-02T03:04:05Z", hash=first.hash)
        self.assertEqual(self.stub.SendAuditLog(second, metadata=log, timeout=20).index, 1)
        stale = pb.AuditLogEntry(event_id="third", actor="a", action="b",
                                 timestamp="2026-01-02T03:04:05Z", hash=first.hash)
        with self.assertRaises(grpc.RpcError) as failed:
            self.stub.SendAuditLog(stale, metadata=log, timeout=20)
        self.assertEqual(failed.exception.code(), grpc.StatusCode.ABORTED)
        # A retry with a precondition that is stale by now still gets its receipt.
        again = self.stub.SendAuditLog(entry, metadata=log, timeout=20)
        self.assertEqual((again.index, again.hash, again.duplicate), (0, first.hash, True))

    def test_what_is_required_is_required(self):
        for missing in ("actor", "action", "timestamp"):
            with self.assertRaises(grpc.RpcError) as failed:
                self.send(**{missing: ""})
            self.assertEqual(failed.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertIn(missing, failed.exception.details())
        for bad in ("yesterday", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05.1234567890Z"):
            with self.assertRaises(grpc.RpcError) as failed:
                self.send(timestamp=bad)
            self.assertEqual(failed.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        with self.assertRaises(grpc.RpcError) as failed:
            self.send(hash="ABC")
        self.assertEqual(failed.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)


if __name__ == "__main__":
    unittest.main(verbosity=2)
