"""Witnesses, through the binary: cosigned checkpoints and receipts, misbehaving witnesses, a folder
that was rolled back, and kill -9 of both sides in any order."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import time
import unittest

import serving
import witnesses

ROUNDS = int(os.environ.get("GRAVEN_KILL_ROUNDS", "10"))


def append(server, number, wait="cosigned", check=0):
    done = serving.run("append", "--actor", "alice", "--action", "invoice.approve", "--id",
                       f"event-{number}", "--wait", wait, "--server", server.address, "--json",
                       check=check)
    return json.loads(done.stdout) if done.stdout.strip() else {}


def checkpoint(server, *flags, check=0):
    return serving.run("checkpoint", "--server", server.address, *flags, check=check).stdout


def size_of(note):
    return int(note.split("\n")[1])


def eventually(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("not within time: " + what)
        time.sleep(0.05)


class WitnessTest(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("witness")
        self.data = self.folder / "log" / "data"
        self.running = []
        # The log's key is needed by the witness, the witness's by the log.
        with serving.Server(self.folder / "log") as server:
            log = server.ready["logs"]["default"]
            self.origin, self.vkey = log["origin"], log["vkey"]
            self.assertEqual(server.stop(), 0)

    def tearDown(self):
        for one in self.running:
            one.kill() if isinstance(one, witnesses.Witness) else one.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, witness):
        self.running.append(witness)
        return witness

    def own(self, name="own"):
        return self.start(witnesses.Witness(self.folder / name, [self.vkey],
                                            f"witness.example/{name}"))

    def policy(self, members, quorum, name="policy"):
        return witnesses.write_policy(self.folder / name, members, quorum, self.vkey)

    def serve(self, policy):
        return serving.Server(self.folder / "log", "--policy", policy)

    def log_text(self):
        return (self.folder / "log" / "serve.log").read_text()

    def test_what_is_served_carries_the_quorum_and_so_does_a_receipt(self):
        witness, second = self.own(), self.own("second")
        policy = self.policy({"own": witness, "second": second}, "all own second")
        with self.serve(policy) as server:
            self.assertEqual(append(server, 1)["level"], "COSIGNED")
            note = checkpoint(server, "--key", self.vkey)
            self.assertIn("witness.example/own", note)
            # Nobody told them of the server's own log: that is no failure of theirs.
            status = json.loads(serving.run("status", "--server", server.address, "--json").stdout)
            self.assertEqual([(one["name"], one["logs_cosigned"], one["logs_failing"], one["problem"])
                              for one in status["witnesses"]], [("own", 1, 0, ""), ("second", 1, 0, "")])
            self.assertIn("own: cosigns 1 logs", serving.run("status", "--server", server.address).stdout)
            self.assertIn("witness.example/second", note)
            self.assertEqual(checkpoint(server, "--level", "cosigned"), note)
            self.assertNotIn("witness.example", checkpoint(server, "--level", "published"))
            receipt = self.folder / "0.receipt"
            serving.run("receipt", "get", 0, "--server", server.address, "--output", receipt)
            # Both are away: what is served stays, and an append is not held up.
            witness.kill()
            second.kill()
            self.assertEqual(append(server, 2, wait="published")["level"], "PUBLISHED")
            self.assertEqual(append(server, 3)["level"], "PUBLISHED", "the wait has its end")
            self.assertEqual(size_of(checkpoint(server)), 1)
            self.assertEqual(size_of(checkpoint(server, "--level", "published")), 3)
            server.kill()
        with self.serve(policy) as server:
            self.assertEqual(size_of(checkpoint(server)), 1, "cosigned before the crash")
            witness.start()
            second.start()
            eventually(lambda: size_of(checkpoint(server)) == 3, "cosigned again")
            self.assertEqual(server.stop(), 0)
        verdict = json.loads(serving.run("receipt", "verify", receipt, "--policy", policy,
                                         "--json").stdout)
        self.assertEqual((verdict["verdict"], verdict["cosigned"]), ("COSIGNED", "COSIGNED"))
        self.assertEqual({one["name"] for one in verdict["cosigners"]},
                         {"witness.example/own", "witness.example/second"})
        # Who wants a witness that did not see it is told so.
        other = self.policy({"other": witnesses.FakeWitness("lying")}, "any other", "other-policy")
        verdict = json.loads(serving.run("receipt", "verify", receipt, "--policy", other, "--json",
                                         check=1).stdout)
        self.assertEqual((verdict["verdict"], verdict["cosigned"]), ("PUBLISHED", "NOT_COSIGNED"))
        self.assertIn("NOT COSIGNED",
                      serving.run("receipt", "verify", receipt, "--policy", other, check=1).stdout)
        forged = receipt.read_text().replace("index 0\n", "index 1\n")
        (self.folder / "forged").write_text(forged)
        serving.run("receipt", "verify", self.folder / "forged", "--policy", policy, check=1)
        self.assertEqual(
            serving.run("keys", "show", "--data", self.folder / "own" / "data").stdout.strip(),
            witness.vkey)

    def test_nothing_is_served_before_the_quorum_was_met_once(self):
        fake = self.start(witnesses.FakeWitness("false"))
        with self.serve(self.policy({"fake": fake}, "any fake")) as server:
            self.assertEqual(append(server, 1)["level"], "PUBLISHED")
            self.assertIn("quorum", serving.run("checkpoint", "--server", server.address,
                                                check=1).stderr)
            self.assertEqual(size_of(checkpoint(server, "--level", "published")), 1)
        self.assertIn("without a valid signature", self.log_text())

    def test_litewitness_cosigns_live(self):
        if missing := witnesses.Litewitness.missing():
            self.skipTest(missing)
        lite = self.start(witnesses.Litewitness(self.folder / "lite", self.origin, self.vkey))
        policy = self.policy({"lite": lite}, "any lite")
        with self.serve(policy) as server:
            for number in range(3):
                self.assertEqual(append(server, number)["level"], "COSIGNED", self.log_text())
            self.assertIn("witness.example/w1", checkpoint(server))
            receipt = self.folder / "2.receipt"
            serving.run("receipt", "get", 2, "--server", server.address, "--output", receipt)
            self.assertEqual(server.stop(), 0)
        serving.run("receipt", "verify", receipt, "--policy", policy)

    def test_torchwood_accepts_the_receipt_and_refuses_a_changed_one(self):
        if not shutil.which("go"):
            self.skipTest("go is not installed")
        source = serving.ROOT / "tests" / "torchwood"
        checker = self.folder / "check"
        done = subprocess.run(["go", "build", "-o", str(checker), "."], cwd=source,
                              capture_output=True, text=True, timeout=300)
        if done.returncode != 0 and "dial tcp" in done.stderr:
            self.skipTest("the Go modules cannot be fetched")
        self.assertEqual(done.returncode, 0, done.stderr)
        witness = self.own()
        policy = self.policy({"own": witness}, "any own")
        with self.serve(policy) as server:
            for number in range(5):
                append(server, number)
            receipt = self.folder / "3.receipt"
            serving.run("receipt", "get", 3, "--server", server.address, "--output", receipt)
        record_hash = json.loads(serving.run("receipt", "verify", receipt, "--policy", policy,
                                             "--json").stdout)["record_hash"]

        def check(path, policy_path=policy):
            return subprocess.run([str(checker), str(policy_path), record_hash, str(path)],
                                  capture_output=True, text=True, timeout=60)
        self.assertEqual(check(receipt).returncode, 0, check(receipt).stderr)
        changed = self.folder / "changed"
        changed.write_text(receipt.read_text().replace("index 3\n", "index 2\n"))
        self.assertEqual(check(changed).returncode, 1)
        other = self.policy({"other": self.own("other")}, "any other", "other-policy")
        self.assertEqual(check(receipt, other).returncode, 1)

    def test_bad_witnesses_stop_nothing(self):
        good = self.own()
        bad = {mode: self.start(witnesses.FakeWitness(mode))
               for mode in ("lying", "flooding", "slow", "false")}
        dead = witnesses.FakeWitness("dead")
        dead.stop()
        policy = self.policy({"own": good, **bad, "dead": dead}, "any own")
        with self.serve(policy) as server:
            for number in range(20):
                self.assertEqual(append(server, number)["level"], "COSIGNED")
            status = json.loads(serving.run("status", "--server", server.address, "--json").stdout)
            self.assertEqual(status["state"], "SERVER_STATE_SERVING", status)
            for mode, witness in bad.items():
                self.assertGreater(witness.requests, 0, mode)
            self.assertLess(bad["lying"].requests, 5, "it was not set aside")
            memory = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            peak_kib = int(memory.split("VmHWM:")[1].split()[0])
            self.assertLess(peak_kib, 1_500_000)
            self.assertEqual(server.stop(), 0)
        said = self.log_text()
        self.assertIn("987654321", said)
        self.assertIn("without a valid signature", said)
        self.assertNotIn("ROLLBACK", said)

    def test_folder_that_was_rolled_back_signs_nothing_more(self):
        witness = self.own()
        policy = self.policy({"own": witness}, "any own")
        with self.serve(policy) as server:
            append(server, 1)
            self.assertEqual(server.stop(), 0)
        shutil.copytree(self.data, self.folder / "copy")
        with self.serve(policy) as server:
            append(server, 2)
            self.assertEqual(server.stop(), 0)
        # Data and guard together: nothing in the folder knows better.
        shutil.rmtree(self.data)
        shutil.copytree(self.folder / "copy", self.data)
        with self.serve(policy) as server:
            self.assertIn("ROLLBACK", self.log_text())
            self.assertIn("of 2 records, and only 1 were signed", self.log_text())
            append(server, 3, wait="durable", check=1)
            status = json.loads(serving.run("status", "--server", server.address, "--json",
                                            check=None).stdout)
            self.assertEqual(status["state"], "SERVER_STATE_WRITES_STOPPED", status)
            self.assertEqual(size_of(checkpoint(server, "--level", "published")), 1)
        self.assertEqual(size_of(witness.shown(self.origin)), 2)

    def monitor(self, *flags):
        return ["monitor", "--key", str(self.vkey_file), "--data", str(self.folder / "seen"), "--json",
                *map(str, flags)]

    def watch(self, server):
        """A monitor that follows, as a process of its own."""
        log = open(self.folder / "monitor.log", "ab")
        process = subprocess.Popen([str(serving.BINARY), *self.monitor(
            "--server", server.address, "--every", "0.02")], stdout=log, stderr=log)
        log.close()
        self.addCleanup(lambda: (process.kill(), process.wait(timeout=60)))
        return process

    def test_kill_of_log_witness_and_monitor_in_any_order_makes_no_second_history(self):
        self.vkey_file = self.folder / "log.vkey"
        self.vkey_file.write_text(self.vkey + "\n")
        seed = random.randrange(1 << 32)
        dice = random.Random(seed)
        witness = self.own()
        policy = self.policy({"own": witness}, "any own")
        served = []
        number = 0
        kills = {"log": 0, "witness": 0, "monitor": 0}
        for _ in range(ROUNDS):
            with self.serve(policy) as server:
                monitor = self.watch(server)
                for _ in range(dice.randrange(1, 4)):
                    append(server, number, wait=dice.choice(["durable", "published", "cosigned"]))
                    number += 1
                victims = dice.sample(["log", "witness", "monitor"], dice.randrange(1, 4))
                for victim in victims:
                    time.sleep(dice.random() * 0.05)
                    kills[victim] += 1
                    if victim == "log":
                        server.kill()
                    elif victim == "monitor":
                        monitor.kill()
                        monitor.wait(timeout=60)
                        if "log" not in victims:
                            monitor = self.watch(server)
                    else:
                        witness.kill()
                        witness.start()
                if "log" not in victims:
                    append(server, number)
                    number += 1
                    served.append(checkpoint(server))
                    server.kill()
                # Its memory is one process's at a time; the next round's goes on from there.
                monitor.kill()
                monitor.wait(timeout=60)
        with self.subTest(seed=seed):
            with self.serve(policy) as server:
                self.assertEqual(append(server, number)["level"], "COSIGNED", self.log_text()[-2000:])
                served.append(checkpoint(server))
                self.assertEqual(size_of(served[-1]), number + 1)
                seen = json.loads(serving.run(*self.monitor("--server", server.address, "--once"))
                                  .stdout.splitlines()[-1])
                self.assertEqual((seen["status"], seen["size"], seen["findings"]),
                                 ("OK", number + 1, 0))
                self.assertEqual(server.stop(), 0)
            self.assertEqual(sorted(served, key=size_of), served, "it went back")
            self.assertGreaterEqual(sum(kills.values()), ROUNDS)
            self.assertNotIn('"finding"', (self.folder / "monitor.log").read_text())
            self.assertNotIn("ROLLBACK", self.log_text())
            # Every kept checkpoint, the cosigned ones among them, is of the one tree.
            serving.run("verify", "--data", self.data, "--key", self.vkey)


if __name__ == "__main__":
    unittest.main()
