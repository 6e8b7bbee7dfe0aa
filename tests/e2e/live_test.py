"""Live events over HTTP: every published record comes once, in order, across reconnects, and a stream that is not read
costs the writer nothing."""
import base64
import http.client
import json
import shutil
import socket
import subprocess
import unittest
import urllib.parse
import urllib.request

import oracle
import serving


class Stream:
    """Reads server-sent events."""

    def __init__(self, url, path, headers=None):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
        self.connection.request("GET", path, headers=headers or {})
        self.answer = self.connection.getresponse()
        self.last_id = None
        self.retry_ms = None
        self.comments = 0

    def next(self):
        """(name, data) of the next event; nothing at the end."""
        name, data = None, None
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if self.answer.closed or (not line and self.answer.isclosed()):
                return None
            if line.startswith(":"):
                self.comments += 1
            elif line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("retry: "):
                self.retry_ms = int(line[7:])
            elif line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
            elif not line and name:
                return name, data

    def until(self, wanted):
        while True:
            name, data = self.next()
            if name == wanted:
                return data

    def records(self, count):
        """The next `count` records at least, as [(index, bytes)]."""
        found = []
        while len(found) < count:
            rows = self.until("rows")
            assert len(rows["records"]) <= 256, len(rows["records"])
            first = int(rows.get("first", 0))
            found += [(first + i, base64.b64decode(one)) for i, one in enumerate(rows["records"])]
        return found

    def close(self):
        self.connection.close()


