"""Alerts of the configuration: raised within a moment, told once by a signed webhook, and not lost when the server is
killed between two of the matches."""
import http.server
import json
import shutil
import subprocess
import threading
import time
import unittest
import urllib.request

import serving

serving.stubs()
import grpc  # noqa: E402
from graven.v1 import audit_log_service_pb2 as pb  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as rpc  # noqa: E402
from graven.v1 import event_pb2  # noqa: E402

CONFIGURATION = """
[[alert]]
name = "denied"
query = "outcome:denied"
by = "actor.id"
threshold = 5
window_s = 600

[webhook]
url = "{url}"
secret_file = "{secret}"
allow_hosts = ["127.0.0.1"]
values = true
"""


# Reads of the first part of one file fail while another file is there. Each that did is noted.
DEAD_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int is_dead(int fd, off_t at) {
  char link[64], path[4096];
  ssize_t size;
  if (at < 1 || at >= atol(getenv("DEAD_BELOW")) || access(getenv("DEAD_WHILE"), F_OK) != 0) return 0;
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  size = readlink(link, path, sizeof(path) - 1);
  if (size < 0) return 0;
  path[size] = 0;
  if (strstr(path, getenv("DEAD_PATH")) == NULL || strstr(path, "/segments/") == NULL) return 0;
  int fired = open(getenv("DEAD_FIRED"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (write(fired, "!", 1) != 1) abort();
  close(fired);
  errno = EIO;
  return 1;
}
ssize_t pread(int fd, void* to, size_t size, off_t at) {
  ssize_t (*real)(int, void*, size_t, off_t) = dlsym(RTLD_NEXT, "pread");
  return is_dead(fd, at) ? -1 : real(fd, to, size, at);
}
ssize_t pread64(int fd, void* to, size_t size, off_t at) {
  ssize_t (*real)(int, void*, size_t, off_t) = dlsym(RTLD_NEXT, "pread64");
  return is_dead(fd, at) ? -1 : real(fd, to, size, at);
}
"""


class Hook:
    """Takes webhooks."""

    def __init__(self):
        self.notices = []
        self.refusing = False
        self.refused = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.refusing:
                    outer.refused += 1
                else:
                    outer.notices += json.loads(body)["notices"]
                self.send_response(503 if outer.refusing else 200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def wait_refused(self, count):
        end = time.monotonic() + 60
        while self.refused < count:
            assert time.monotonic() < end, "nothing came to be refused"
            time.sleep(0.05)

    def wait(self, count):
        end = time.monotonic() + 60
        while len(self.notices) < count and time.monotonic() < end:
            time.sleep(0.05)
        assert len(self.notices) >= count, f"{len(self.notices)} notices"
        return self.notices


class Alerts(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("alerts")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.hook = Hook()
        self.addCleanup(self.hook.server.server_close)
        self.addCleanup(self.hook.server.shutdown)

    def serve(self, text=CONFIGURATION, env=None):
        (self.folder / "secret").write_text("sixteen bytes or more\n")
        configuration = self.folder / "graven.toml"
        configuration.write_text(text.format(url=self.hook.url, secret=self.folder / "secret"))
        return serving.Server(self.folder, "--config", configuration, "--http", "127.0.0.1:0", env=env)

    def append(self, server, first, count, actor="ann", outcome=event_pb2.OUTCOME_DENIED, log=""):
        with grpc.insecure_channel(server.address) as channel:
            for number in range(first, first + count):
                event = event_pb2.Event(event_id=f"{actor}-{number}", action="door.open", outcome=outcome)
                event.actor.id = actor
                event.occurred_at.seconds = 1_700_000_000
                rpc.AuditLogServiceStub(channel).Append(pb.AppendRequest(events=[event], log=log))

    def write_segment_behind_the_rule(self, text, count, denied, actor_of):
        """So many records, of which one is denied, written while the rule is away; the first file of them."""
        with self.serve(text) as server:
            self.wait_for_place()
            server.kill()
        segment = self.folder / "data/logs/default/segments" / f"{0:020}-{65536:020}"
        with serving.Server(self.folder) as server:
            lines = "".join(json.dumps({"eventId": f"n-{i}", "actor": {"id": actor_of(i)}, "action": "a",
                                        "outcome": "OUTCOME_DENIED" if i == denied else "OUTCOME_SUCCESS",
                                        "occurredAt": "2026-01-02T03:04:05Z"}) + "\n" for i in range(count))
            serving.run("append", "-", "--server", server.address, input=lines)
            end = time.monotonic() + 60
            while not segment.exists() and time.monotonic() < end:
                time.sleep(0.05)
            self.assertEqual(server.stop(), 0)
        return segment

    def place(self, name):
        return int((self.folder / "data" / "alerts" / f"{name}.place").read_text().splitlines()[2])

    def test_five_for_one_actor_are_told_also_over_a_crash(self):
        with self.serve() as server:
            self.wait_for_place()
            self.append(server, 0, 4)
            self.append(server, 0, 4, actor="bob")
            self.append(server, 0, 9, actor="eve", outcome=event_pb2.OUTCOME_SUCCESS)
            server.kill()
        self.assertEqual(self.hook.notices, [])
        with self.serve() as server:
            self.append(server, 4, 1)  # the fifth, after the crash
            notice = self.hook.wait(1)[0]
            self.assertEqual({name: notice[name] for name in
                              ("kind", "alert", "log", "query", "by", "value", "count", "firstIndex", "lastIndex")},
                             {"kind": "alert", "alert": "denied", "log": "default", "query": "v1: outcome:denied",
                              "by": "actor.id", "value": "ann", "count": "5", "firstIndex": "0", "lastIndex": "17"})
            url = server.ready["http"][0] + "/metrics"
            with urllib.request.urlopen(url, timeout=30) as answer:
                self.assertIn('graven_alerts_total{alert="denied"} 1', answer.read().decode())
            logged = server.log_path.read_text()
            self.assertIn("alert denied: 5 matches of one actor.id", logged)
            self.assertNotIn("ann", logged)
            self.assertEqual(server.stop(), 0)
        with self.serve() as server:  # what was told is not told again
            self.append(server, 4, 1, actor="bob")
            self.assertEqual([notice["value"] for notice in self.hook.wait(2)], ["ann", "bob"])
            self.assertEqual(server.stop(), 0)

    def wait_for_place(self, name="denied", at=0):
        end = time.monotonic() + 30
        path = self.folder / "data" / "alerts" / f"{name}.place"
        while not (path.exists() and self.place(name) == at) and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(self.place(name), at)

    def test_what_the_webhook_did_not_take_is_kept_over_a_crash_and_sent_with_the_same_id(self):
        self.hook.refusing = True
        with self.serve(CONFIGURATION.replace('"denied"', '"outbox"')) as server:  # a name that the queue's folder has
            self.wait_for_place("outbox")
            self.append(server, 0, 5)
            self.hook.wait_refused(1)
            server.kill()
        self.assertEqual(self.hook.notices, [])
        self.hook.refusing = False
        with self.serve(CONFIGURATION.replace('"denied"', '"outbox"')) as server:
            notice = self.hook.wait(1)[0]
            self.assertEqual((notice["value"], notice["lastIndex"]), ("ann", "4"))
            self.assertTrue(notice["id"].startswith("outbox-4-"), notice["id"])
            # However often it was said: it is the same alert.
            self.append(server, 0, 5, actor="bob")
            while not any(one["value"] == "bob" for one in self.hook.notices):
                self.hook.wait(len(self.hook.notices) + 1)
            self.assertEqual(len({one["id"] for one in self.hook.notices}), 2)
            self.assertEqual(server.stop(), 0)

    def test_a_log_that_is_made_later_is_watched_from_its_first_record_and_one_that_is_there_from_its_end(self):
        text = CONFIGURATION.replace("threshold = 5", "threshold = 1")
        later = text[:text.index("[webhook]")].replace('"denied"', '"later"')
        text += later.replace("[[alert]]", '[[alert]]\nlog = "later"')
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            self.append(server, 0, 3)
            self.assertEqual(server.stop(), 0)
        with self.serve(text) as server:
            self.wait_for_place(at=3)
            serving.run("logs", "create", "later", "--server", server.address)
            self.append(server, 0, 1, actor="eve", log="later")
            self.append(server, 0, 1, actor="bob")
            found = {(one["log"], one["value"]) for one in self.hook.wait(2)}
            self.assertEqual(found, {("later", "eve"), ("default", "bob")})
            self.assertEqual(server.stop(), 0)

    def test_by_default_a_notice_has_a_link_where_one_is_known_and_no_content_of_records(self):
        text = CONFIGURATION.replace("threshold = 5", "threshold = 2").replace("values = true\n", "")
        with self.serve(text) as server:
            self.wait_for_place()
            self.append(server, 0, 2)
            notice = self.hook.wait(1)[0]
            self.assertEqual((notice["by"], notice["firstIndex"], notice["lastIndex"]), ("actor.id", "0", "1"))
            self.assertNotIn("link", notice)
            self.assertNotIn("ann", json.dumps(notice))
            self.assertEqual(server.stop(), 0)
        text += '\n[http]\npublic_url = "https://audit.example/graven/"\n'
        with self.serve(text) as server:
            self.append(server, 0, 2, actor="bob")
            notice = self.hook.wait(2)[1]
            self.assertEqual(notice["link"],
                             "https://audit.example/graven/#/default/explore?q=(outcome:denied)%20index:2..4")
            self.assertNotIn("bob", json.dumps(notice))
            self.assertEqual(server.stop(), 0)

    def test_a_log_that_was_made_while_the_rule_waited_is_watched_from_its_first_record_over_a_crash(self):
        text = CONFIGURATION.replace("threshold = 5", 'threshold = 1\nlog = "later"')
        with self.serve(text) as server:
            self.assertTrue((self.folder / "data" / "alerts" / "denied.waits").exists())
            server.kill()
        with serving.Server(self.folder) as server:  # nobody looks at the log that is made
            serving.run("logs", "create", "later", "--server", server.address)
            self.append(server, 0, 1, actor="eve", log="later")
            server.kill()
        with self.serve(text) as server:
            notice = self.hook.wait(1)[0]
            self.assertEqual((notice["log"], notice["value"], notice["firstIndex"]), ("later", "eve", "0"))
            self.assertEqual(server.stop(), 0)
        self.assertFalse((self.folder / "data" / "alerts" / "denied.waits").exists())

    def test_damaged_records_are_stepped_over_and_told_of_once(self):
        text = CONFIGURATION.replace("threshold = 5", "threshold = 1")
        text += '\n[http]\npublic_url = "https://audit.example"\n'
        # "ann" again and again, the first time denied; 66,001 records in all.
        segment = self.write_segment_behind_the_rule(text, 66_001, 0, lambda i: "ann")
        with open(segment, "r+b") as file:
            file.seek(segment.stat().st_size // 4)
            byte = file.read(1)[0]
            file.seek(-1, 1)
            file.write(bytes([byte ^ 0x10]))
        with self.serve(text) as server:
            self.append(server, 1, 1, actor="eve")
            notices = self.hook.wait(3)
            self.assertEqual([one["kind"] for one in notices], ["alert", "not-judged", "alert"])
            first, last = int(notices[1]["firstIndex"]), int(notices[1]["lastIndex"])
            self.assertTrue(0 < first <= last < 65_536, notices[1])
            self.assertEqual(notices[1]["link"], f"https://audit.example/#/default/record/{first}")
            self.assertEqual((notices[2]["value"], notices[2]["firstIndex"]), ("eve", "66001"))
            with urllib.request.urlopen(server.ready["http"][0] + "/metrics", timeout=30) as answer:
                self.assertIn(f'graven_alert_records_not_judged_total{{alert="denied"}} {last - first + 1}\n',
                              answer.read().decode())
            self.assertIn(f"alert denied: records {first} to {last} of log default cannot be read and were not judged",
                          server.log_path.read_text())
            server.kill()  # before anybody has waited for the log _system
        with self.serve(text) as server:
            self.append(server, 2, 1, actor="eve")
            end = time.monotonic() + 60
            while not any(one.get("firstIndex") == "66002" for one in self.hook.notices):
                self.assertLess(time.monotonic(), end, self.hook.notices)
                time.sleep(0.05)
            # Once, unless the kill came before the log _system had it: then again, with the same id.
            skipped = [one for one in self.hook.notices if one["kind"] == "not-judged"]
            self.assertEqual(len({one["id"] for one in skipped}), 1)
            self.assertLessEqual(len(skipped), 2)
            end = time.monotonic() + 60
            while True:
                told = serving.run("export", "--server", server.address, "--log", "_system", "--format", "jsonl").stdout
                if '"alert.not_judged"' in told:
                    break
                self.assertLess(time.monotonic(), end, "the log _system never heard of it")
                time.sleep(0.1)
            self.assertEqual(server.stop(), 0)

    def test_a_hostile_value_does_not_stop_the_rule(self):
        text = CONFIGURATION.replace("threshold = 5", "threshold = 1").replace("actor.id", "label.x")
        with self.serve(text) as server:
            self.wait_for_place()
            with grpc.insecure_channel(server.address) as channel:
                for number, value in enumerate(["\x01\u202e\"\\" * 150, "plain"]):
                    event = event_pb2.Event(event_id=f"h-{number}", action="a.b", outcome=event_pb2.OUTCOME_DENIED)
                    event.actor.id = "x"
                    event.labels.add(key="x", value=value)
                    event.occurred_at.seconds = 1_700_000_000
                    rpc.AuditLogServiceStub(channel).Append(pb.AppendRequest(events=[event]))
            found = [one["value"] for one in self.hook.wait(2)]
            self.assertTrue(found[0].startswith("\x01\u202e") and len(found[0].encode()) <= 512, found[0])
            self.assertEqual(found[1], "plain")
            self.assertNotIn("\u202e", server.log_path.read_text())
            self.assertEqual(server.stop(), 0)

    def test_rules_that_are_equal_are_both_told_a_changed_one_begins_at_the_end_and_no_value_is_no_match(self):
        hook = CONFIGURATION[CONFIGURATION.index("[webhook]"):]

        def rule(name, query, by):
            return f'[[alert]]\nname = "{name}"\nquery = "{query}"\nby = "{by}"\n'
        equal = rule("one", "outcome:denied", "actor.id") + rule("two", "outcome:denied", "actor.id")
        with self.serve(equal + rule("none", "outcome:denied", "label.colour") + hook) as server:
            for name in ("one", "two", "none"):
                self.wait_for_place(name)
            self.append(server, 0, 1)
            told = {(one["alert"], one["value"], one["firstIndex"]) for one in self.hook.wait(2)}
            self.assertEqual(told, {("one", "ann", "0"), ("two", "ann", "0")})
            self.assertEqual(len({one["id"] for one in self.hook.notices}), 2)
            self.append(server, 0, 3, actor="eve", outcome=event_pb2.OUTCOME_SUCCESS)
            self.assertEqual(server.stop(), 0)
        # One is changed, one is gone, and what the changed one would have found is past.
        with self.serve(rule("one", "outcome:success", "actor.id") + hook) as server:
            self.wait_for_place("one", at=4)
            self.append(server, 9, 1, actor="bob", outcome=event_pb2.OUTCOME_SUCCESS)
            told = [(one["alert"], one["value"], one["firstIndex"]) for one in self.hook.wait(3)[2:]]
            self.assertEqual(told, [("one", "bob", "4")])
            self.assertEqual(server.stop(), 0)

    @unittest.skipUnless(shutil.which("cc"), "skipped: there is no C compiler for the disk that does not answer")
    def test_a_disk_that_does_not_answer_is_shown_and_the_rule_goes_on_once_it_does(self):
        text = CONFIGURATION.replace("threshold = 5", "threshold = 1")
        segment = self.write_segment_behind_the_rule(text, 66_000, 40_000, lambda i: f"ann-{i}")
        (self.folder / "dead.c").write_text(DEAD_DISK)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", self.folder / "dead.so", self.folder / "dead.c"], check=True)
        dead, fired = self.folder / "dead", self.folder / "fired"
        dead.touch()
        env = {"LD_PRELOAD": str(self.folder / "dead.so"), "DEAD_WHILE": str(dead), "DEAD_FIRED": str(fired),
               "DEAD_PATH": segment.name, "DEAD_BELOW": str(segment.stat().st_size // 8)}
        with self.serve(text, env=env) as server:
            still = 'graven_alert_stands_still{alert="denied",reason="read"} '

            def wait_shown(value):
                end = time.monotonic() + 60
                while still + value + "\n" not in self.metrics(server):
                    self.assertLess(time.monotonic(), end, "the metric does not show it")
                    time.sleep(0.05)
            wait_shown("1")
            self.assertTrue(fired.exists(), "the fault did not fire")
            self.assertEqual(self.hook.notices, [])
            tried, end = fired.stat().st_size, time.monotonic() + 60
            while fired.stat().st_size == tried:
                self.assertLess(time.monotonic(), end, "it is not tried again")
                time.sleep(0.05)
            wait_shown("1")
            said = "alert denied stands still, its log cannot be read"
            self.assertEqual(server.log_path.read_text().count(said), 1)
            dead.unlink()
            notice = self.hook.wait(1)[0]
            self.assertEqual((notice["kind"], notice["value"], notice["firstIndex"]), ("alert", "ann-40000", "40000"))
            wait_shown("0")
            self.assertIn("stands still, its log cannot be read: over after", server.log_path.read_text())
            self.assertIn('graven_alert_records_not_judged_total{alert="denied"} 0\n', self.metrics(server))
            self.assertEqual(server.stop(), 0)

    def metrics(self, server):
        with urllib.request.urlopen(server.ready["http"][0] + "/metrics", timeout=30) as answer:
            return answer.read().decode()

    def test_a_wrong_rule_is_named_before_anything_is_opened(self):
        for wrong, words in [
                ('[[alert]]\nname = "x"\nquery = "actr:x"\n', "column 1: there is no field"),
                ('[[alert]]\nname = "X y"\nquery = ""\n', "name must be"),
                ('[[alert]]\nname = "x"\nquery = ""\nby = "time"\n', "has no values to count"),
                ('[[alert]]\nname = "x"\nquery = ""\nthreshold = 0\n', "threshold"),
                ('[[alert]]\nname = "x"\nquery = ""\nthreshold = 10001\n',
                 "alert[0].threshold: must be a number from 1 to 10000"),
                ('[[alert]]\nname = "x"\nquery = ""\nthreshold = "5"\n', "threshold"),
                ('[[alert]]\nname = "x"\nquery = ""\nwindow_s = 0\n', "window_s"),
                ('[[alert]]\nname = "x"\nquery = "action:a AND (outcome:denied"\n', "query: "),
                ('[[alert]]\nname = "x"\nquery = ""\nby = "colour"\n', "by: "),
                ('[[alert]]\nname = "x"\nquery = ""\nevery_s = 5\n', "every_s"),
                ('[[alert]]\nname = "x"\nquery = ""\nlog = "No log"\n', "no log can have this name"),
                ('[[alert]]\nname = "x"\nquery = ""\nwindow_s = 99999999\n', "from 1 to"),
                ('[[alert]]\nname = "x"\n' * 2, "the name is there twice"),
                ("".join(f'[[alert]]\nname = "x{i}"\n' for i in range(101)), "at most 100"),
                ('[webhook]\nurl = "http://127.0.0.1/"\n', "both or none"),
                ('[http]\npublic_url = "audit.example"\n', "http.public_url: "),
                ('[http]\npublic_url = "https://audit.example/?x=1"\n', "must have no query"),
                ('[webhook]\nvalues = "yes"\n', "must be true or false"),
                ('[webhook]\nurl = "gopher://x/"\nsecret_file = "{secret}"\n', "webhook.url: "),
                ('[webhook]\nurl = "http://127.0.0.1/"\nsecret_file = "{short}"\n', "the secret is shorter"),
                ('[webhook]\nurl = "http://127.0.0.1/"\nsecret_file = "/nowhere"\n', "webhook.secret_file: ")]:
            (self.folder / "secret").write_text("sixteen bytes or more\n")
            (self.folder / "short").write_text("fifteen bytes..\n")
            configuration = self.folder / "wrong.toml"
            configuration.write_text(wrong.format(secret=self.folder / "secret", short=self.folder / "short"))
            done = serving.run("serve", "--data", self.folder / "none", "--config", configuration, check=2)
            self.assertIn(words, done.stderr)
            self.assertFalse((self.folder / "none").exists())


if __name__ == "__main__":
    unittest.main()
