"""RFC 3161 time stamps through the binary: `openssl ts` as the authority, and authorities that lie, hang,
flood and are not there."""
import base64
import json
import pathlib
import shutil
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import serving
import time_stamps
import witnesses


def eventually(condition, what, seconds=40):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("not within time: " + what)
        time.sleep(0.05)


def append(server, number, wait="published"):
    done = serving.run("append", "--actor", "alice", "--action", "invoice.approve", "--id",
                       f"event-{number}", "--wait", wait, "--server", server.address, "--json")
    return json.loads(done.stdout)


class TimeStamps(unittest.TestCase):
    def setUp(self):
        if not shutil.which("openssl"):
            self.skipTest("openssl is not installed")
        self.folder = serving.make_folder("time-stamps")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.authority = time_stamps.Authority(self.folder / "authority")
        self.addCleanup(self.authority.stop)
        self.configuration = self.folder / "graven.toml"
        self.configure(self.authority.url)

    def configure(self, url, ca=None):
        # A stop that waited for the end of a question would wait until the test gives up.
        self.configuration.write_text(
            f'[timestamps]\nurl = "{url}"\nca = "{ca or self.authority.ca}"\ninterval_s = 1\n'
            'timeout_s = 600\n')

    def serve(self, *flags):
        server = serving.Server(self.folder / "log", "--config", self.configuration, "--http",
                                "127.0.0.1:0", *flags)
        self.addCleanup(server.__exit__)
        self.vkey = server.ready["logs"]["default"]["vkey"]
        return server

    def log_text(self):
        return (self.folder / "log" / "serve.log").read_text()

    def get(self, server, index, *flags, check=0):
        path = self.folder / f"{index}.receipt"
        done = serving.run("receipt", "get", index, "--server", server.address, "--output", path,
                           *flags, check=check)
        return path if check == 0 else done.stderr

    def is_stamped(self, server, index):
        return serving.run("receipt", "get", index, "--stamped", "--server", server.address,
                           check=None).returncode == 0

    def verify(self, receipt, *flags, check=0):
        done = serving.run("receipt", "verify", receipt, "--key", self.vkey, "--json", *flags,
                           check=check)
        return json.loads(done.stdout)

    def test_a_receipt_holds_the_token_and_says_when_the_tree_was_seen(self):
        server = self.serve()
        begun = int(time.time())
        append(server, 0)
        eventually(lambda: self.is_stamped(server, 0), "the first stamp")
        receipt = self.get(server, 0)
        # Not asked for by name: the newest checkpoint is the one that was stamped.
        verdict = self.verify(receipt)
        self.assertEqual(verdict["time_stamp_token"], "NOT_CHECKED")
        words = serving.run("receipt", "verify", receipt, "--key", self.vkey).stdout
        self.assertIn("holds a time stamp token, which was not checked", words)
        verdict = self.verify(receipt, "--tsa-ca", self.authority.ca)
        self.assertEqual(verdict["time_stamp_token"], "CHECKED")
        self.assertEqual(verdict["time_stamp"]["authority"], "CN=trusted,O=Example")
        said = verdict["time_stamp"]["time"]
        self.assertLessEqual(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun)), said)
        self.assertGreaterEqual(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), said)
        words = serving.run("receipt", "verify", receipt, "--key", self.vkey, "--tsa-ca",
                            self.authority.ca).stdout
        self.assertIn(f"STAMPED: CN=trusted,O=Example saw that tree at {said}", words)
        self.check_with_openssl(receipt)
        # Another root: exit code 1, and why.
        other = self.folder / "authority" / "other-root.pem"
        verdict = self.verify(receipt, "--tsa-ca", other, check=1)
        self.assertEqual((verdict["verdict"], verdict["time_stamp_token"]), ("PUBLISHED", "INVALID"))
        self.assertIn("certificate", verdict["time_stamp_reason"])
        self.assertIn("NOT STAMPED", serving.run("receipt", "verify", receipt, "--key", self.vkey,
                                                 "--tsa-ca", other, check=1).stdout)
        no_certificate = self.folder / "empty.pem"
        no_certificate.write_text("nothing\n")
        done = serving.run("receipt", "verify", receipt, "--key", self.vkey, "--tsa-ca",
                           no_certificate, check=2)
        self.assertIn("--tsa-ca", done.stderr)
        self.assertEqual(server.stop(), 0)

    def check_with_openssl(self, receipt):
        """The checkpoint's text and its token mean the same to a tool that is not ours."""
        lines = receipt.read_text().split("\n")
        extra = base64.b64decode([line for line in lines if line.startswith("extra ")][0][6:])
        text = "\n".join(lines[lines.index("") + 1:][:3]) + "\n"
        # Field 3 of ReceiptExtra is the last one, and a token (PKCS #7) begins so.
        token = extra[extra.rindex(b"\x30\x82", 0, extra.index(bytes.fromhex("06092a864886f70d010702"))):]
        (self.folder / "text").write_text(text)
        (self.folder / "token").write_bytes(token)
        done = subprocess.run(["openssl", "ts", "-verify", "-data", self.folder / "text", "-token_in",
                               "-in", self.folder / "token", "-CAfile", self.authority.ca],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_token_is_not_there_before_it_was_given_and_stays_over_kill_and_silence(self):
        self.authority.mode = "broken"
        server = self.serve()
        append(server, 0)
        eventually(lambda: self.authority.requests > 0, "a question")
        self.assertIn("no checkpoint with a time stamp", self.get(server, 0, "--stamped", check=1))
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(server.ready["http"][0] +
                                   "/logs/default/records/0/tlog-proof?stamped=true", timeout=20)
        self.assertEqual(refused.exception.code, 404)
        refused.exception.close()
        verdict = self.verify(self.get(server, 0), "--tsa-ca", self.authority.ca, check=1)
        self.assertEqual((verdict["verdict"], verdict["time_stamp_token"]), ("PUBLISHED", "NONE"))
        self.authority.mode = "honest"
        eventually(lambda: self.is_stamped(server, 0), "a stamp after the authority came back")
        self.assertIn("answers again", self.log_text())
        server.kill()
        # What was cut in the middle of a write is passed over, and the next one is put behind.
        kept = self.folder / "log/data/logs/default/time-stamps"
        whole = kept.read_bytes()
        kept.write_bytes(whole + b"tstp\xff\x00\x00\x00torn")
        self.authority.mode = "broken"
        asked = self.authority.requests
        server = self.serve()
        append(server, 1)
        eventually(lambda: self.authority.requests > asked, "a question")
        self.assertEqual(self.verify(self.get(server, 0, "--stamped"), "--tsa-ca",
                                     self.authority.ca)["tree_size"], 1)
        # The newest tree has none; the receipt of the newest record neither.
        self.assertEqual(self.verify(self.get(server, 0))["time_stamp_token"], "NONE")
        self.get(server, 1, "--stamped", check=1)
        self.authority.mode = "honest"
        eventually(lambda: self.is_stamped(server, 1), "the second stamp")
        self.assertTrue(kept.read_bytes().startswith(whole))
        self.assertNotIn(b"torn", kept.read_bytes())
        with urllib.request.urlopen(server.ready["http"][0] +
                                    "/logs/default/records/0/tlog-proof?stamped=true",
                                    timeout=20) as answer:
            (self.folder / "http.receipt").write_bytes(answer.read())
        verdict = self.verify(self.folder / "http.receipt", "--tsa-ca", self.authority.ca)
        self.assertEqual((verdict["tree_size"], verdict["time_stamp_token"]), (2, "CHECKED"))
        # An idle log is not stamped again.
        asked = self.authority.requests
        time.sleep(2.5)
        self.assertEqual(self.authority.requests, asked)
        with urllib.request.urlopen(server.ready["http"][0] + "/metrics", timeout=20) as answer:
            metrics = answer.read().decode()
        self.assertRegex(metrics, r'graven_time_stamps_total\{result="kept"\} [1-9]')
        self.assertRegex(metrics, r'graven_time_stamps_total\{result="failed"\} [1-9]')
        self.assertEqual(server.stop(), 0)
        serving.run("verify", "--data", self.folder / "log/data", "--key", self.vkey)

    def test_the_scrubber_finds_what_is_changed_in_kept_time_stamps_and_what_is_cut_off(self):
        with open(self.configuration, "a") as file:
            file.write("[scrub]\ncpu_percent = 100\nbytes_per_second = 1000000000\n"
                       "round_pause_s = 1\n")
        server = self.serve()

        def scrub():
            done = serving.run("status", "--server", server.address, "--json", check=None)
            return json.loads(done.stdout)["scrub"]

        kept = self.folder / "log/data/logs/default/time-stamps"
        ends = []
        for number in range(2):
            append(server, number)
            eventually(lambda: self.is_stamped(server, number), "a stamp")
            ends.append(kept.stat().st_size)
        rounds = int(scrub().get("rounds", 0))
        eventually(lambda: int(scrub().get("rounds", 0)) > rounds + 1, "two rounds")
        self.assertEqual(scrub().get("findings", []), [])
        whole = kept.read_bytes()
        with open(kept, "r+b") as file:
            file.seek(ends[0] - 20)  # of the first token
            file.write(bytes([whole[ends[0] - 20] ^ 1]))
        eventually(lambda: scrub().get("findings"), "a finding")
        found = scrub()["findings"][0]
        self.assertEqual((found["kind"], found["log"], found["file"], int(found["offset"])),
                         ("checkpoint", "default", str(kept), 8))
        with open(kept, "r+b") as file:
            file.write(whole[:ends[0]])
            file.truncate(ends[0])  # the second is gone, the first as it was
        eventually(lambda: [one for one in scrub()["findings"] if "was cut" in one["what"]],
                   "the cut")
        self.assertEqual(server.stop(), 0)

    def test_bad_authorities_stop_nothing_and_nothing_of_theirs_is_kept(self):
        other = time_stamps.Authority(self.folder / "elsewhere")
        self.addCleanup(other.stop)
        expected = {"foreign": "certificate", "stale": "another question", "refusing": "refuses",
                    "garbage": "RFC 3161", "broken": "status 500", "redirecting": "status 307",
                    "flooding": "", "slow": ""}
        for mode, words in expected.items():
            with self.subTest(mode=mode):
                self.authority.mode = mode
                self.authority.redirect_to = other.url
                asked, logged = self.authority.requests, len(self.log_text()) if (
                    self.folder / "log/serve.log").exists() else 0
                server = self.serve()
                for number in range(5):
                    self.assertEqual(append(server, f"{mode}-{number}")["level"], "PUBLISHED")
                eventually(lambda: self.authority.requests > asked, "a question")
                if mode != "slow":
                    eventually(lambda: "no time stamp from" in self.log_text()[logged:], "a word")
                    self.assertIn(words, self.log_text()[logged:])
                self.assertFalse((self.folder / "log/data/logs/default/time-stamps").exists())
                peak = pathlib.Path(f"/proc/{server.pid}/status").read_text().split("VmHWM:")[1]
                self.assertLess(int(peak.split()[0]), 1_500_000)
                self.assertEqual(server.stop(), 0)
        self.assertEqual(other.requests, 0, "a redirect was followed")
        self.assertLess(self.authority.flooded, 100_000_000)
        # Nobody listens there at all.
        self.authority.stop()
        server = self.serve()
        self.assertEqual(append(server, "dead")["level"], "PUBLISHED")
        self.assertEqual(server.stop(), 0)

    def test_what_is_stamped_is_what_the_witnesses_have_seen(self):
        server = self.serve()
        self.assertEqual(server.stop(), 0)
        witness = witnesses.Witness(self.folder / "own", [self.vkey], "witness.example/own")
        self.addCleanup(witness.kill)
        policy = witnesses.write_policy(self.folder / "policy", {"own": witness}, "any own", self.vkey)
        server = self.serve("--policy", policy)
        self.assertEqual(append(server, 0, wait="cosigned")["level"], "COSIGNED")
        eventually(lambda: self.is_stamped(server, 0), "a stamp")
        receipt = self.get(server, 0, "--stamped")
        verdict = json.loads(serving.run("receipt", "verify", receipt, "--policy", policy, "--tsa-ca",
                                         self.authority.ca, "--json").stdout)
        self.assertEqual((verdict["verdict"], verdict["time_stamp_token"]), ("COSIGNED", "CHECKED"))
        self.assertEqual(server.stop(), 0)

    def test_wrong_configuration_is_named(self):
        for text, words in (('url = "http://127.0.0.1:9/"', "timestamps.url and timestamps.ca"),
                            ('url = "ftp://x/"\nca = "/nowhere"', "timestamps.url"),
                            (f'url = "http://127.0.0.1:9/"\nca = "{self.configuration}"',
                             "timestamps.ca")):
            self.configuration.write_text(f"[timestamps]\n{text}\n")
            done = serving.run("serve", "--data", self.folder / "none", "--listen", "127.0.0.1:0",
                               "--config", self.configuration, check=2)
            self.assertIn(words, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