class Live(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("live")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = serving.Server(self.folder, "--http", "127.0.0.1:0")
        self.addCleanup(self.server.__exit__)
        self.url = self.server.ready["http"][0]

    def open(self, query="", **headers):
        stream = Stream(self.url, "/logs/default/live" + query, {k.replace("_", "-"): v for k, v in headers.items()})
        self.addCleanup(stream.close)
        return stream

    def append(self, count, name="e"):
        serving.run("append", "-", "--server", self.server.address, input="".join(
            json.dumps({"eventId": f"{name}-{i}", "actor": {"id": "a"}, "action": "a.b",
                        "occurredAt": "2026-01-02T03:04:05Z"}) + "\n" for i in range(count)))

    def test_every_record_comes_once_and_in_order_with_its_exact_bytes_across_a_reconnect(self):
        self.append(3, "old")
        stream = self.open("?from=0")
        self.assertEqual(stream.answer.status, 200)
        self.assertEqual(stream.answer.getheader("Content-Type"), "text/event-stream")
        hello = stream.until("hello")
        self.assertEqual(hello["log"], "default")
        self.assertIn(stream.retry_ms, range(1000, 3000))  # with which a browser comes again
        self.assertEqual(hello["vkey"], self.server.ready["logs"]["default"]["vkey"])
        found = stream.records(3)
        self.append(700, "new")
        while len(found) < 400:
            found += stream.records(1)
        stream.close()
        again = self.open(Last_Event_ID=stream.last_id)
        self.assertEqual(int(stream.last_id), found[-1][0] + 1)
        while len(found) < 703:
            found += again.records(1)
        self.assertEqual([index for index, _ in found], list(range(703)))
        previous = base64.b64decode(hello["genesisHash"])
        for _, record in found:
            self.assertIn(previous, record)  # the chain link of these very bytes
            previous = oracle.leaf(record)

    def test_with_a_query_only_what_matches_comes_and_a_reconnect_begins_behind_what_was_looked_at(self):
        stream = self.open("?from=0&q=event_id:b-*")
        self.append(300, "a")
        self.append(3, "b")
        self.append(300, "c")
        found = []
        while len(found) < 3:
            found += [int(one["index"]) for one in stream.until("rows")["records"]]
        self.assertEqual(found, [300, 301, 302])
        while int(stream.last_id) < 603:
            self.assertEqual(stream.until("rows")["records"], [])
        again = self.open("?q=event_id:b-*", Last_Event_ID=stream.last_id)
        self.append(1, "b-more")
        rows = again.until("rows")
        while not rows["records"]:
            rows = again.until("rows")
        self.assertEqual([one["index"] for one in rows["records"]], ["603"])
        self.assertEqual(rows["next"], "604")
        self.assertEqual(self.open("?q=actr:x").answer.status, 400)

    def metric(self, name):
        with urllib.request.urlopen(self.url + "/metrics", timeout=30) as answer:
            return next(float(line.split()[1]) for line in answer.read().decode().splitlines()
                        if line.startswith(name + " "))

    def test_equal_queries_of_all_who_follow_are_judged_once(self):
        streams = [self.open("?q=" + urllib.parse.quote(query)) for query in
                   ("event_id:b-*", " event_id:b-*", "(event_id:b-*)")]
        for stream in streams:
            stream.until("hello")
        follower = subprocess.Popen([serving.BINARY, "search", "event_id:b-*", "--follow", "--json", "--server",
                                     self.server.address], stdout=subprocess.PIPE, text=True)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.stdout.close)
        self.addCleanup(follower.kill)
        self.append(1, "b-first")
        self.assertEqual(json.loads(follower.stdout.readline())["index"], 0)  # it follows
        self.append(400, "a")
        self.append(3, "b")
        for stream in streams:
            found = []
            while len(found) < 4:
                found += [int(one["index"]) for one in stream.until("rows")["records"]]
            self.assertEqual(found, [0, 401, 402, 403])
        self.assertEqual([json.loads(follower.stdout.readline())["index"] for _ in range(3)], [401, 402, 403])
        self.assertEqual(self.metric("graven_live_filters"), 1)
        self.assertEqual(self.metric("graven_live_filter_records_total"), 404)
        self.open("?q=event_id:c-*").until("hello")
        self.assertEqual(self.metric("graven_live_filters"), 2)

    def test_a_checkpoint_comes_with_what_it_signs_and_stats_with_the_sizes(self):
        stream = self.open()
        self.append(5)
        while True:
            checkpoint = stream.until("checkpoint")
            self.assertEqual(checkpoint["level"], "published")
            if checkpoint.get("size") == "5":
                break
        origin, size, root = checkpoint["note"].split("\n")[:3]
        self.assertEqual((origin, size), (self.server.ready["logs"]["default"]["origin"], "5"))
        self.assertEqual(len(base64.b64decode(root)), 32)
        while True:
            stats = stream.until("stats")
            if stats["size"] == "5":
                break
        self.assertEqual(stats["durableSize"], "5")

    def test_who_is_far_behind_is_told_of_the_gap_and_goes_on_at_its_end(self):
        self.append(11_000)
        # Durable is not published yet: who comes too early is not far enough behind, and gets rows.
        while self.open().until("hello")["size"] != "11000":
            pass
        stream = self.open("?from=100")
        self.assertEqual(stream.until("gap"), {"from": "100", "to": "11000"})
        self.assertEqual(stream.last_id, "11000")
        self.append(1, "after")
        self.assertEqual(stream.records(1)[0][0], 11_000)

    def test_a_stream_that_nobody_reads_holds_no_writer_and_ends_with_the_server(self):
        host, port = urllib.parse.urlsplit(self.url).netloc.split(":")
        idle = socket.create_connection((host, int(port)))
        self.addCleanup(idle.close)
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.sendall(f"GET /logs/default/live?from=0 HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        reading = self.open("?from=0")
        self.append(5_000)
        self.assertEqual(reading.records(5_000)[-1][0], 4_999)
        self.assertEqual(self.server.stop(), 0)
        while (event := reading.next()) is not None:
            self.assertNotEqual(event[0], "rows")

    def test_who_has_nothing_to_hear_hears_a_sign_of_life(self):
        stream = self.open()
        stream.until("stats")
        while not (line := stream.answer.readline()).startswith(b":"):
            self.assertTrue(line, "it ended")

    def test_wrong_places_to_begin_are_named(self):
        self.append(2)
        for query, headers, field in (("?from=3", {}, "from"), ("?from=x", {}, "from"), ("?form=1", {}, "form"),
                                      ("", {"Last_Event_ID": "-1"}, "Last-Event-ID")):
            stream = self.open(query, **headers)
            self.assertEqual(stream.answer.status, 400, query)
            self.assertEqual(json.loads(stream.answer.read())["field"], field)
        stream = Stream(self.url, "/logs/nothing/live")
        self.addCleanup(stream.close)
        self.assertEqual(stream.answer.status, 404)


if __name__ == "__main__":
    unittest.main()
