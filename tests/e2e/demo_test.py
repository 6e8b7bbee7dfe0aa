"""What `./dev run` goes on with: what happens on this machine arrives in the log, and Ctrl-C leaves nothing running."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import unittest
import urllib.parse
import urllib.request

import serving

SCRIPT = serving.ROOT / "tools" / "demo.sh"
EVENTS = serving.ROOT / "tools" / "host_events.py"


def alive(pattern):
    """Processes whose command line holds `pattern`."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if pattern in text and int(folder.name) != os.getpid():
            found.append(text)
    return found


def wait_for(what, look, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


class DemoTest(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("demo")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, *flags):
        process = subprocess.Popen([str(SCRIPT), "--data", str(self.folder / "data"), *flags], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env={**os.environ, "GRAVEN_BINARY": str(serving.BINARY)})
        self.addCleanup(lambda: (process.terminate(), process.wait(), process.stdout.close()))
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("The server runs until Ctrl-C."):
                self.address = json.loads((self.folder / "ready.json").read_text())["grpc"][0]
                return process, said
        self.fail(f"it did not come so far: {said}")

    def followers(self):
        """What writes live events into this test's server."""
        return alive(f"--server {self.address} --parent")

    def test_a_demonstration_that_is_killed_takes_its_events_along(self):
        process, _ = self.start()
        self.assertEqual(len(self.followers()), 1)
        process.kill()
        wait_for("nothing writes any more", lambda: not self.followers())
        os.kill(json.loads((self.folder / "ready.json").read_text())["pid"], signal.SIGTERM)
        wait_for("the server has ended", lambda: not alive(str(self.folder)))

    def found(self, page, query):
        url = page.partition("#")[0] + "logs/default/search?" + urllib.parse.urlencode({"q": query})
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["records"]

    def test_what_happens_on_this_machine_arrives_and_ctrl_c_ends_all_of_it(self):
        process, said = self.start()
        page = re.search(r"http://\S+#/default/live\?pin=\S+", said)[0]
        self.assertIn("rehearse fork --page", said)
        # What runs before the first look is no news.
        wait_for("the first look", lambda: self.found(page, "action:machine.measured"))
        # A program that nothing else here starts.
        program = self.folder / "demo-witness"
        shutil.copy(shutil.which("sleep"), program)
        self.assertEqual(self.found(page, "target:demo-witness"), [])
        subprocess.run([str(program), "2.5"], check=True)
        wait_for("its start", lambda: self.found(page, "action:process.started target:demo-witness"))
        wait_for("its end", lambda: self.found(page, "action:process.ended target:demo-witness"))
        self.assertEqual(len(self.found(page, "action:process.started target:demo-witness")), 1)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(30), 0)
        self.assertIn("exit code 0", process.stdout.read())
        wait_for("nothing runs any more", lambda: not alive(str(self.folder)) and not self.followers())

    def test_a_server_that_ends_ends_the_events_too(self):
        process, _ = self.start()
        ready = json.loads((self.folder / "ready.json").read_text())
        os.kill(ready["pid"], signal.SIGTERM)
        self.assertEqual(process.wait(30), 0)
        wait_for("nothing runs any more", lambda: not self.followers())

    def test_without_live_events_nothing_follows(self):
        process, said = self.start("--no-live")
        self.assertEqual(self.followers(), [])
        self.assertNotIn("goes in live", said)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(30), 0)


class HostEventsTest(unittest.TestCase):
    def test_two_beside_each_other_make_the_same_events_and_no_argument_is_told(self):
        both = [subprocess.Popen([str(EVENTS)], stdout=subprocess.PIPE, text=True) for _ in range(2)]
        time.sleep(1.5)
        subprocess.run(["sleep", "2.0625"], check=True)
        time.sleep(2)
        told = []
        for process in both:
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=10)
            self.assertNotIn("2.0625", out)
            events = [json.loads(line) for line in out.splitlines()]
            told.append({event["event_id"]: (event["occurred_at"], event["targets"]) for event in events
                         if event["action"] == "process.started" and event["targets"][0]["id"] == "sleep"})
            self.assertTrue(any(event["action"] == "machine.measured" for event in events))
        self.assertTrue(told[0].keys() & told[1].keys())
        for identity in told[0].keys() & told[1].keys():
            self.assertEqual(told[0][identity], told[1][identity])


if __name__ == "__main__":
    unittest.main()
