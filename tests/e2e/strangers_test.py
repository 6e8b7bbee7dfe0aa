"""Text of strangers on a terminal: records that hold whatever a client may send, files that somebody hands over, and a
server that answers with nothing else. No command lets through a character that steers a terminal or turns text around,
makes two lines of one, or fills the screen; none falls over."""
import contextlib
import json
import os
import pty
import re
import subprocess
import threading
import unittest
from concurrent import futures

import serving
from searching import Searching

import grpc  # noqa: E402
from google.protobuf import descriptor, timestamp_pb2  # noqa: E402
from graven.v1 import audit_log_service_pb2 as pb  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as rpc  # noqa: E402
from graven.v1 import event_pb2  # noqa: E402

TEXTS = [
    "\x1b]0;owned\x07title", "\x1b[2J\x1b[1;1Hcleared", "\x9b2Jc1", "line\nOK  verified\rBAD", "tab\tand\vmore\f",
    "\u202etxt.exe", "\u2066isolated\u2069", "zero\u200bwidth\ufeff", "\u2028separated\u2029", "del\x7f\x08\x08",
    "\\x1b[31m written out", "x" * 200, "e" + "\u0301" * 80, "\u0627\u0644\u0633\u062c\u0644",
    "<script>alert(1)</script>", "%s%n{0}{}", "\U000e0041tag",
]
# The worst of them, where each is one of many commands.
WORST = [TEXTS[0] + TEXTS[5], TEXTS[2], TEXTS[3] + TEXTS[8], TEXTS[11] * 3]
# What must not come out, but for the line feed at the end of a line and the colours of our own.
STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u061c]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
COLUMNS_MAX = 400  # of what is shown as one line of a list


def on_terminal(*arguments):
    """(exit code, what is seen) of a command whose output is a terminal."""
    ours, its = pty.openpty()
    process = subprocess.Popen([str(serving.BINARY), *map(str, arguments)], stdout=its, stderr=its,
                               stdin=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"})
    os.close(its)
    raw = b""
    watch = threading.Timer(60, process.kill)  # one that does not come to an end has no good exit code
    watch.start()
    with contextlib.suppress(OSError):  # it ends so when nobody writes any more
        while piece := os.read(ours, 65536):
            raw += piece
    os.close(ours)
    code = process.wait(timeout=120)
    watch.cancel()
    return code, raw.decode("utf-8").replace("\r\n", "\n")


def hostile_events():
    events = []
    for number, text in enumerate(TEXTS):
        event = event_pb2.Event(event_id=f"hostile-{number}", action="say.something", outcome_reason=text,
                                trace_id="the-trace", span_id=f"s{number}", parent_span_id=f"s{number - 1}")
        event.actor.id, event.actor.name, event.actor.type = text, text, text[:30]
        event.occurred_at.seconds = 1_700_000_000 + number
        event.source.service, event.source.ip, event.source.user_agent = text[:60], text[:20], text
        event.targets.add(type=text[:30], id=text, name=text)
        event.labels.add(key="env", value=text)
        event.details_struct.update({"text": text})
        events.append(event)
    return events


def poisoned(message, text, depth=0):
    """Every text of it says `text`, and every number is one that is not expected."""
    for field in message.DESCRIPTOR.fields:
        repeated = field.label == descriptor.FieldDescriptor.LABEL_REPEATED
        if field.type == descriptor.FieldDescriptor.TYPE_MESSAGE:
            if depth < 4 and not field.message_type.GetOptions().map_entry:
                below = getattr(message, field.name).add() if repeated else getattr(message, field.name)
                if isinstance(below, timestamp_pb2.Timestamp):
                    below.seconds = 2**62
                else:
                    below.SetInParent()
                    poisoned(below, text, depth + 1)
            continue
        value = {descriptor.FieldDescriptor.TYPE_STRING: text, descriptor.FieldDescriptor.TYPE_BYTES: text.encode(),
                 descriptor.FieldDescriptor.TYPE_BOOL: True, descriptor.FieldDescriptor.TYPE_ENUM: 1,
                 descriptor.FieldDescriptor.TYPE_DOUBLE: 1e300}.get(field.type, 2**31 - 1)
        if repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    return message


class Poisoner(rpc.AuditLogServiceServicer):
    """Answers with `text` wherever there may be text: in errors, or in answers."""

    def __init__(self, text, errors):
        self.text, self.errors = text, errors
        for method in pb.DESCRIPTOR.services_by_name["AuditLogService"].methods:
            answer = getattr(pb, method.output_type.name)
            streams = method.name in ("Tail", "Search", "AppendStream")
            setattr(self, method.name, self.streamed(answer) if streams else self.unary(answer))

    def unary(self, answer):
        def call(_, context):
            if self.errors:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, self.text)
            return poisoned(answer(), self.text)
        return call

    def streamed(self, answer):
        def call(_, context):
            if self.errors:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, self.text)
            yield poisoned(answer(), self.text)
        return call


