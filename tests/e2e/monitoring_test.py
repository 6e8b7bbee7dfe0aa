"""What a server measures of itself, as Prometheus reads it at /metrics; alert rules and dashboard are about that."""
import json
import re
import shutil
import subprocess
import time
import unittest
import urllib.request

import serving
import witnesses

RULES = serving.ROOT / "deploy/prometheus/graven.rules.yml"
RULE_TESTS = serving.ROOT / "deploy/prometheus/graven.rules.test.yml"
DASHBOARD = serving.ROOT / "deploy/grafana/graven.json"
PAGE = serving.ROOT / "docs/metrics.md"
NAME = re.compile(r"\b((?:graven|process)_[a-z0-9_]+)\b")
OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def scrape(address, accept="", path="/metrics"):
    request = urllib.request.Request(f"http://{address}{path}", headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.headers["Content-Type"], reply.read().decode()


def families(text):
    """Names as rules write them: with _total, _bucket, _sum and _count."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        names.add(name)
        if kind == "histogram":
            names |= {name + suffix for suffix in ("_bucket", "_sum", "_count")}
    return names


def rule_names():
    # Not those in comments and not alert names.
    return {name for line in RULES.read_text().splitlines() if "expr:" in line
            for name in NAME.findall(line)}


def dashboard_names():
    dashboard = json.loads(DASHBOARD.read_text())
    texts = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    texts += [variable.get("query", "") for variable in dashboard["templating"]["list"]]
    return {name for text in texts for name in NAME.findall(text)}


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = serving.Server(serving.make_folder("metrics"), "--http", "127.0.0.1:0")
        cls.address = cls.server.ready["http"][0].removeprefix("http://").rstrip("/")
        event = {"eventId": "m-1", "actor": {"id": "a"}, "action": "b",
                 "occurredAt": "2026-01-02T03:04:05Z"}
        serving.run("append", "-", "--server", cls.server.address, input=json.dumps(event) + "\n")
        serving.run("append", "-", "--server", cls.server.address, input=json.dumps(event) + "\n")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def test_the_page_names_what_is_shown_and_nothing_else(self):
        shown = set(re.findall(r"^# TYPE (\S+) ", scrape(self.address)[1], re.M))
        documented = set(re.findall(r"^\| `([a-z0-9_]+)` \|", PAGE.read_text(), re.M))
        self.assertGreater(len(documented), 25)
        self.assertEqual(shown, documented)

    def test_every_name_in_rules_and_dashboard_is_live(self):
        live = families(scrape(self.address)[1])
        for used in (rule_names(), dashboard_names()):
            self.assertGreater(len(used), 10)
            self.assertEqual(used - live, set())

    def test_what_was_appended_is_counted(self):
        text = scrape(self.address)[1]
        self.assertRegex(text, r'graven_append_events_total\{result="duplicate"\} 1\n')
        self.assertRegex(text, r'graven_log_published_records\{log="default"\} 1\n')
        self.assertRegex(text, r'graven_write_state\{state="active"\} 1\n')
        self.assertRegex(text, r"\nprocess_resident_memory_bytes [1-9]")
        self.assertRegex(text, r"\nprocess_open_fds [1-9]")

    def test_open_metrics_where_it_is_asked_for(self):
        kind, text = scrape(self.address, OPEN_METRICS)
        self.assertIn("application/openmetrics-text", kind)
        self.assertTrue(text.endswith("# EOF\n"))
        self.assertIn("# TYPE graven_append_events counter\n", text)
        kind, text = scrape(self.address)
        self.assertIn("text/plain; version=0.0.4", kind)
        self.assertNotIn("# EOF", text)

    @unittest.skipUnless(shutil.which("promtool"), "skipped: promtool is not installed (prometheus)")
    def test_prometheus_takes_the_text(self):
        done = subprocess.run(["promtool", "check", "metrics"], input=scrape(self.address)[1],
                              capture_output=True, text=True, timeout=60)
        # Exit 3: only advice about names; ours of the process are as everybody has them.
        self.assertIn(done.returncode, (0, 3), done.stdout + done.stderr)
        self.assertNotIn("error while linting", done.stdout + done.stderr)


class States(unittest.TestCase):
    """What the alert rules look at, on servers that are in that state."""

    def setUp(self):
        self.folder = serving.make_folder("metrics-states")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def wait_shown(self, server, *series):
        address = server.ready["http"][0].removeprefix("http://").rstrip("/")
        end = time.monotonic() + 60
        while True:
            text = scrape(address)[1]
            if all(f"{one}\n" in text for one in series):
                return
            missing = [one for one in series if f"{one}\n" not in text]
            self.assertLess(time.monotonic(), end, f"not shown: {missing}")
            time.sleep(0.05)

    def test_a_log_that_is_damaged_is_shown_as_read_only(self):
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            serving.run("append", "--actor", "a", "--action", "found.me", "--server", server.address)
            self.wait_shown(server, 'graven_log_read_only{log="default"} 0', 'graven_write_state{state="active"} 1')
            self.assertEqual(server.stop(), 0)
        journal = sorted((server.data / "journal").iterdir())[0]
        raw = bytearray(journal.read_bytes())
        raw[raw.index(b"found.me")] ^= 1
        journal.write_bytes(raw)
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            self.wait_shown(server, 'graven_log_read_only{log="default"} 1', 'graven_write_state{state="read_only"} 1')

    def test_a_witness_that_ends_is_shown_as_down(self):
        with serving.Server(self.folder) as server:
            vkey = server.ready["logs"]["default"]["vkey"]
            self.assertEqual(server.stop(), 0)
        witness = witnesses.Witness(self.folder / "own", [vkey])
        self.addCleanup(witness.kill)
        policy = witnesses.write_policy(self.folder / "policy", {"own": witness}, "any own", vkey)
        with serving.Server(self.folder, "--policy", policy, "--http", "127.0.0.1:0") as server:
            serving.run("append", "--actor", "a", "--action", "b", "--server", server.address)
            self.wait_shown(server, 'graven_witness_up{witness="own"} 1')
            witness.kill()
            serving.run("append", "--actor", "a", "--action", "b", "--server", server.address)
            self.wait_shown(server, 'graven_witness_up{witness="own"} 0')
            self.assertEqual(server.stop(), 0)


@unittest.skipUnless(shutil.which("promtool"), "skipped: promtool is not installed (prometheus)")
class Rules(unittest.TestCase):
    def test_rules_are_well_formed(self):
        done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_rules_alarm_when_they_should_and_only_then(self):
        done = subprocess.run(["promtool", "test", "rules", RULE_TESTS.name], cwd=RULE_TESTS.parent,
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Dashboard(unittest.TestCase):
    def test_panels_have_queries_and_places_of_their_own(self):
        dashboard = json.loads(DASHBOARD.read_text())
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                self.assertTrue(panel["targets"] and all(t["expr"] for t in panel["targets"]), panel["title"])


if __name__ == "__main__":
    unittest.main()
