"""Search through every door, held against a slow program of our own on random queries, while records arrive and after a
restart."""
import collections
import json
import random
import shutil
import subprocess
import time
import threading
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

DATA = serving.SHARED / "data" / "cloudtrail"
SEED = 4711


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

            proofs = self.folder / "proofs"
            serving.run("search", "index:3..5", "--proofs", proofs, *at)
            self.assertEqual(sorted(proof.name for proof in proofs.iterdir()),
                             ["default-3.tlog-proof", "default-4.tlog-proof"])
            serving.run("receipt", "verify", proofs / "default-3.tlog-proof", "--key",
                        server.ready["logs"]["default"]["vkey"])

            done = serving.run("search", "actr:x", *at, check=1)
            self.assertIn("column 1: there is no field", done.stderr)
            serving.run("search", "--follow", "--oldest", *at, check=2)

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

    def test_an_answer_is_stated_and_searched_again(self):
        with self.serve() as server:
            at = ("--server", server.address)
            key = server.ready["logs"]["default"]["vkey"]
            self.append(server, made_events(0, 300))
            rows = self.rows(server)
            path = self.folder / "denied.answer"
            done = serving.run("search", "outcome:denied", "--statement", path, *at)
            answer_key = done.stderr.split("signed by ")[1].strip()
            done = serving.run("verify", "--answer", path, "--key", key, "--answer-key", answer_key, "--json", *at)
            verdict = json.loads(done.stdout)
            self.assertEqual((verdict["verdict"], verdict["tree_size"]), ("HOLDS", 300))
            self.assertEqual(verdict["count"], sum(r.outcome == "denied" for r in rows))
            said = json.loads(serving.run("explain", path, "--key", key, "--json").stdout)
            self.assertEqual((said["kind"], said["holds"], said["tree_size"]), ("ANSWER", "NOT_CHECKED", 300))
            self.assertIn("match v1: outcome:denied, in a tree of 300 records that the log's key signed",
                          said["sentence"])
            # It is about its own tree, whatever came later.
            self.append(server, made_events(300, 100))
            self.assertIn("HOLDS", serving.run("verify", "--answer", path, "--key", key, *at).stdout)
            # About an answer that was of a smaller tree: its records, under a checkpoint that has them.
            serving.run("search", "outcome:denied", "--size", "150", "--statement", self.folder / "half.answer", *at)
            done = serving.run("verify", "--answer", self.folder / "half.answer", "--key", key, "--json", *at)
            verdict = json.loads(done.stdout)
            self.assertEqual((verdict["verdict"], verdict["low"], verdict["high"], verdict["tree_size"]),
                             ("HOLDS", 0, 150, 400))
            self.assertEqual(verdict["count"], sum(r.outcome == "denied" for r in rows[:150]))
            url = f"{server.ready['http'][0]}/logs/default/statement?q=outcome:denied&size=150"
            with urllib.request.urlopen(url, timeout=60) as answer:
                self.assertEqual(answer.read(), (self.folder / "half.answer").read_bytes())
            serving.run("search", "x", "--facet", "action", "--statement", path, *at, check=2)
            # The same over HTTP and gRPC, signed by the same key.
            url = f"{server.ready['http'][0]}/logs/default/statement?q=outcome:denied"
            with urllib.request.urlopen(url, timeout=60) as answer:
                (self.folder / "http.answer").write_bytes(answer.read())
            serving.run("verify", "--answer", self.folder / "http.answer", "--key", key, "--answer-key", answer_key,
                        *at)
            response = self.stub(server).GetStatement(pb.GetStatementRequest(query="outcome:denied"))
            self.assertEqual(response.vkey, answer_key)
            # Lies: a count of its own without the signature's consent, and one that is signed by nobody we asked for.
            lines = path.read_text().split("\n")
            lines[6] = str(int(lines[6]) - 1)
            path.write_text("\n".join(lines))
            done = serving.run("verify", "--answer", path, "--key", key, *at, check=1)
            self.assertIn("DOES NOT HOLD: it states", done.stdout)
            serving.run("verify", "--answer", path, "--key", key, "--answer-key", answer_key, *at, check=1)
            serving.run("verify", "--answer", self.folder / "http.answer", "--key", answer_key, *at, check=1)
            done = serving.run("verify", "--answer", self.folder / "http.answer", "--key", key, "--answer-key", key,
                               "--json", *at, check=1)
            self.assertEqual((json.loads(done.stdout)["verdict"], json.loads(done.stdout)["problem"]),
                             ("DOES_NOT_HOLD", "the answer's key did not sign it"))
            serving.run("verify", "--answer", path, "--indexes", *at, check=2)
            serving.run("verify", "--answer", path, "--evidence", path, *at, check=2)
            serving.run("verify", "--answer", self.folder / "nothing", *at, check=3)
            serving.run("search", "actr:x", "--statement", path, *at, check=1)
            self.assertEqual(server.stop(), 0)
        with self.serve() as server:  # the key stays
            response = self.stub(server).GetStatement(pb.GetStatementRequest())
            self.assertEqual(response.vkey, answer_key)

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


    def test_a_statement_that_does_not_fit_the_search_is_not_filed_as_one(self):
        """A proxy that searches honestly and states something else."""
        class Liar(rpc.AuditLogServiceServicer):
            def __init__(self, real):
                self.real = real
                self.lie = None

            def Search(self, request, context):
                yield from self.real.Search(request)

            def GetLog(self, request, context):
                return self.real.GetLog(request)

            def GetStatement(self, request, context):
                return self.lie(request)

        from concurrent import futures
        with self.serve() as server:
            self.append(server, made_events(0, 60))
            key = server.ready["logs"]["default"]["vkey"]
            real = self.stub(server)
            lying = Liar(real)
            liar = grpc.server(futures.ThreadPoolExecutor(4))
            rpc.add_AuditLogServiceServicer_to_server(lying, liar)
            port = liar.add_insecure_port("127.0.0.1:0")
            liar.start()
            path = self.folder / "filed.answer"
            contradicts = self.folder / "filed.answer.contradicts"
            search = ("search", "outcome:denied", "--statement", path, "--server", f"127.0.0.1:{port}")

            def state(lie, *flags, check=1):
                lying.lie = lie
                for old in (path, contradicts):
                    old.unlink(missing_ok=True)
                return serving.run(*search, *flags, check=check)

            def changed(find, put):
                def lie(request):
                    answer = real.GetStatement(request)
                    self.assertIn(find, answer.statement)
                    answer.statement = answer.statement.replace(find, put, 1)
                    return answer
                return lie

            try:
                state(real.GetStatement, check=0)
                self.assertTrue(path.exists())
                # Signed, and about something else: evidence, and not what was asked for.
                for lie, word in [
                        (lambda r: real.GetStatement(pb.GetStatementRequest(query="outcome:success")), "another query"),
                        (lambda r: real.GetStatement(pb.GetStatementRequest(query=r.query, tree_size=30)),
                         "records 0 to 30")]:
                    said = state(lie).stderr
                    self.assertIn(word, said)
                    self.assertIn(str(contradicts), said)
                    self.assertFalse(path.exists())
                    serving.run("verify", "--answer", contradicts, "--key", key, "--server", server.address)
                # Not signed by anybody: worth nothing.
                for lie in (changed(b"denied", b"failure"), changed(b"\n0 60\n", b"\n0 59\n"),
                            lambda r: pb.GetStatementResponse(statement=b"none\n", vkey=key),
                            lambda r: pb.GetStatementResponse()):
                    self.assertIn("the server's statement", state(lie).stderr)
                    self.assertFalse(path.exists() or contradicts.exists())
                # Another log's key than the one that the auditor knows.
                other = "example.org/other+" + key.split("+", 1)[1]
                state(real.GetStatement, "--key", other, check=2)
                serving.run("keys", "generate", key.split("+")[0], "--output", self.folder / "other.key")
                other = serving.run("keys", "show", "--file", self.folder / "other.key").stdout.strip()
                self.assertIn("the checkpoint in it", state(real.GetStatement, "--key", other).stderr)
                self.assertFalse(path.exists() or contradicts.exists())
                self.assertIn("--statement",
                              serving.run("search", "x", "--key", key, "--server", server.address, check=2).stderr)
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
