"""What a running server says about itself and finds out by itself."""
import json
import re
import shutil
import time
import unittest

import serving

serving.stubs()


def append(address, count, prefix="e", log="default"):
    """`count` events through the CLI, as JSON Lines."""
    lines = "".join(json.dumps({"eventId": f"{prefix}-{i}", "actor": {"id": f"user-{i % 7}"},
                                "action": "invoice.approve", "occurredAt": "2026-01-02T03:04:05Z",
                                "targets": [{"type": "invoice", "id": str(i)}]}) + "\n"
                    for i in range(count))
    return serving.run("append", "-", "--server", address, "--log", log, input=lines)


def wait_for(condition, seconds=60):
    """The first true value of `condition()`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (value := condition()):
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


class SlowAppends(unittest.TestCase):
    @unittest.skipUnless(shutil.which("strace"), "skipped: strace is not installed")
    def test_slow_sync_is_named_as_the_stage(self):
        folder = serving.make_folder("slow-append")
        # Each sync takes 0.3 s longer.
        prefix = ("strace", "-f", "-o", str(folder / "trace"), "-e", "trace=fdatasync", "-e",
                  "inject=fdatasync:delay_exit=300000")
        with serving.Server(folder, "--slow-append-ms", "250", prefix=prefix, ready_s=120) as server:
            append(server.address, 1)
            text = wait_for(lambda: re.search(r"slow append: (.*)", server.log_path.read_text()))
            self.assertIn("DELAYED", (folder / "trace").read_text())
            self.assertEqual(server.stop(), 0)
        stages = re.search(r"log default, 1 events, durable after (\d+) ms: accepted to sequenced "
                           r"(\d+) ms, to applied (\d+) ms, to durable (\d+) ms; then published "
                           r"(\d+) ms", text[0])
        self.assertTrue(stages, text[0])
        total, queued, applied, synced, _ = map(int, stages.groups())
        self.assertGreaterEqual(synced, 290)
        self.assertLess(queued + applied, total)

    def test_nothing_is_said_unless_asked_for(self):
        with serving.Server(serving.make_folder("quick")) as server:
            append(server.address, 5)
            self.assertEqual(server.stop(), 0)
            self.assertNotIn("slow append", server.log_path.read_text())


if __name__ == "__main__":
    unittest.main()
