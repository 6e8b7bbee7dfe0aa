"""What a running server says about itself and finds out by itself."""
import json
import re
import shutil
import subprocess
import time
import unittest
import urllib.request

import serving

serving.stubs()
import grpc  # noqa: E402

FOLDERS = []


def make_folder(name):
    FOLDERS.append(serving.make_folder(name))
    return FOLDERS[-1]


def tearDownModule():
    # A data folder is the better part of a GiB, of zeros; what a server said stays.
    for folder in FOLDERS:
        shutil.rmtree(folder / "data", ignore_errors=True)


def append(address, count, prefix="e", log="default"):
    """`count` events through the CLI, as JSON Lines."""
    lines = "".join(json.dumps({"eventId": f"{prefix}-{i}", "actor": {"id": f"user-{i % 7}"},
                                "action": "invoice.approve", "occurredAt": "2026-01-02T03:04:05Z",
                                "targets": [{"type": "invoice", "id": str(i)}]}) + "\n"
                    for i in range(count))
    return serving.run("append", "-", "--server", address, "--log", log, input=lines)


def certificate(folder):
    """One that nobody will ask for anything, in a file."""
    path = folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", folder / "unused.key",
                    "-out", path, "-subj", "/CN=nobody"], check=True, capture_output=True)
    return path


def wait_for(condition, seconds=60):
    """The first true value of `condition()`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (value := condition()):
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def health(address, service):
    """The number of grpc.health.v1's ServingStatus."""
    with grpc.insecure_channel(address) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", lambda name: name,
                                    lambda reply: reply)
        name = service.encode()
        reply = check(bytes([0x0a, len(name)]) + name if name else b"", timeout=30)
        return reply[1]


class SlowAppends(unittest.TestCase):
    @unittest.skipUnless(shutil.which("strace"), "skipped: strace is not installed")
    def test_slow_sync_is_named_as_the_stage(self):
        folder = make_folder("slow-append")
        # Each sync takes 0.3 s longer.
        prefix = ("strace", "-f", "-o", str(folder / "trace"), "-e", "trace=fdatasync", "-e",
                  "inject=fdatasync:delay_exit=300000")
        with serving.Server(folder, "--slow-append-ms", "250", prefix=prefix, ready_s=120) as server:
            append(server.address, 1)
            text = wait_for(lambda: re.search(r"slow append: (log default.*)",
                                               server.log_path.read_text()))
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
        with serving.Server(make_folder("quick")) as server:
            append(server.address, 5)
            self.assertEqual(server.stop(), 0)
            self.assertNotIn("slow append", server.log_path.read_text())


