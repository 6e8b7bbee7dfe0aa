"""What producers' sequences miss, as the monitor tells it: apart from what is wrong with the log."""
import json
import subprocess
import time
import unittest
import urllib.request

import serving
from serving import BINARY, make_folder, run


def append(address, *numbers, epoch=1):
    """Events of producer till-7; a number, or (number, kind)."""
    lines = ""
    for number in numbers:
        sequence, kind = number if isinstance(number, tuple) else (number, 0)
        lines += json.dumps({"actor": {"id": "a"}, "action": "b", "occurredAt": "2026-01-02T03:04:05Z",
                             "eventId": f"till-{epoch}-{time.monotonic_ns()}-{len(lines)}",
                             "producer": {"id": "till-7", "epoch": str(epoch),
                                          "sequence": str(sequence), "kind": kind}}) + "\n"
    run("append", "-", "--server", address, input=lines)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        log = json.loads(run("logs", "show", "--server", address, "--json").stdout)
        if log["published_size"] == log["durable_size"]:
            return
        time.sleep(0.01)
    raise AssertionError(f"not published: {log}")


class Completeness(unittest.TestCase):
    def setUp(self):
        self.folder = make_folder("completeness-monitor")
        self.server = serving.Server(self.folder)
        self.addCleanup(self.close)
        self.key = self.folder / "log.vkey"
        self.key.write_text(self.server.ready["logs"]["default"]["vkey"] + "\n")

    def close(self):
        self.server.__exit__()
        self.server.log.close()

    def command(self, *flags):
        return ("monitor", "--key", self.key, "--server", self.server.address, "--data",
                self.folder / "seen", "--json", *flags)

    def once(self, *flags, check=0):
        done = run(*self.command("--once", "--patience", "0", *flags), check=check)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_gap_is_told_once_and_changes_the_exit_code_only_where_that_is_asked_for(self):
        append(self.server.address, 1, 2, 5)
        told, verdict = self.once()
        self.assertEqual((told["finding"], told["kind"], told["producer"], told["epoch"],
                          told["first_sequence"], told["last_sequence"], told["index"]),
                         ("producer", "gap", "till-7", 1, 3, 4, 2))
        self.assertEqual((verdict["status"], verdict["findings"], verdict["producer_findings"]),
                         ("OK", 0, 1))
        # A second run has seen it, and still knows.
        append(self.server.address, 6)
        verdict, = self.once("--require-complete", check=1)
        self.assertEqual((verdict["status"], verdict["producer_findings"]), ("OK", 1))

    def test_a_server_counts_and_warns_of_what_is_published_while_it_runs(self):
        folder = make_folder("completeness-server")
        with serving.Server(folder, "--http", "127.0.0.1:0") as server:
            metrics = server.ready["http"][0].rstrip("/") + "/metrics"
            append(server.address, 1, 2, 2)
            wanted = 'graven_producer_findings_total{kind="repeat"} 1\n'
            end = time.monotonic() + 30
            text = ""
            while wanted not in text and time.monotonic() < end:
                with urllib.request.urlopen(metrics, timeout=30) as reply:
                    text = reply.read().decode()
                time.sleep(0.1)
            self.assertIn(wanted, text)
            self.assertEqual(server.stop(), 0)
        self.assertIn("completeness: log default: repeat of producer till-7 of anonymous, epoch 1, numbers 2 to 2, "
                      "at record 2", server.log_path.read_text())

    def test_missed_heartbeat_is_told_and_measured_while_the_log_is_followed(self):
        append(self.server.address, (1, 1), (2, 2))
        process = subprocess.Popen(
            [str(word) for word in (BINARY, *self.command("--every", "0.1", "--heartbeat-deadline", "1",
                                                          "--metrics", "127.0.0.1:0"))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        address = process.stderr.readline().split()[-1]
        lines = iter(process.stdout.readline, "")
        found = next(line for line in map(json.loads, lines) if line.get("finding"))
        self.assertEqual((found["finding"], found["kind"], found["last_sequence"]),
                         ("producer", "missing_tail", 2))
        end = time.monotonic() + 30
        wanted = 'kind="missing_tail"} 1\n'
        while True:
            with urllib.request.urlopen(address, timeout=30) as reply:
                text = reply.read().decode()
            if wanted in text or time.monotonic() > end:
                break
            time.sleep(0.05)
        self.assertIn(wanted, text)
        self.assertRegex(text, r"graven_monitor_findings_total\{[^}]*\} 0\n")
        process.terminate()
        self.assertEqual(process.wait(timeout=30), 0)


if __name__ == "__main__":
    unittest.main()
