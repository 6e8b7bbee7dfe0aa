"""Search through every door, held against a slow program of our own on random queries, while records arrive and after a
restart."""
import collections
import json
import random
import subprocess
import time
import threading
import unittest
import urllib.parse

import brute_search as brute
import serving
from searching import Searching, get, http_pages, made_events

import grpc  # noqa: E402
from graven.v1 import audit_log_service_pb2 as pb  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as rpc  # noqa: E402
from graven.v1 import event_pb2, record_pb2  # noqa: E402

DATA = serving.SHARED / "data" / "cloudtrail"
SEED = 4711


class AgainstBruteForce(Searching):
    def fill(self, server):
        for first in range(0, 1500, 500):
            self.append(server, made_events(first, 500))
        if DATA.is_dir():
            serving.run("import", "--format", "cloudtrail", *sorted(DATA.glob("*.json")), "--server", server.address)

    def compare(self, server, rows, chance, count):
        """Random queries over trees of random sizes: each door gives what brute force gives."""
        stub = self.stub(server)
        matched = 0
        for number in range(count):
            text, judge = brute.random_query(chance, rows)
            size = chance.choice([len(rows), chance.randrange(1, len(rows) + 1)])
            want = [row.record.index for row in rows[:size] if judge(row)]
            matched += len(want)
            oldest = number % 2 == 0
            if len(urllib.parse.quote(text)) < 3000:
                found, _ = http_pages(server, text, "oldest" if oldest else "newest", chance.choice([1000, 97]), size)
                self.assertEqual(found, want if oldest else want[::-1], (SEED, text, size))
            order = pb.SEARCH_ORDER_OLDEST_FIRST if oldest else pb.SEARCH_ORDER_NEWEST_FIRST
            replies = list(stub.Search(pb.SearchRequest(query=text, order=order, tree_size=size, limit=100_000)))
            found = [record_pb2.Record.FromString(view.record).index for reply in replies for view in reply.records]
            self.assertEqual(found, want if oldest else want[::-1], (SEED, text, size))
            self.assertTrue(replies[-1].complete)
            # What the server calls the query is the same query.
            again = stub.Search(pb.SearchRequest(query=replies[0].query, tree_size=size, limit=1))
            self.assertEqual(next(again).query, replies[0].query)
            again.cancel()
            if number % 4 == 0:
                self.compare_numbers(server, [row for row in rows[:size] if judge(row)], text, size)
        self.assertGreater(matched, count * 10)  # the queries find something

    def compare_numbers(self, server, matches, text, size):
        if len(urllib.parse.quote(text)) > 3000:
            return
        fields = ["action", "outcome", "target.type", "label.env", "ip"]
        status, facets = get(server, "facets", q=text, size=size, field=",".join(fields), top=1000)
        self.assertEqual(status, 200, facets)
        self.assertTrue(facets["exact"])
        self.assertEqual(int(facets["matches"]), len(matches))
        for field, facet in zip(fields, facets["facets"]):
            want = collections.Counter(value for row in matches for value in set(row.values(field)))
            self.assertEqual({v["value"]: int(v["count"]) for v in facet["values"]}, dict(want), (text, field))
            self.assertEqual(int(facet["without"]), sum(not row.values(field) for row in matches))
        status, histogram = get(server, "histogram", q=text, size=size, buckets=7)
        self.assertEqual(status, 200, histogram)
        self.assertTrue(histogram["exact"])
        counts = collections.Counter()
        for bucket in histogram["buckets"]:
            counts.update({name: int(count) for name, count in bucket["counts"].items()})
        self.assertEqual(counts, collections.Counter(row.outcome for row in matches), text)
        self.compare_values(server, matches, text, size)
        self.compare_borders(server, matches, text, size)

    def compare_values(self, server, matches, text, size):
        """Those that begin so, and have that in them, over both doors."""
        for field, begins, contains in (("action", "user.", ""), ("label.env", "p", "R"), ("ip", "10.", ".8"),
                                        ("target.type", "", "NVOI"), ("action", "", "Ö"), ("action", "nothing", "")):
            def asked_for(value):
                return value.startswith(begins) and brute.ascii_lower(contains) in brute.ascii_lower(value)
            want = collections.Counter(value for row in matches for value in set(row.values(field)) if asked_for(value))
            without = sum(not any(asked_for(value) for value in row.values(field)) for row in matches)
            status, facets = get(server, "facets", q=text, size=size, field=field, top=2, prefix=begins,
                                 contains=contains)
            self.assertEqual((status, facets["exact"]), (200, True))
            facet = facets["facets"][0]
            told = {v["value"]: int(v["count"]) for v in facet["values"]}
            first = dict(sorted(want.items(), key=lambda one: (-one[1], one[0].encode()))[:2])
            self.assertEqual(told, first, (text, field))
            self.assertEqual(int(facet["others"]), sum(want.values()) - sum(first.values()))
            self.assertEqual(int(facet["without"]), without, (text, field, begins, contains))
            same = self.stub(server).GetFacets(pb.GetFacetsRequest(
                query=text, tree_size=size, fields=[field], top=2, prefix=begins, contains=contains)).facets[0]
            self.assertEqual({v.value: v.count for v in same.values}, told)
            self.assertEqual((same.others, same.without), (int(facet["others"]), without))

    def compare_borders(self, server, matches, text, size):
        """Stretches that end where records are, and where none is, over both doors."""
        chance = random.Random(size)
        times = [row.record.received_at for row in matches] or [1]
        borders = {0, 1, max(times) + 1}
        for _ in range(12):
            borders.add(chance.choice(times) + chance.choice([0, 0, 1]))
        for _ in range(3):
            borders.add(min(times) + chance.randrange(max(times) - min(times) + 1))
        borders = sorted(borders)
        borders = borders[min(chance.randrange(3), len(borders) - 2):]
        want = [collections.Counter(row.outcome for row in matches if low <= row.record.received_at < high)
                for low, high in zip(borders, borders[1:])]
        status, histogram = get(server, "histogram", q=text, size=size, at=",".join(map(brute.rfc3339, borders)))
        self.assertEqual((status, histogram["exact"], histogram["bucketNs"]), (200, True, "0"), histogram)
        got = [collections.Counter({name: int(count) for name, count in bucket["counts"].items()})
               for bucket in histogram["buckets"]]
        self.assertEqual(got, want, (text, borders))
        request = pb.GetHistogramRequest(query=text, tree_size=size)
        for border in borders:
            request.at.add(seconds=border // 10**9, nanos=border % 10**9)
        same = self.stub(server).GetHistogram(request)
        self.assertEqual([collections.Counter({name: count for name in brute.OUTCOMES.values()
                                               if (count := getattr(bucket, name))}) for bucket in same.buckets], want)
        self.assertEqual([b.start.seconds * 10**9 + b.start.nanos for b in same.buckets], borders[:-1])
        self.assertEqual(same.to.seconds * 10**9 + same.to.nanos, borders[-1])
        self.assertFalse(same.HasField("bucket"))

    def test_random_queries_find_what_brute_force_finds(self):
        chance = random.Random(SEED)
        with self.serve() as server:
            self.fill(server)
            self.compare(server, self.rows(server), chance, 60)
            self.assertEqual(server.stop(), 0)
        with self.serve() as server:  # answers survive a restart
            self.compare(server, self.rows(server), chance, 20)

    def test_pages_stay_in_their_tree_while_records_arrive(self):
        with self.serve() as server:
            self.fill(server)
            rows = self.rows(server)
            stop = threading.Event()
            appended = []

            def write():
                first = 100_000
                while not stop.is_set():
                    self.append(server, made_events(first, 100), pb.RECEIPT_LEVEL_DURABLE)
                    appended.append(first)
                    first += 100
            writer = threading.Thread(target=write)
            writer.start()
            try:
                chance = random.Random(SEED + 1)
                for _ in range(15):
                    text, judge = brute.random_query(chance, rows, 2)
                    if len(urllib.parse.quote(text)) > 3000:
                        continue
                    want = [row.record.index for row in rows if judge(row)]
                    found, _ = http_pages(server, text, "newest", 61, len(rows))
                    self.assertEqual(found, want[::-1], (SEED, text))
            finally:
                stop.set()
                writer.join()
            self.assertGreater(len(appended), 5)
            # And those that arrived are found.
            status, page = get(server, "search", q=f"event_id:made-{appended[-1]}")
            self.assertEqual((status, len(page["records"])), (200, 1))


class Doors(Searching):
    def test_http_pages_counts_and_refusals(self):
        with self.serve() as server:
            self.append(server, made_events(0, 300))
            status, page = get(server, "search", q="", limit=7, from_ordinal=10)
            self.assertEqual(status, 200)
            self.assertEqual([int(r["index"]) for r in page["records"]], list(range(289, 282, -1)))
            self.assertEqual(page["count"], {"value": "300", "exact": True})
            self.assertEqual(page["scannedTo"], "283")
            for wrong, field in [({"q": "actr:x"}, "query"), ({"limit": 0}, "limit"), ({"limit": 1001}, "limit"),
                                 ({"order": "best"}, "order"), ({"cursor": "x"}, "cursor"),
                                 ({"q": "a", "cursor": page["nextCursor"]}, "cursor"),
                                 ({"order": "oldest", "cursor": page["nextCursor"]}, "cursor"),
                                 ({"cursor": page["nextCursor"], "from_ordinal": 3}, "from_ordinal"),
                                 ({"wait_ms": 60001}, "wait_ms"), ({"colour": "red"}, "colour")]:
                status, error = get(server, "search", **wrong)
                self.assertEqual((status, error["field"]), (400, field), error)
            self.assertEqual(get(server, "search", size=301)[0], 404)
            for wrong in ({}, {"field": "time"}, {"field": "action", "top": 0}, {"field": "actor,actor.id"},
                          {"field": ",".join(f"label.{i}" for i in range(17))}):
                self.assertEqual(get(server, "facets", **wrong)[0], 400, wrong)
            for wrong in ({"buckets": 0}, {"by": "action"}, {"from": "yesterday"},
                          {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}):
                self.assertEqual(get(server, "histogram", **wrong)[0], 400, wrong)
            for wrong, field, why in (({"prefix": "a" * 101}, "prefix", "101 bytes; at most 100"),
                                      ({"contains": "a" * 101}, "contains", "101 bytes; at most 100"),
                                      ({"contains": b"\xc3"}, None, "")):
                status, error = get(server, "facets", field="action", **wrong)
                self.assertEqual(status, 400, wrong)
                if field:
                    self.assertEqual(error["field"], field)
                    self.assertIn(why, error["message"])

    def test_borders_that_cannot_be_are_refused_on_every_door(self):
        with self.serve() as server:
            self.append(server, made_events(0, 10))
            for wrong, field, why in (({"at": ""}, "at", "0 times; from 2 to 1001"),
                                      ({"at": "2026"}, "at", "1 times"),
                                      ({"at": "2026-02,2026-01"}, "at[1]", "not behind the one before"),
                                      ({"at": "2026-01,soon"}, "at[1]", "must be a time"),
                                      ({"at": "1960,2026"}, "at[0]", "from 1970 to 2262"),
                                      ({"at": "2026,2027", "buckets": 2}, "at", "goes without"),
                                      ({"at": "2026,2027", "to": "2026-01-01T00:00:00Z"}, "at", "goes without")):
                status, error = get(server, "histogram", **wrong)
                self.assertEqual((status, error["field"]), (400, field), error)
                self.assertIn(why, error["message"])
            stub = self.stub(server)

            def refusal(seconds, **more):
                request = pb.GetHistogramRequest(**more)
                for second in seconds:
                    request.at.add(seconds=second)
                with self.assertRaises(grpc.RpcError) as raised:
                    stub.GetHistogram(request)
                self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
                return raised.exception.details()
            self.assertIn("at: has 1 times; from 2 to 1001", refusal([1]))
            self.assertIn("at: has 5000 times; from 2 to 1001", refusal(range(5000)))
            self.assertIn("at[2]: is not behind the one before it", refusal([1, 3, 2]))
            self.assertIn("at[1]: must be a time from 1970 to 2262", refusal([1, -1]))
            self.assertIn("at: goes without from, to and buckets", refusal([1, 2], buckets=3))
            most = pb.GetHistogramRequest()
            for second in range(1001):
                most.at.add(seconds=second)
            self.assertEqual(len(stub.GetHistogram(most).buckets), 1000)
            with self.assertRaises(grpc.RpcError) as raised:
                stub.GetFacets(pb.GetFacetsRequest(fields=["action"], contains="x" * 101))
            self.assertIn("contains: has 101 bytes; at most 100", raised.exception.details())

            at = ("--server", server.address)
            for arguments, code, why in ((("--at", "2026-02,2026-01"), 1, "not behind the one before"),
                                         (("--at", "2026"), 1, "1 times; from 2"),
                                         (("--at", "2026,soon"), 2, "--at: a time is written"),
                                         (("--at", "2026,2027", "--by", "day"), 2, "excludes"),
                                         (("--by", "decade"), 2, "--by"),
                                         (("--by", "day", "--zone", "Mars"), 2, "--zone: must be UTC"),
                                         (("--by", "hour", "--from", "2026-01", "--to", "2026-12"), 2,
                                          "more than 1000 stretches"),
                                         (("--by", "day", "--from", "2026-02", "--to", "2026-01"), 2,
                                          "not behind --from")):
                done = serving.run("search", "--histogram", *arguments, *at, check=code)
                self.assertIn(why, done.stderr, arguments)
            serving.run("search", "--by", "day", *at, check=2)
            serving.run("search", "--facet-prefix", "a", *at, check=2)

    def test_a_search_ends_with_its_time_and_goes_on_from_there(self):
        with self.serve() as server:
            for first in range(0, 20_000, 2000):
                self.append(server, made_events(first, 2000), pb.RECEIPT_LEVEL_DURABLE)
            self.append(server, made_events(20_000, 1))
            status, page = get(server, "search", q="event_id:made-3", wait_ms=0)
            self.assertEqual((status, page["records"]), (200, []))
            self.assertTrue(page["nextCursor"])
            self.assertFalse(page["count"]["exact"])
            _, page = get(server, "search", q="event_id:made-3", cursor=page["nextCursor"])
            self.assertEqual([int(r["index"]) for r in page["records"]], [3])
            _, facets = get(server, "facets", q="", field="action", wait_ms=0)
            self.assertFalse(facets["exact"])
            # One that takes many turns on the server's threads comes to its end all the same.
            for query in ('"nowhere to be found" OR event_id:made-5', "reason:(quota* OR tim*) event_id:made-7*"):
                replies = list(self.stub(server).Search(pb.SearchRequest(query=query, limit=100_000)))
                self.assertTrue(replies[-1].complete)
                self.assertGreater(sum(len(reply.records) for reply in replies), 0)

    def test_command_line(self):
        with self.serve() as server:
            at = ("--server", server.address)
            self.append(server, made_events(0, 400))
            rows = self.rows(server)
            want = [r.record.index for r in rows if r.outcome == "denied" and "invoice.read" in r.values("action")]

            done = serving.run("search", "outcome:denied", "action:invoice.read", "--limit", "0", "--json", *at)
            self.assertEqual([json.loads(line)["index"] for line in done.stdout.splitlines()], want[::-1])
            self.assertEqual(done.stderr, "")
            done = serving.run("search", "outcome:denied", "--oldest", "--limit", "3", *at)
            self.assertEqual(len(done.stdout.splitlines()), 3)
            cursor = done.stderr.split("--cursor ")[1].split()[0]
            done = serving.run("search", "outcome:denied", "--oldest", "--limit", "1", "--json", "--cursor", cursor,
                               *at)
            denied = [r.record.index for r in rows if r.outcome == "denied"]
            self.assertEqual(json.loads(done.stdout)["index"], denied[3])
            done = serving.run("search", "--size", "10", "--limit", "0", "--json", *at)
            self.assertEqual([json.loads(line)["index"] for line in done.stdout.splitlines()], list(range(9, -1, -1)))

            done = serving.run("search", "--facet", "action", "--facet", "outcome", "--top", "2", "--json", *at)
            facets = json.loads(done.stdout)
            self.assertEqual((facets["matches"], facets["exact"]), (400, True))
            top = collections.Counter(r.event.action for r in rows).most_common(1)[0][1]
            self.assertEqual(facets["facets"][0]["values"][0]["count"], top)
            self.assertIn("(others)", serving.run("search", "--facet", "action", "--top", "2", *at).stdout)
            done = serving.run("search", "--histogram", "--buckets", "4", "--json", *at)
            self.assertEqual(len(json.loads(done.stdout)["buckets"]), 4)
            self.assertEqual(len(serving.run("search", "--histogram", "--buckets", "4", *at).stdout.splitlines()), 5)

            done = serving.run("search", "--facet", "actor.name", "--facet-contains", "ann", "--json", *at)
            self.assertEqual({one["value"] for one in json.loads(done.stdout)["facets"][0]["values"]},
                             {"Ann Müller", "ANN LEE"})
            done = serving.run("search", "--facet", "actor.name", "--facet-prefix", "Ann", "--json", *at)
            self.assertEqual([one["value"] for one in json.loads(done.stdout)["facets"][0]["values"]], ["Ann Müller"])
            self.compare_calendar(rows, at)

            proofs = self.folder / "proofs"
            serving.run("search", "index:3..5", "--proofs", proofs, *at)
            self.assertEqual(sorted(proof.name for proof in proofs.iterdir()),
                             ["default-3.tlog-proof", "default-4.tlog-proof"])
            serving.run("receipt", "verify", proofs / "default-3.tlog-proof", "--key",
                        server.ready["logs"]["default"]["vkey"])

            done = serving.run("search", "actr:x", *at, check=1)
            self.assertIn("column 1: there is no field", done.stderr)
            serving.run("search", "--follow", "--oldest", *at, check=2)

    def compare_calendar(self, rows, at):
        """Days as a zone has them, and whatever times are given."""
        def histogram(*arguments):
            return json.loads(serving.run("search", "outcome:denied", "--histogram", *arguments, "--json", *at).stdout)
        denied = [row.record.received_at for row in rows if row.outcome == "denied"]
        hour_ns, day_ns = 3600 * 10**9, 86_400 * 10**9
        for arguments, offset_ns, unit_ns in ((("--by", "day", "--zone", "+05:30"), 5.5 * hour_ns, day_ns),
                                              (("--by", "day"), 0, day_ns), (("--by", "hour"), 0, hour_ns)):
            answer = histogram(*arguments)
            first = (min(denied) + int(offset_ns)) // unit_ns * unit_ns - int(offset_ns)
            self.assertEqual(answer["from"], brute.rfc3339(first).replace(".000000000", ""))
            self.assertEqual(sum(one["denied"] for one in answer["buckets"]), len(denied))
            last = (max(denied) + int(offset_ns)) // unit_ns * unit_ns - int(offset_ns)
            self.assertEqual(len(answer["buckets"]), (last - first) // unit_ns + 1)
            self.assertEqual((answer["exact"], answer["bucket_ns"]), (True, 0))
        middle = sorted(denied)[len(denied) // 2]
        answer = histogram("--at", f"2026-01-01,{brute.rfc3339(middle)},{brute.rfc3339(max(denied))}")
        self.assertEqual([one["denied"] for one in answer["buckets"]],
                         [sum(t < middle for t in denied), sum(middle <= t < max(denied) for t in denied)])
        # Exactly from and to, whatever the calendar says.
        answer = histogram("--by", "year", "--from", brute.rfc3339(middle), "--to", brute.rfc3339(middle + 1))
        self.assertEqual([one["denied"] for one in answer["buckets"]], [sum(t == middle for t in denied)])
        self.assertEqual(histogram("--by", "month", "--from", "2100")["buckets"], [])
        # A day of the zone begins where the zone has it.
        day = brute.rfc3339((middle + 2 * hour_ns) // day_ns * day_ns)[:10]
        answer = histogram("--by", "day", "--zone", "+02:00", "--from", day)
        first = brute.rfc3339((middle + 2 * hour_ns) // day_ns * day_ns - 2 * hour_ns)
        self.assertEqual(answer["from"], first.replace(".000000000", ""))
        text = serving.run("search", "outcome:denied", "--histogram", "--by", "day", "--zone", "+05:30", *at).stdout
        self.assertIn("T00:00:00+05:30", text)
        self.assertIn("no record can match",
                      serving.run("search", "actor:nobody", "--histogram", "--by", "week", *at).stdout)

    def test_follow_shows_the_last_matches_and_those_that_come(self):
        with self.serve() as server:
            self.append(server, made_events(0, 50))
            rows = self.rows(server)
            denied = [r.record.index for r in rows if r.outcome == "denied"]
            with subprocess.Popen([str(serving.BINARY), "search", "outcome:denied", "--follow", "--json", "--server",
                                   server.address], stdout=subprocess.PIPE, text=True) as follower:
                self.addCleanup(follower.kill)
                seen = [json.loads(follower.stdout.readline())["index"] for _ in range(min(10, len(denied)))]
                self.assertEqual(seen, denied[-10:])
                self.append(server, made_events(50, 100))
                rows = self.rows(server)
                later = [r.record.index for r in rows[50:] if r.outcome == "denied"]
                self.assertGreater(len(later), 3)
                seen = [json.loads(follower.stdout.readline())["index"] for _ in later]
                self.assertEqual(seen, later)
                follower.terminate()

    def test_follow_of_an_empty_log_misses_nothing_that_comes_while_it_is_cut_off(self):
        with self.serve() as server:
            address = server.address
            follower = subprocess.Popen([str(serving.BINARY), "search", "action:*", "--follow", "--json",
                                         "-n", "4", "--server", address], stdout=subprocess.PIPE, text=True)
            self.addCleanup(follower.stdout.close)
            self.addCleanup(follower.wait)
            self.addCleanup(follower.kill)
            end = time.monotonic() + 60
            while int(json.loads(serving.run("status", "--server", address, "--json").stdout).get("tailers", 0)) < 1:
                self.assertLess(time.monotonic(), end, "it does not wait")
                time.sleep(0.05)
            self.assertEqual(server.stop(), 0)
        with self.serve() as elsewhere:  # the first records come while nobody follows
            self.append(elsewhere, made_events(0, 2))
            self.assertEqual(elsewhere.stop(), 0)
        with serving.Server(self.folder, listen=(address,)) as server:
            seen = [json.loads(follower.stdout.readline())["index"] for _ in range(2)]
            self.assertEqual(seen, [0, 1])
            self.append(server, made_events(2, 4))
            self.assertEqual([json.loads(follower.stdout.readline())["index"] for _ in range(2)], [2, 3])
            self.assertEqual(follower.wait(timeout=60), 0)

    def test_trace_shows_what_caused_what(self):
        def step(number, span, parent, second, **more):
            event = event_pb2.Event(event_id=f"s{number}", action=f"step.{number}", trace_id="t1", span_id=span,
                                    parent_span_id=parent)
            event.actor.id = "svc"
            event.occurred_at.seconds = second
            for name, value in more.items():
                setattr(event, name, value)
            return event
        with self.serve() as server:
            at = ("--server", server.address)
            self.append(server, [step(3, "c", "b", 30), step(1, "a", "", 10), step(2, "b", "a", 20),
                                 step(4, "d", "a", 40), step(5, "", "", 5),
                                 step(6, "x", "y", 1, trace_id="t2", session_id="t1"),
                                 step(7, "l1", "l2", 50), step(8, "l2", "l1", 51),
                                 step(9, "z", "", 60, trace_id="other")])
            done = serving.run("trace", "t1", "--json", *at)
            seen = [(doc["event"]["action"][-1], doc["depth"]) for doc in map(json.loads, done.stdout.splitlines())]
            self.assertEqual(seen, [("6", 0), ("5", 0), ("1", 0), ("2", 1), ("3", 2), ("4", 1), ("7", 0), ("8", 1)])
            self.assertEqual(len(serving.run("trace", "t1", *at).stdout.splitlines()), 8)
            serving.run("trace", "nothing", *at, check=1)
            serving.run("trace", 'odd " OR action:*', *at, check=1)

    def test_a_server_that_invents_matches_is_called_out(self):
        """A proxy that answers with records of another query."""
        class Liar(rpc.AuditLogServiceServicer):
            def __init__(self, real):
                self.real = real

            def Search(self, request, context):
                request.query = "outcome:success"
                yield from self.real.Search(request)

        from concurrent import futures
        with self.serve() as server:
            self.append(server, made_events(0, 50))
            liar = grpc.server(futures.ThreadPoolExecutor(4))
            rpc.add_AuditLogServiceServicer_to_server(Liar(self.stub(server)), liar)
            port = liar.add_insecure_port("127.0.0.1:0")
            liar.start()
            try:
                done = serving.run("search", "outcome:denied", "--server", f"127.0.0.1:{port}", check=1)
                self.assertIn("does not match", done.stderr)
            finally:
                liar.stop(None)


class Turns(Searching):
    """Two threads serve all searches: who wants little is answered while others want much."""

    # Records whose texts resemble the query: each costs some ten milliseconds.
    SLOW = " OR ".join(f"a.b.a.b.x{i}" for i in range(40))

    def fill(self, server):
        for first in range(0, 240, 40):
            events = made_events(first, 40)
            for event in events:
                event.details_struct.update({"k": "a b " * 15_000})
            self.append(server, events)

    def test_short_ones_are_answered_while_long_ones_go_on(self):
        with self.serve() as server:
            self.fill(server)
            answers = []
            stub = self.stub(server)

            def page():
                answers.append(get(server, "search", q=self.SLOW, wait_ms=60_000))
            long = [threading.Thread(target=page) for _ in range(3)]
            for one in long:
                one.start()
            facets = [stub.GetFacets.future(pb.GetFacetsRequest(query=self.SLOW, fields=["action"])) for _ in range(3)]
            for number in range(10):
                status, short = get(server, "search", q=f"index:{number}..{number + 2}", order="oldest", limit=2)
                self.assertEqual((status, [int(r["index"]) for r in short["records"]]), (200, [number, number + 1]))
                few = stub.GetFacets(pb.GetFacetsRequest(query="index:0..3", fields=["action"]))
                self.assertEqual((few.matches, few.exact), (3, True))
            self.assertTrue(all(one.is_alive() for one in long))
            self.assertFalse(any(one.done() for one in facets))
            for one in facets:
                one.cancel()
            for one in long:
                one.join()
            # And the long ones come to their end.
            self.assertEqual([(status, page["records"], page["nextCursor"]) for status, page in answers],
                             [(200, [], "")] * 3)


if __name__ == "__main__":
    unittest.main()