class Scrubber(unittest.TestCase):
    """Damage is done to the files of a running server, which goes on; the scrubber names it."""

    @classmethod
    def setUpClass(cls):
        # A folder with one sealed segment, copied for each test.
        cls.source = make_folder("scrub-source")
        with serving.Server(cls.source) as server:
            append(server.address, 66_000)
            wait_for(lambda: (server.data / "logs/default/segments" / cls.segment()).exists())
            assert server.stop() == 0
        cls.configuration = cls.source / "graven.toml"
        cls.configuration.write_text("[scrub]\ncpu_percent = 100\nbytes_per_second = 1000000000\n"
                                     "round_pause_s = 1\n")

    @staticmethod
    def segment():
        return f"{0:020}-{65536:020}"

    def setUp(self):
        folder = make_folder("scrub")
        self.addCleanup(shutil.rmtree, folder / "data", ignore_errors=True)  # another GiB each
        shutil.copytree(self.source / "data", folder / "data")
        self.server = serving.Server(folder, "--config", self.configuration, "--http", "127.0.0.1:0")
        self.addCleanup(self.close)
        self.path = next((self.server.data / "logs/default/segments").iterdir())
        self.wait_round()

    def close(self):
        self.server.__exit__()
        self.server.log.close()

    def status(self, check=None):
        return json.loads(serving.run("status", "--server", self.server.address, "--json",
                                      check=check).stdout)

    def wait_round(self):
        rounds = int(self.status()["scrub"].get("rounds", 0))
        wait_for(lambda: int(self.status()["scrub"].get("rounds", 0)) > rounds)

    def finding(self):
        return wait_for(lambda: self.status()["scrub"].get("findings"))[0]

    def test_sound_folder_is_read_again_and_again_and_kept_place_survives(self):
        self.wait_round()
        state = self.status(check=0)["scrub"]
        self.assertGreaterEqual(int(state["records"]), 66_000)
        self.assertEqual(int(state.get("findings_count", 0)), 0)
        self.assertIn("scrubber", serving.run("status", "--server", self.server.address).stdout)
        rounds = int(state["rounds"])
        self.assertEqual(self.server.stop(), 0)
        with serving.Server(self.server.folder, "--config", self.configuration) as again:
            status = json.loads(serving.run("status", "--server", again.address, "--json").stdout)
            self.assertGreaterEqual(int(status["scrub"]["rounds"]), rounds)

    def test_flipped_byte_of_a_sealed_segment_is_found_and_named(self):
        size = self.path.stat().st_size
        with open(self.path, "r+b") as file:
            file.seek(size // 3)
            byte = file.read(1)[0]
            file.seek(size // 3)
            file.write(bytes([byte ^ 0x10]))
        finding = self.finding()
        self.assertEqual(finding["kind"], "record")
        self.assertEqual(finding["log"], "default")
        self.assertEqual(finding["file"], str(self.path))
        self.assertLess(int(finding["first_bad_index"]), 65536, finding)
        self.assertLessEqual(int(finding["offset"]), size // 3)
        with urllib.request.urlopen(self.server.ready["http"][0] + "/status", timeout=30) as reply:
            by_http = json.load(reply)["scrub"]
        self.assertEqual(by_http["findings"][0]["firstBadIndex"], str(finding["first_bad_index"]))
        self.assertEqual([by_http["findings"][0][name] for name in ("kind", "log", "file", "what")],
                         [finding[name] for name in ("kind", "log", "file", "what")])
        text = serving.run("status", "--server", self.server.address, check=1).stdout
        self.assertIn(f"first bad record {finding['first_bad_index']}", text)
        log = self.server.log_path.read_text()
        self.assertIn(f"scrubber: log default: first bad record {finding['first_bad_index']}", log)
        found = wait_for(lambda: [labels for name, labels in SystemLog.events(self, self.server.address)
                                  if name == "scrub.finding"])[0]
        self.assertEqual(found["first_bad_index"], str(finding["first_bad_index"]))
        self.assertEqual(found["file"], str(self.path))
        # It goes on taking events.
        append(self.server.address, 3, prefix="after")
        # The health service says it under a name of its own; the server itself is well.
        self.assertEqual(health(self.server.address, "graven.v1.Integrity"), 2)
        self.assertEqual(health(self.server.address, ""), 1)

    def test_removed_segment_is_found_although_the_server_has_it_open(self):
        serving.run("show", "5", "--server", self.server.address)
        self.path.unlink()
        finding = self.finding()
        self.assertEqual((finding["kind"], finding["file"]), ("file", str(self.path)))
        self.assertIn("gone", finding["what"])

    def test_segment_replaced_by_an_equal_copy_is_found(self):
        copy = self.path.with_name("copy")
        shutil.copy(self.path, copy)
        copy.rename(self.path)
        finding = self.finding()
        self.assertEqual((finding["kind"], finding["file"]), ("file", str(self.path)))
        self.assertIn("another file", finding["what"])

    def test_kept_checkpoints_cut_between_two_of_them_are_found(self):
        kept = self.server.data / "logs/default/checkpoints"
        self.assertGreater(kept.stat().st_size, 8)
        with open(kept, "r+b") as file:
            file.truncate(8)  # as if none had been kept yet: sound in itself
        finding = self.finding()
        self.assertEqual((finding["kind"], finding["file"]), ("file", str(kept)))
        self.assertIn("was cut", finding["what"])

    def test_second_name_of_a_segment_is_found(self):
        (self.path.parent.parent / "second").hardlink_to(self.path)
        self.assertIn("2 names", self.finding()["what"])


class Completeness(unittest.TestCase):
    """Sequences of producers: told apart from integrity, by folder, export and server alike."""

    def test_gap_repeat_and_missing_tail_are_told_and_are_no_damage(self):
        folder = make_folder("completeness")
        lines = ""
        for number, (sequence, kind) in enumerate([(1, 1), (2, 0), (5, 0), (5, 0), (6, 2)]):
            lines += json.dumps({"eventId": f"c-{number}", "actor": {"id": "a"}, "action": "b",
                                 "occurredAt": "2026-01-02T03:04:05Z",
                                 "producer": {"id": "till-7", "epoch": "1", "sequence": str(sequence),
                                              "kind": kind}}) + "\n"
        lines += json.dumps({"eventId": "next", "actor": {"id": "a"}, "action": "b",
                             "occurredAt": "2026-01-02T03:04:05Z",
                             "producer": {"id": "till-7", "epoch": "2", "sequence": "1", "kind": 1}})
        export = folder / "export"
        with serving.Server(folder) as server:
            serving.run("append", "-", "--server", server.address, input=lines + "\n")
            append(server.address, 3)
            served = json.loads(serving.run("verify", "--server", server.address, "--json").stdout)
            exported = serving.run("export", "--server", server.address, text=False)
            export.write_bytes(exported.stdout)
            self.assertEqual(server.stop(), 0)
        of_export = json.loads(serving.run("verify", export, "--json").stdout)
        of_folder = json.loads(serving.run("verify", "--data", server.data, "--json").stdout)
        of_folder = next(log for log in of_folder["logs"] if log["log"] == "default")
        for verdict in (served, of_export, of_folder):
            self.assertEqual(verdict["verdict"], "OK")
            found = verdict["completeness"]
            self.assertEqual(found["events"], 6)
            self.assertEqual([(f["kind"], f["first_sequence"], f["last_sequence"], f["index"])
                              for f in found["findings"]],
                             [("gap", 3, 4, 2), ("repeat", 5, 5, 3), ("missing_tail", 6, 6, 4)])
        text = serving.run("verify", "--data", server.data, "--require-complete", check=1).stdout
        self.assertIn("OK   default", text)
        self.assertIn("gap: producer till-7 of anonymous, epoch 1, numbers 3 to 4, at record 2", text)


class SystemLog(unittest.TestCase):
    """The server's own log: it writes, everybody may read, nobody else may write."""

    def events(self, address):
        """(action, labels) of each record of _system."""
        done = serving.run("export", "--server", address, "--log", "_system", "--format", "jsonl")
        found = []
        for line in done.stdout.splitlines():
            event = json.loads(line)["event"]
            self.assertEqual(json.loads(line)["written_by"], "graven")
            found.append((event["action"],
                          {label["key"]: label.get("value", "") for label in event.get("labels", [])}))
        return found

    def wait_event(self, address, action):
        return wait_for(lambda: [labels for name, labels in self.events(address) if name == action])[-1]

    def test_start_stop_kill_and_configuration_are_kept_across_restarts(self):
        folder = make_folder("own-log")
        with serving.Server(folder) as server:
            started = self.wait_event(server.address, "server.start")
            self.assertEqual(started["pid"], str(server.pid))
            keys = self.wait_event(server.address, "key.load")
            self.assertEqual(keys["log:default"], server.ready["logs"]["default"]["vkey"])
            self.assertIn("log:_system", keys)
            self.assertNotIn("_system", server.ready["logs"])
            self.assertNotIn("server.recovery", [name for name, _ in self.events(server.address)])
            serving.run("logs", "create", "later", "--server", server.address)
            self.assertEqual(self.wait_event(server.address, "log.create")["log"], "later")
            self.assertEqual(server.stop(), 0)
        with serving.Server(folder) as server:
            append(server.address, 10)
            wait_for(lambda: [name for name, _ in self.events(server.address)].count("server.start")
                     == 2)
            names = [name for name, _ in self.events(server.address)]
            second = len(names) - 1 - names[::-1].index("server.start")
            self.assertEqual(names[second - 2:second], ["key.unload", "server.stop"])
            stopped = self.wait_event(server.address, "server.stop")
            self.assertGreater(int(stopped["checkpoints_signed_since_start"]), 0)
            server.kill()
        with serving.Server(folder) as server:
            report = self.wait_event(server.address, "server.recovery")["report"]
            self.assertIn("not clean", report)
            self.assertEqual(server.stop(), 0)
        verdict = json.loads(serving.run("verify", "--data", server.data, "--json").stdout)
        self.assertEqual([log["log"] for log in verdict["logs"]], ["default", "later", "_system"])

    def test_the_key_of_statements_is_among_those_loaded_and_unloaded(self):
        folder = make_folder("own-log-keys")
        with serving.Server(folder, "--http", "127.0.0.1:0") as server:
            append(server.address, 1)
            url = server.ready["http"][0].rstrip("/") + "/logs/default/statement?q="
            with urllib.request.urlopen(url, timeout=30) as reply:
                key = reply.headers["Graven-Answer-Key"]
            self.assertEqual(self.wait_event(server.address, "key.load")["search.answers"], key)
            self.assertEqual(server.stop(), 0)
        with serving.Server(folder) as server:
            self.assertEqual(self.wait_event(server.address, "key.unload")["search.answers"], key)
            self.assertEqual(server.stop(), 0)

    @unittest.skipUnless(shutil.which("strace"), "skipped: strace is not installed")
    def test_a_file_of_the_index_that_is_done_during_the_stop_is_told_of(self):
        folder = make_folder("own-log-late-index")
        name = f"{0:020}-{65536:020}"
        index = folder / "data/logs/default/index"
        # It gets its name three seconds late: the stop comes meanwhile.
        names = "rename,renameat,renameat2"
        prefix = ("strace", "-f", "-o", str(folder / "trace"), "-P", str(index / f"{name}.new"), "-e",
                  f"trace={names}", "-e", f"inject={names}:delay_enter=3000000")
        with serving.Server(folder, prefix=prefix, ready_s=120) as server:
            append(server.address, 66_000)
            wait_for(lambda: "rename" in (folder / "trace").read_text())
            self.assertFalse((index / name).exists(), "it was done before the stop")
            self.assertEqual(server.stop(), 0)
        self.assertIn("DELAYED", (folder / "trace").read_text())
        self.assertTrue((index / name).exists())
        with serving.Server(folder) as server:
            told = [labels for action, labels in self.events(server.address) if action == "index.file"]
            self.assertEqual([(one["log"], one["first"], one["end"]) for one in told],
                             [("default", "0", "65536")])
            self.assertEqual(server.stop(), 0)

    def test_configuration_hash_changes_with_the_configuration_only(self):
        folder = make_folder("own-log-configuration")
        hashes = []
        stamps = folder / "stamps.toml"
        stamps.write_text('[timestamps]\nurl = "http://127.0.0.1:9/"\n'
                          f'ca = "{certificate(folder)}"\n')
        policy = folder / "policy"
        policy.write_text("quorum none\n")
        plain = ["--policy", policy]
        for flags in (plain, plain, [*plain, "--slow-append-ms", "77"], [*plain, "--config", stamps], plain):
            if len(hashes) == 4:  # the same path, another text
                policy.write_text("# nobody\nquorum none\n")
            with serving.Server(folder, *flags) as server:
                wait_for(lambda: len([1 for name, _ in self.events(server.address)
                                      if name == "server.start"]) > len(hashes))
                starts = [labels for name, labels in self.events(server.address)
                          if name == "server.start"]
                hashes.append(starts[-1]["configuration_sha256"])
                self.assertEqual(server.stop(), 0)
        self.assertEqual(hashes[0], hashes[1])
        self.assertEqual(len(set(hashes[1:])), 4, hashes)

    def test_nobody_else_may_write_it(self):
        with serving.Server(make_folder("own-log-denied")) as server:
            event = json.dumps({"eventId": "x", "actor": {"id": "a"}, "action": "forged",
                                "occurredAt": "2026-01-02T03:04:05Z"}) + "\n"
            done = serving.run("append", "-", "--server", server.address, "--log", "_system",
                               input=event, check=None)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("written by the server alone", done.stderr + done.stdout)
            self.assertNotIn("forged", [name for name, _ in self.events(server.address)])
            self.assertIn("_system", serving.run("logs", "list", "--server", server.address).stdout)
            self.assertEqual(server.stop(), 0)

    def test_signatures_are_told_of_and_do_not_feed_on_themselves(self):
        folder = make_folder("own-log-counters")
        configuration = folder / "graven.toml"
        configuration.write_text("[system_log]\ncounters_every_s = 1\n")
        with serving.Server(folder, "--config", configuration) as server:
            append(server.address, 3)
            told = self.wait_event(server.address, "signatures.count")
            self.assertGreaterEqual(int(told["checkpoints_signed_since_start"]), 1)
            self.assertEqual(told["records_published"], "3")
            count = len(self.events(server.address))
            time.sleep(4)  # nobody writes: four more chances to feed on itself
            self.assertEqual(len(self.events(server.address)), count)
            self.assertEqual(server.stop(), 0)


class TraceContext(unittest.TestCase):
    TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    def test_traceparent_of_the_call_stands_beside_an_event_that_names_none(self):
        from graven.v1 import audit_log_service_pb2 as service_pb2
        from graven.v1 import audit_log_service_pb2_grpc as service_rpc
        from graven.v1 import event_pb2
        with serving.Server(make_folder("trace")) as server:
            with grpc.insecure_channel(server.address) as channel:
                stub = service_rpc.AuditLogServiceStub(channel)

                def record_of(name, metadata, **fields):
                    event = event_pb2.Event(event_id=name, action="a", **fields)
                    event.actor.id = "b"
                    event.occurred_at.GetCurrentTime()
                    stub.Append(service_pb2.AppendRequest(events=[event]), metadata=metadata,
                                timeout=30)
                    return stub.GetRecord(service_pb2.GetRecordRequest(event_id=name, want_parsed=True),
                                          timeout=30).record.parsed
                with_trace = [("traceparent", self.TRACE)]
                self.assertEqual(record_of("t1", with_trace).traceparent, self.TRACE)
                own = record_of("t2", with_trace, trace_id="4bf92f3577b34da6a3ce929d0e0e4736")
                self.assertEqual(own.traceparent, "")
                self.assertEqual(record_of("t3", []).traceparent, "")
                # What is none is no reason to refuse an audit event.
                self.assertEqual(record_of("t4", [("traceparent", "00-zz-1-01")]).traceparent, "")
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
