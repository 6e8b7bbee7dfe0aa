"""Answers while the index changes under them: more than four chunks of records, searched on random
queries and held against brute force while records arrive and segments are made, while index files
are deleted and damaged under the running server, after kill -9 with the index gone, and after one
with it damaged. Cursors that were taken before go on behind it.

GRAVEN_SEARCH_QUERIES: how many queries in each part, 8 without it; GRAVEN_SEARCH_SEED: other queries."""
import collections
import json
import os
import random
import shutil
import threading
import time
import unittest
import urllib.parse

import brute_search as brute
import oracle
import serving
from searching import Searching, get, made_events

import grpc  # noqa: E402
from graven.v1 import record_pb2  # noqa: E402

DATA = serving.SHARED / "data" / "cloudtrail"
QUERIES = int(os.environ.get("GRAVEN_SEARCH_QUERIES", "8"))
SEED = int(os.environ.get("GRAVEN_SEARCH_SEED", "4712"))
CHUNK = 65_536
MADE = 1500
BATCH = 1000
PATIENCE_S = 240
PAGE = 1000
FIELDS = ["action", "outcome", "actor.id", "target.type", "label.env"]

Placed = collections.namedtuple("Placed", "index received_at written_by")


class Again(brute.Row):
    """A record whose event is that of an earlier one with another id: what was taken apart once serves all."""

    def __init__(self, record, first):
        self.record = Placed(record.index, record.received_at, record.written_by)
        self.event, self.texts, self.words, self.outcome = first.event, first.texts, first.words, first.outcome
        self.event_id = record.event.event_id

    def values(self, field):
        return [self.event_id] if field == "event_id" else super().values(field)


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