class Endless(rpc.AuditLogServiceServicer):
    """Lists ever more logs, by name, and lets a search go to and fro between two places."""

    def ListLogs(self, request, _):
        first = int(request.page_token or 0)
        return pb.ListLogsResponse(logs=[pb.Log(name=f"log-{number:020}") for number in range(first, first + 1000)],
                                   next_page_token=str(first + 1000))

    def Search(self, request, _):
        yield pb.SearchResponse(query="v1: x", tree_size=10, scanned_to=5,
                                next_cursor="there" if request.cursor == "here" else "here")


class Strangers(Searching):
    def assert_harmless(self, shown, said_by, columns_max=None):
        plain = COLOUR.sub("", shown)
        found = STEERS.search(plain)
        if found:
            at = found.start()
            self.fail(f"{said_by}: {plain[max(0, at - 60):at + 60]!r}")
        if columns_max:
            longest = max(map(len, plain.splitlines()), default=0)
            self.assertLessEqual(longest, columns_max, said_by)
        return plain

    def test_records_of_strangers(self):
        with self.serve() as server:
            at = ("--server", server.address)
            self.append(server, hostile_events())
            key = server.ready["logs"]["default"]["vkey"]
            lists = [("tail", "--from", "0"), ("search", "--limit", "0"), ("search", "say", "-n", "0", "--oldest"),
                     ("trace", "the-trace")]
            for command in lists:
                code, shown = on_terminal(*command, *at)
                self.assertEqual(code, 0, shown)
                plain = self.assert_harmless(shown, command, COLUMNS_MAX)
                # One line a record, whatever is in it.
                self.assertEqual(len(plain.splitlines()), len(TEXTS), plain)
                self.assertIn(r"\x1b]0;owned\x07", plain)
                self.assertIn(r"\u{202e}txt.exe", plain)
                # What imitates an escape is told apart from one.
                self.assertIn(r"\\x1b[31m", plain)
            for field in ("actor.id", "actor.name", "target.id", "target.name", "service", "ip", "label.env"):
                code, shown = on_terminal("search", "--facet", field, "--top", "100", *at)
                self.assertEqual(code, 0, shown)
                self.assert_harmless(shown, field, COLUMNS_MAX)
            files = [self.folder / name for name in ("receipt", "lines", "records", "answer")]
            for number, text in enumerate(TEXTS):
                code, shown = on_terminal("show", number, *at)
                self.assertEqual(code, 0, shown)
                self.assert_harmless(shown, text)
                serving.run("receipt", "get", number, "--output", files[0], *at)
                for command in (("receipt", "verify", files[0], "--key", key),
                                ("explain", files[0], "--key", key, *at)):
                    code, shown = on_terminal(*command)
                    self.assertEqual(code, 0, shown)
                    self.assert_harmless(shown, command)
                # Exact for machines: what was sent comes back, in a search for it too.
                said = json.loads(serving.run("show", number, "--json", *at).stdout)
                self.assertEqual(said["event"]["actor"]["id"], text)
                query = f"actor.id:{json.dumps(text)}"
                found = serving.run("search", query, "--json", "--statement", files[3], *at)
                self.assertEqual(json.loads(found.stdout.rstrip("\n"))["index"], number)
                for command in (("verify", "--answer", files[3], "--key", key, *at),
                                ("explain", files[3], "--key", key)):
                    code, shown = on_terminal(*command)
                    self.assertEqual(code, 0, shown)
                    self.assert_harmless(shown, command)
            serving.run("export", "--output", files[1], *at)
            serving.run("export", "--format", "records", "--output", files[2], *at)
            for command in (("verify", files[1]), ("verify", files[2]), ("explain", files[1], *at), ("status", *at),
                            ("logs", "list", *at), ("logs", "show", *at), ("checkpoint", *at),
                            ("verify", *at, "--key", key)):
                code, shown = on_terminal(*command)
                self.assertEqual(code, 0, shown)
                self.assert_harmless(shown, command)

    def test_queries_and_files_of_strangers(self):
        with self.serve() as server:
            at = ("--server", server.address)
            self.append(server, hostile_events()[:2])
            path = self.folder / "file"
            heads = ["c2sp.org/tlog-proof@v1\n{0}\n", "graven.dev/evidence@v1\n{0}\n", "graven answer v1\n{0}\n{0}\n",
                     "{0}\n5\nAAAA\n\n\u2014 {0} AAAAAAAA\n", "{0}", "log {0}\nquorum {0}\n",
                     "{{\"index\":\"0\",\"record\":\"{0}\"}}\n", "{0}+12345678+AAAA\n"]
            for text in WORST:
                for arguments in (("search", f"actr:{text}"), ("search", text + ":x"), ("search", f'"{text}'),
                                  ("trace", text), ("search", "--facet", text), ("search", "--cursor", text),
                                  ("search", "--histogram", "--from", text), ("search", "--histogram", "--at", text),
                                  ("search", "--histogram", "--by", "day", "--zone", text)):
                    code, shown = on_terminal(*arguments, *at)
                    self.assertIn(code, (0, 1, 2), shown)
                    self.assert_harmless(shown, arguments)
                for head in heads:
                    path.write_text(head.format(text), encoding="utf-8", newline="")
                    for arguments in (("explain", path), ("verify", path), ("verify", "--evidence", path),
                                      ("receipt", "verify", path, "--key", server.ready["logs"]["default"]["vkey"])):
                        code, shown = on_terminal(*arguments)
                        self.assertIn(code, (0, 1, 2), shown)
                        self.assert_harmless(shown, (*arguments[:2], head, text))

    def test_a_server_that_says_nothing_else(self):
        path = self.folder / "checkpoint"
        with self.serve() as server:
            self.append(server, hostile_events()[:3])
            key = server.ready["logs"]["default"]["vkey"]
            path.write_text(serving.run("checkpoint", "--server", server.address).stdout)
        commands = [("status",), ("logs", "list"), ("logs", "show"), ("logs", "create", "one"), ("checkpoint",),
                    ("tail",), ("show", "0"), ("show", "--id", "x"), ("search", "x"),
                    ("search", "x", "--statement", self.folder / "answer"),
                    ("search", "--facet", "action"), ("search", "--histogram"),
                    ("search", "--histogram", "--by", "day"),
                    ("trace", "x"), ("receipt", "get", "0"), ("explain", path), ("verify",), ("verify", "--key", key),
                    ("export",), ("append", "--actor", "a", "--action", "b")]
        refused = 0
        for text in WORST[:3]:
            for errors in (False, True):
                double = grpc.server(futures.ThreadPoolExecutor(4))
                rpc.add_AuditLogServiceServicer_to_server(Poisoner(text, errors), double)
                port = double.add_insecure_port("127.0.0.1:0")
                double.start()
                try:
                    for command in commands:
                        code, shown = on_terminal(*command, "--server", f"127.0.0.1:{port}")
                        self.assertIn(code, (0, 1, 2, 3), (command, shown))
                        self.assert_harmless(shown, (command, text, errors))
                        refused += code != 0
                finally:
                    double.stop(None)
        self.assertGreater(refused, 60)

    def test_a_server_that_comes_to_no_end_is_left(self):
        double = grpc.server(futures.ThreadPoolExecutor(4))
        rpc.add_AuditLogServiceServicer_to_server(Endless(), double)
        port = double.add_insecure_port("127.0.0.1:0")
        double.start()
        self.addCleanup(double.stop, None)
        for command, words in ((("logs", "list"), "the server lists more than 100000 logs"),
                               (("search", "x", "-n", "0"), "the server's cursor leads to where the search was"),
                               (("search", "x", "-n", "0", "--oldest"),
                                "the server's cursor leads to where the search was")):
            done = serving.run(*command, "--server", f"127.0.0.1:{port}", check=None, timeout=120)
            self.assertNotEqual(done.returncode, 0, command)
            self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
