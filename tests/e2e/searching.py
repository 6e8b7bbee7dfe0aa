"""What tests of searches share: a server with its doors, records that are small and various, pages over HTTP."""
import json
import random
import shutil
import unittest
import urllib.error
import urllib.parse
import urllib.request

import brute_search as brute
import oracle
import serving

serving.stubs()
import grpc  # noqa: E402
from graven.v1 import audit_log_service_pb2 as pb  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as rpc  # noqa: E402
from graven.v1 import event_pb2, record_pb2  # noqa: E402


def get(server, path, **parameters):
    """(status, document)"""
    url = f"{server.ready['http'][0]}/logs/default/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def http_pages(server, query, order, limit, size):
    """The indexes that all pages hold."""
    found, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {"size": size}
        status, page = get(server, "search", q=query, order=order, limit=limit, **more)
        assert status == 200, page
        assert page["treeSize"] == str(size), page
        found += [int(record["index"]) for record in page["records"]]
        cursor = page["nextCursor"]
        if not cursor:
            return found, page


def made_events(first, count):
    """Events that are small and various; the same for the same numbers."""
    chance = random.Random(first)
    events = []
    for i in range(first, first + count):
        event = event_pb2.Event(event_id=f"made-{i}", action=chance.choice(
            ["invoice.read", "invoice.approve", "user.login", "user.logout", "Straße.Öffnen"]))
        event.actor.id = f"user-{int(chance.paretovariate(1)) % 50}"
        event.actor.name = chance.choice(["Ann Müller", "ANN LEE", "Bob  O'Neil", ""])
        event.occurred_at.seconds = 1_700_000_000 + i
        event.outcome = chance.choice([0, 1, 1, 1, 2, 3])
        event.outcome_reason = chance.choice(["", "time-out", "not allowed: quota", "pay\u200bment refused"])
        event.source.service = chance.choice(["billing", "gate", ""])
        event.source.ip = chance.choice(["10.0.0.1", "10.8.8.10", "192.168.10.20", "2001:db8::1", "a host", ""])
        event.trace_id = f"trace-{i // 5}"
        for _ in range(chance.randrange(3)):
            event.targets.add(type=chance.choice(["invoice", "user"]), id=str(chance.randrange(9)),
                              name=chance.choice(["", "the big one"]))
        if chance.random() < 0.5:
            event.labels.add(key="env", value=chance.choice(["prod", "test", ""]))
        if chance.random() < 0.3:
            event.details_struct.update({"note": chance.choice(["a needle", "hay and straw"]), "n": [{"k": "deep"}]})
        events.append(event)
    return events


class Searching(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("search")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def serve(self):
        return serving.Server(self.folder, "--http", "127.0.0.1:0")

    def stub(self, server):
        channel = grpc.insecure_channel(server.address)
        self.addCleanup(channel.close)
        return rpc.AuditLogServiceStub(channel)

    def append(self, server, events, level=pb.RECEIPT_LEVEL_PUBLISHED):
        request = pb.AppendRequest(events=events)
        request.wait.level = level
        request.wait.timeout.seconds = 30
        return self.stub(server).Append(request)

    def rows(self, server):
        raw = serving.run("export", "--format", "records", "--server", server.address, text=False).stdout
        return [brute.Row(record_pb2.Record.FromString(one)) for one in oracle.split_records(raw)]