class IndexLife(Searching):
    """One log, one life after the other."""

    # --- What is in the log, as stock protobuf reads it.

    def begin(self, server):
        """The records that all others repeat."""
        for first in range(0, MADE, 500):
            self.append(server, made_events(first, 500))
        if DATA.is_dir():
            serving.run("import", "--format", "cloudtrail", *sorted(DATA.glob("*.json")), "--server", server.address)
        self.oracle_rows = self.rows(server)
        self.bodies = []
        for row in self.oracle_rows:
            event = type(row.event)()
            event.CopyFrom(row.event)
            event.ClearField("event_id")
            self.bodies.append(event.SerializeToString())
        # Of five events one is real: these are seven times as long.
        self.chance = random.Random(SEED)
        self.appended = 0

    def append_again(self, server, count, pause_s=0.0):
        """So many records more, each an earlier event with an id of its own."""
        with grpc.insecure_channel(server.address) as channel:
            call = channel.unary_unary("/graven.v1.AuditLogService/Append")
            for begin in range(0, count, BATCH):
                request = bytearray()
                for number in range(self.appended, self.appended + min(BATCH, count - begin)):
                    real = len(self.bodies) > MADE and self.chance.random() < 0.05
                    which = self.chance.randrange(MADE, len(self.bodies)) if real else self.chance.randrange(MADE)
                    request += field(2, field(1, f"again-{which}-{number}".encode()) + self.bodies[which])
                call(bytes(request), timeout=60)
                self.appended += min(BATCH, count - begin)
                time.sleep(pause_s)

    def read_rows(self, server):
        """Those that have come since; oracle_rows[i] is record i."""
        raw = serving.run("export", "--format", "records", "--from", len(self.oracle_rows), "--server", server.address,
                          text=False).stdout
        for one in oracle.split_records(raw):
            record = record_pb2.Record.FromString(one)
            self.assertEqual(record.index, len(self.oracle_rows))
            which = int(record.event.event_id.split("-")[1])
            self.oracle_rows.append(Again(record, self.oracle_rows[which]))

    # --- Questions.

    def question(self, chance, size):
        """(query, judge, the records in question): of all, or of a stretch, which the oracle is faster with."""
        while True:
            text, judge = brute.random_query(chance, self.oracle_rows, 2)
            low, high = 0, size
            if chance.random() < 0.75:
                low = chance.randrange(size)
                high = min(size, low + chance.choice([500, 5000, 50_000]))
                text = f"index:{low}..{high} ({text})"
            if len(urllib.parse.quote(text)) < 3000:
                matches = [row for row in self.oracle_rows[low:high] if judge(row)]
                return text, matches

    def page(self, server, text, size, order, **more):
        """A whole page (a short one goes on), and the cursor behind it."""
        found = []
        where = {"size": size, **more}
        while True:
            status, page = get(server, "search", q=text, order=order, limit=PAGE - len(found), wait_ms=20_000, **where)
            self.assertEqual((status, page.get("treeSize")), (200, str(size)), (SEED, text, page))
            found += [int(record["index"]) for record in page["records"]]
            if not page["nextCursor"] or len(found) == PAGE:
                return found, page["nextCursor"]
            where = {"cursor": page["nextCursor"]}

    def compare(self, server, chance, size):
        """One random query: pages in both orders, from the middle too, the count, facets and histogram."""
        text, matches = self.question(chance, size)
        want = [row.record.index for row in matches]
        for order, sorted_want in (("oldest", want), ("newest", want[::-1])):
            found, cursor = self.page(server, text, size, order)
            at = len(found)
            self.assertEqual(found, sorted_want[:PAGE], (SEED, text, size, order))
            for _ in range(2):
                if cursor:
                    found, cursor = self.page(server, text, size, order, cursor=cursor)
                    self.assertEqual(found, sorted_want[at:at + PAGE], (SEED, text, size, order, at))
                    at += len(found)
            if not cursor:
                self.assertEqual(at, len(want), (SEED, text, size, order))
        if want:
            ordinal = chance.randrange(len(want))
            found, _ = self.page(server, text, size, "newest", from_ordinal=ordinal)
            self.assertEqual(found, want[::-1][ordinal:ordinal + PAGE], (SEED, text, size, ordinal))
        self.compare_numbers(server, text, matches, size)
        return len(want)

    def compare_numbers(self, server, text, matches, size):
        status, facets = get(server, "facets", q=text, size=size, field=",".join(FIELDS), top=1000, wait_ms=60_000)
        self.assertEqual((status, facets.get("exact"), facets.get("matches")), (200, True, str(len(matches))),
                         (SEED, text, size))
        for name, facet in zip(FIELDS, facets["facets"]):
            want = collections.Counter(value for row in matches for value in set(row.values(name)))
            top = {v["value"]: int(v["count"]) for v in facet["values"]}
            self.assertEqual(top, {value: want[value] for value in top}, (SEED, text, name))
            self.assertEqual(sum(top.values()) + int(facet["others"]), sum(want.values()), (SEED, text, name))
            if len(want) <= 1000:
                self.assertEqual(len(top), len(want), (SEED, text, name))
        times = sorted(row.record.received_at for row in matches)
        borders = [0, times[len(times) // 3], times[len(times) // 3 * 2], times[-1]] if times else [0]
        borders = sorted({*borders, 2 * 10**18})
        status, histogram = get(server, "histogram", q=text, size=size, at=",".join(map(brute.rfc3339, borders)),
                                wait_ms=60_000)
        self.assertEqual((status, histogram.get("exact")), (200, True), (SEED, text, histogram))
        want = [collections.Counter(row.outcome for row in matches if low <= row.record.received_at < high)
                for low, high in zip(borders, borders[1:])]
        self.assertEqual([collections.Counter({name: int(count) for name, count in bucket["counts"].items()})
                          for bucket in histogram["buckets"]], want, (SEED, text, borders))

    def compare_many(self, server, chance, is_enough=lambda: True):
        """QUERIES of them, and more until what is to happen meanwhile has happened."""
        asked = matched = 0
        end = time.monotonic() + PATIENCE_S
        while not (is_enough() and asked >= QUERIES) and time.monotonic() < end:
            size = chance.choice([len(self.oracle_rows), chance.randrange(1, len(self.oracle_rows) + 1)])
            matched += self.compare(server, chance, size)
            asked += 1
        self.assertTrue(is_enough(), "what was to happen during the queries did not")
        self.assertGreater(matched, asked, (SEED, "the queries find nothing"))

    def take_cursors(self, server, chance, count):
        """Searches that stand behind their first page."""
        cursors = []
        size = len(self.oracle_rows)
        while len(cursors) < count:
            text, matches = self.question(chance, size)
            order = "oldest" if len(cursors) % 2 else "newest"
            if len(matches) < 1200:
                continue
            want = [row.record.index for row in matches]
            want = want if order == "oldest" else want[::-1]
            found, cursor = self.page(server, text, size, order)
            self.assertEqual(found, want[:PAGE], (SEED, text))
            cursors.append((text, size, order, cursor, want[PAGE:]))
        return cursors

    def go_on(self, server, cursors):
        for text, size, order, cursor, want in cursors:
            for _ in range(3):
                found, cursor = self.page(server, text, size, order, cursor=cursor)
                self.assertEqual(found, want[:PAGE], (SEED, text, order))
                want = want[PAGE:]
                if not cursor:
                    break
            self.assertTrue(cursor or not want, (SEED, text))

    # --- Files.

    def index_files(self):
        folder = self.folder / "data/logs/default/index"
        return {path.name for path in folder.iterdir() if len(path.name) == 41} if folder.exists() else set()

    def segments(self):
        """Those that are whole: 65,536 records."""
        spans = [path.name.split("-") for path in (self.folder / "data/logs/default/segments").iterdir()]
        return sum(len(span) == 2 and span[1].isdigit() and int(span[1]) - int(span[0]) == CHUNK for span in spans)

    def wait_for_files(self, names):
        end = time.monotonic() + PATIENCE_S
        while not names <= self.index_files():
            self.assertLess(time.monotonic(), end, "index files did not come back")
            time.sleep(0.05)

    def wait_set_aside(self, name):
        """Until then the damaged file stands under the name that its successor will have."""
        end = time.monotonic() + PATIENCE_S
        while not (self.folder / "data/logs/default/index" / (name + ".damaged")).exists():
            self.assertLess(time.monotonic(), end, "nobody noticed the damaged file")
            time.sleep(0.05)

    def damage(self, name, chance):
        """Bits all over the file; from then on it contradicts itself wherever it is read."""
        path = self.folder / "data/logs/default/index" / name
        with open(path, "r+b") as file:
            size = path.stat().st_size
            for place in (*range(chance.randrange(4096), size - 1, 4096), size - 1):
                file.seek(place)
                byte = file.read(1)[0]
                file.seek(place)
                file.write(bytes([byte ^ 0x10]))

    # --- The life.

    def test_answers_are_those_of_brute_force_through_all_of_it(self):
        chance = random.Random(SEED)
        with self.serve() as server:
            self.begin(server)
            self.append_again(server, 3 * CHUNK + 2000 - len(self.oracle_rows))
            self.read_rows(server)
            self.assertGreater(len(self.oracle_rows), 3 * CHUNK)
            self.while_records_arrive(server, chance)
            self.read_rows(server)
            names = {f"{at:020}-{at + CHUNK:020}" for at in range(0, len(self.oracle_rows) - CHUNK, CHUNK)}
            self.assertGreaterEqual(len(names), 4)
            self.wait_for_files(names)
            self.while_files_go(server, chance, names)
            cursors = self.take_cursors(server, chance, 4)
            server.kill()
        # All of the index is gone; what is made again meets the questions on its way.
        shutil.rmtree(self.folder / "data/logs/default/index")
        with self.serve() as server:
            self.go_on(server, cursors)
            self.compare_many(server, chance)
            self.wait_for_files({min(names)})
            server.kill()
        # One file torn, one missing, one half written.
        left = sorted(self.index_files())
        self.damage(left[0], chance)
        (self.folder / "data/logs/default/index" / (max(names) + ".new")).write_bytes(b"half")
        with self.serve() as server:
            self.go_on(server, cursors)
            self.compare_many(server, chance)
            self.wait_set_aside(left[0])
            self.wait_for_files(names)
            self.go_on(server, cursors)
            self.assertEqual(server.stop(), 0)
        self.verify(names)
        with self.serve() as server:
            self.go_on(server, cursors)
            self.compare_many(server, chance)
            self.assertEqual(server.stop(), 0)

    def while_records_arrive(self, server, chance):
        self.wait_for_segments(3)
        self.assertEqual(self.segments(), 3)
        before = self.appended
        # As many as a segment and a chunk take, in some seconds.
        writer = threading.Thread(target=self.append_again, args=(server, CHUNK + 5000, 0.15))
        seen = {before}
        writer.start()
        try:
            self.compare_many(server, chance, lambda: seen.add(self.appended) or len(seen) > 4)
        finally:
            writer.join()
        self.assertEqual(self.appended - before, CHUNK + 5000)
        self.wait_for_segments(4)

    def wait_for_segments(self, count):
        end = time.monotonic() + PATIENCE_S
        while self.segments() < count:
            self.assertLess(time.monotonic(), end, "no segment was made")
            time.sleep(0.05)

    def while_files_go(self, server, chance, names):
        """Deleted and damaged under the running server; what it notices it makes again meanwhile."""
        done = []
        stop = threading.Event()

        def spoil():
            other = random.Random(SEED + 1)
            while not stop.wait(0.3):
                there = sorted(self.index_files())
                if not there:
                    continue
                name = other.choice(there)
                try:
                    if other.random() < 0.5:
                        (self.folder / "data/logs/default/index" / name).unlink()
                        done.append("deleted")
                    else:
                        self.damage(name, other)
                        done.append("damaged")
                except FileNotFoundError:
                    pass  # it was set aside at this moment
        spoiler = threading.Thread(target=spoil)
        spoiler.start()
        try:
            self.compare_many(server, chance, lambda: {"deleted", "damaged"} <= set(done))
        finally:
            stop.set()
            spoiler.join()
        # Whatever it has in memory of them: queries that read all of every file.
        end = time.monotonic() + PATIENCE_S
        while "damaged or gone" not in server.log_path.read_text():
            self.assertLess(time.monotonic(), end, "it noticed nothing")
            self.compare(server, chance, len(self.oracle_rows))

    def verify(self, names):
        """The index that all this has led to is what the records make, and `_system` knows it."""
        done = json.loads(serving.run("verify", "--data", self.folder / "data", "--indexes", "--json").stdout)
        log = next(one for one in done["logs"] if one["log"] == "default")
        self.assertEqual((done["verdict"], log["records"]), ("OK", str(len(self.oracle_rows))))
        self.assertLessEqual(names, {f"{int(f['first']):020}-{int(f['end']):020}" for f in log["files"]})
        self.assertTrue(log["logged"]["same"])


if __name__ == "__main__":
    unittest.main()
