"""What a search may cost, through every door: it ends when its client leaves, there are so many of one peer and of all,
a time that is over is said, and a cursor that is not ours is refused by its field's name."""
import base64
import contextlib
import hashlib
import json
import os
import socket
import time
import unittest
import urllib.parse
import urllib.request

from searching import Searching, get, made_events

import grpc  # noqa: E402
from graven.v1 import audit_log_service_pb2 as pb  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as rpc  # noqa: E402

# Records whose texts resemble the query: each costs some ten milliseconds.
SLOW = " OR ".join(f"a.b.a.b.x{i}" for i in range(40))
# So many of them that what is begun first still runs when the last has begun, also where Python waits for its turn.
MANY = 480
PER_PEER, OF_ALL, FOLLOWERS_PER_PEER = 16, 64, 32


def cpu_s(pid):
    """What the process has worked so far: it does not grow while the machine is busy with others."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class SearchLimits(Searching):
    def fill(self, server, count=160):
        for first in range(0, count, 40):
            events = made_events(first, 40)
            for event in events:
                event.details_struct.update({"k": "a b " * 15_000})
            self.append(server, events)

    def metric(self, server, name):
        with urllib.request.urlopen(server.ready["http"][0] + "/metrics", timeout=60) as answer:
            return next(float(line.split()[1]) for line in answer.read().decode().splitlines()
                        if line.startswith(name + " "))

    def await_metric(self, server, name, wanted):
        end = time.monotonic() + 120
        while (value := self.metric(server, name)) != wanted:
            self.assertLess(time.monotonic(), end, f"{name} is {value}, not {wanted}")
            time.sleep(0.05)

    def ask(self, server, path, source="127.0.0.1", **parameters):
        """A request on a connection of its own, which is left open."""
        place = urllib.parse.urlsplit(server.ready["http"][0])
        connection = socket.create_connection((place.hostname, place.port), timeout=120, source_address=(source, 0))
        self.addCleanup(connection.close)
        connection.sendall(f"GET /logs/default/{path}?{urllib.parse.urlencode(parameters)} HTTP/1.1\r\n"
                           f"Host: {place.netloc}\r\n\r\n".encode())
        return connection

    @staticmethod
    def answer(connection):
        """(status, document) of an error, which is small."""
        raw = b""
        while b"\r\n\r\n" not in raw or not raw.rstrip().endswith(b"}"):
            piece = connection.recv(65536)
            if not piece:
                break
            raw += piece
        head, body = raw.split(b"\r\n\r\n", 1)
        return int(head.split()[1]), json.loads(body)

    def refusal(self, call):
        with self.assertRaises(grpc.RpcError) as raised:
            call()
        return raised.exception

    def test_a_query_ends_when_its_client_leaves_by_whatever_door_it_came(self):
        with self.serve() as server:
            self.fill(server, MANY)
            stub = self.stub(server)
            before = cpu_s(server.pid)
            status, page = get(server, "search", q=SLOW, wait_ms=60_000)
            self.assertEqual((status, page["nextCursor"], page["records"]), (200, "", []))
            whole = cpu_s(server.pid) - before  # what one of them costs that is not left alone
            self.assertGreater(whole, 2)
            before = cpu_s(server.pid)
            connections = [self.ask(server, path, q=SLOW, wait_ms=60_000, field="action")
                           for path in ("facets",) * 4]
            connections += [self.ask(server, path, q=SLOW, wait_ms=60_000) for path in ("search", "histogram") * 2]
            calls = [stub.GetFacets.future(pb.GetFacetsRequest(query=SLOW, fields=["action"])) for _ in range(2)]
            calls += [stub.GetHistogram.future(pb.GetHistogramRequest(query=SLOW)) for _ in range(2)]
            calls += [stub.GetStatement.future(pb.GetStatementRequest(query=SLOW)) for _ in range(2)]
            calls += [stub.Search(pb.SearchRequest(query=SLOW)) for _ in range(2)]
            self.await_metric(server, "graven_searches", PER_PEER)
            # No more of this peer, on either door, and the limit is named.
            for path in ("search", "statement"):
                status, error = get(server, path, q="x")
                self.assertEqual((status, error["code"], error["reason"]),
                                 (429, "RESOURCE_EXHAUSTED", "TOO_MANY_SEARCHES"))
                self.assertIn(f"{PER_PEER} searches of yours run", error["message"])
            for call in (lambda: next(stub.Search(pb.SearchRequest(query="x"))),
                         lambda: stub.GetFacets(pb.GetFacetsRequest(fields=["action"])),
                         lambda: stub.GetHistogram(pb.GetHistogramRequest()),
                         lambda: stub.GetStatement(pb.GetStatementRequest())):
                refused = self.refusal(call)
                self.assertEqual(refused.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
                self.assertIn(f"{PER_PEER} searches of yours run", refused.details())
            # They leave, and what they wanted is not worked out.
            for connection in connections:
                connection.close()
            for call in calls:
                call.cancel()
            self.await_metric(server, "graven_searches", 0)
            spent = cpu_s(server.pid) - before
            self.assertLess(spent, PER_PEER * whole / 2, "of a work that nobody waited for")
            status, page = get(server, "search", q="event_id:made-3")
            self.assertEqual((status, len(page["records"])), (200, 1))

    def test_so_many_searches_run_for_all_together(self):
        with self.serve() as server:
            self.fill(server)
            connections = [self.ask(server, "search", f"127.0.0.{2 + number // PER_PEER}", q=SLOW, wait_ms=60_000)
                           for number in range(OF_ALL)]
            self.await_metric(server, "graven_searches", OF_ALL)
            status, error = self.answer(self.ask(server, "search", "127.0.0.99", q="x"))
            self.assertEqual((status, error["reason"]), (429, "TOO_MANY_SEARCHES"))
            self.assertIn(f"{OF_ALL} searches run", error["message"])
            refused = self.refusal(lambda: self.stub(server).GetHistogram(pb.GetHistogramRequest()))
            self.assertEqual(refused.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
            self.assertIn(f"{OF_ALL} searches run", refused.details())
            for connection in connections:
                connection.close()
            self.await_metric(server, "graven_searches", 0)

    def test_those_who_follow_have_places_of_their_own(self):
        with self.serve() as server, contextlib.ExitStack() as streams:
            self.append(server, made_events(0, 20))
            stub = self.stub(server)
            for number in range(FOLLOWERS_PER_PEER):
                if number % 2 == 0:
                    call = stub.Search(pb.SearchRequest(query="outcome:denied", follow=True))
                    streams.callback(call.cancel)
                    next(call)
                else:
                    self.ask(server, "live", q="outcome:denied").recv(1)
            self.await_metric(server, "graven_searches", FOLLOWERS_PER_PEER)
            self.assertEqual(self.metric(server, "graven_live_filters"), 1)
            status, error = self.answer(self.ask(server, "live", q="outcome:denied"))
            self.assertEqual((status, error["reason"]), (429, "TOO_MANY_SEARCHES"))
            self.assertIn(f"{FOLLOWERS_PER_PEER} searches of yours run", error["message"])
            refused = self.refusal(lambda: next(stub.Search(pb.SearchRequest(query="x", follow=True))))
            self.assertEqual(refused.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
            # Who follows takes no place of those who ask, and who hears all records none at all.
            self.assertEqual(get(server, "search", q="outcome:denied")[0], 200)
            self.assertIn(b" 200 ", self.ask(server, "live").recv(100))

    def test_a_time_that_is_over_is_said_and_its_numbers_are_part_of_the_whole(self):
        with self.serve() as server:
            self.fill(server)
            stub = self.stub(server)
            status, page = get(server, "search", q=f"action:* NOT ({SLOW})", order="oldest", limit=1000, wait_ms=100)
            self.assertEqual((status, page["count"]["exact"]), (200, False))
            found = [int(record["index"]) for record in page["records"]]
            self.assertTrue(page["nextCursor"])
            self.assertLess(len(found), 160)
            while page["nextCursor"]:  # and it goes on from there
                status, page = get(server, "search", q=f"action:* NOT ({SLOW})", order="oldest", limit=1000,
                                   cursor=page["nextCursor"], wait_ms=60_000)
                self.assertEqual(status, 200)
                found += [int(record["index"]) for record in page["records"]]
            self.assertEqual(found, list(range(160)))
            query = f"NOT ({SLOW})"
            status, facets = get(server, "facets", q=query, field="outcome", wait_ms=100)
            self.assertEqual((status, facets["exact"]), (200, False))
            self.assertLess(int(facets["matches"]), 160)
            self.assertLessEqual(sum(int(one["count"]) for one in facets["facets"][0]["values"]), 160)
            for more in ({"buckets": 3}, {"at": "2020,2200"}):
                status, histogram = get(server, "histogram", q=query, wait_ms=100, **more)
                self.assertEqual((status, histogram["exact"]), (200, False))
            # The call's own deadline, of which the answer's way is left.
            answer = stub.GetFacets(pb.GetFacetsRequest(query=query, fields=["outcome"]), timeout=60)
            self.assertEqual((answer.exact, answer.matches), (True, 160))
            refused = self.refusal(lambda: stub.GetStatement(pb.GetStatementRequest(query=query), timeout=0.3))
            self.assertEqual(refused.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_cursors_that_are_not_ours_are_refused_by_name(self):
        with self.serve() as server:
            self.append(server, made_events(0, 100))
            stub = self.stub(server)
            stub.CreateLog(pb.CreateLogRequest(name="other"))
            query = "action:*"
            _, page = get(server, "search", q=query, limit=7)
            cursor = page["nextCursor"]
            _, page = get(server, "search", q=query, limit=2, cursor=cursor)
            self.assertEqual([int(r["index"]) for r in page["records"]], [92, 91])

            def refused(**parameters):
                """What both doors say of it, which is the same."""
                status, error = get(server, "search", **parameters)
                self.assertEqual((status, error["code"], error["field"]), (400, "INVALID_ARGUMENT", "cursor"),
                                 parameters)
                order = pb.SEARCH_ORDER_OLDEST_FIRST if parameters.get("order") == "oldest" else 0
                said = self.refusal(lambda: next(stub.Search(pb.SearchRequest(
                    query=parameters["q"], cursor=parameters["cursor"], order=order))))
                self.assertEqual(said.code(), grpc.StatusCode.INVALID_ARGUMENT)
                self.assertTrue(said.details().startswith("cursor: "), said.details())
                return error["message"]

            # A character that is wrong, missing, or one too many, wherever.
            for at in range(len(cursor)):
                flipped = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1:]
                for wrong in (flipped, cursor[:at] + cursor[at + 1:], cursor[:at] + "-" + cursor[at:]):
                    if wrong != cursor:
                        refused(q=query, cursor=wrong)
            self.assertIn("of another query", refused(q="action:x", cursor=cursor))
            self.assertIn("of another order", refused(q=query, cursor=cursor, order="oldest"))
            for wrong in ("A", "=", "AAAA" * 40, "\u202e", "../../etc", cursor + "=", cursor + "\n"):
                refused(q=query, cursor=wrong)
            # Of another log, whose records are as many.
            answer = self.refusal(lambda: next(stub.Search(pb.SearchRequest(log="other", query=query, cursor=cursor))))
            self.assertIn("cursor: is of another log", answer.details())
            # Another tree beside it.
            status, error = get(server, "search", q=query, cursor=cursor, size=99)
            self.assertEqual((status, error["field"]), (400, "tree_size"), error)

            # With a checksum that is right, and numbers that cannot be.
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            self.assertEqual(hashlib.sha256(raw[:-4]).digest()[:4], raw[-4:])
            self.assertEqual(raw[26:-4], bytes([100, 93, 0]))

            def made(*numbers):
                body = raw[:26]
                for number in numbers:
                    while number >= 0x80:
                        body += bytes([number & 0x7F | 0x80])
                        number >>= 7
                    body += bytes([number])
                return base64.urlsafe_b64encode(body + hashlib.sha256(body).digest()[:4]).decode().rstrip("=")
            self.assertEqual(made(100, 93, 0), cursor)
            self.assertIn("beyond the end of the log", refused(q=query, cursor=made(101, 93, 0)))
            for numbers in ((100, 101, 0), (100, 93, 94), (2**64 - 1, 0, 0), (100, 2**64 - 1, 0), (100, 93),
                            (100, 93, 0, 0), (100, 93, 2**64 - 1)):
                refused(q=query, cursor=made(*numbers))
            # What it goes on in is the tree of its first page, however the log has grown since.
            self.append(server, made_events(100, 50))
            status, page = get(server, "search", q=query, limit=1000, cursor=cursor)
            self.assertEqual((status, page["treeSize"]), (200, "100"))
            self.assertEqual([int(r["index"]) for r in page["records"]], list(range(92, -1, -1)))
            self.assertEqual(server.stop(), 0)
        with self.serve() as server:
            status, page = get(server, "search", q=query, limit=1, cursor=cursor)
            self.assertEqual((status, page["treeSize"], page["records"][0]["index"]), (200, "100", "92"))


if __name__ == "__main__":
    unittest.main()
