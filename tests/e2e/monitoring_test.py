"""What a server measures of itself, as Prometheus reads it at /metrics."""
import json
import re
import unittest
import urllib.request

import serving

PAGE = serving.ROOT / "docs/metrics.md"
OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def scrape(address, accept="", path="/metrics"):
    request = urllib.request.Request(f"http://{address}{path}", headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.headers["Content-Type"], reply.read().decode()


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


if __name__ == "__main__":
    unittest.main()
