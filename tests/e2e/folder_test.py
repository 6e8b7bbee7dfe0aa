"""The data folder as an operator meets it: damage, a second server, lost keys, backups, moves."""
import json
import os
import pathlib
import shutil
import stat
import subprocess
import time
import unittest
import urllib.request

import serving

serving.stubs()
import grpc  # noqa: E402
from graven.v1 import audit_log_service_pb2 as service_pb2  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as service_rpc  # noqa: E402
from graven.v1 import event_pb2  # noqa: E402


def append(address, count, prefix="e", log="default"):
    """`count` events through the CLI, as JSON Lines."""
    lines = "".join(json.dumps({"eventId": f"{prefix}-{i}", "actor": {"id": f"user-{i % 7}"},
                                "action": "invoice.approve", "occurredAt": "2026-01-02T03:04:05Z",
                                "targets": [{"type": "invoice", "id": str(i)}]}) + "\n"
                    for i in range(count))
    return serving.run("append", "-", "--server", address, "--log", log, input=lines)


def failing_start(folder, *flags, data=None):
    """Starts a server that must not get ready; returns (exit code, what it said)."""
    done = subprocess.run([str(serving.BINARY), "serve", "--data", str(data or folder / "data"),
                           "--listen", "127.0.0.1:0", *map(str, flags)],
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("folder")
        self.data = self.folder / "data"

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def fill(self, count=500, *flags):
        with serving.Server(self.folder, *flags) as server:
            append(server.address, count)
            log = server.ready["logs"]["default"]
            self.assertEqual(server.stop(), 0)
        return log

    def wait_for_kept_checkpoint(self):
        """The first of a start is kept behind the publisher's back; from then on a copy holds against the key."""
        kept = self.data / "logs" / "default" / "checkpoints"
        end = time.monotonic() + 60
        while not (kept.exists() and kept.stat().st_size > 0):
            self.assertLess(time.monotonic(), end, "no checkpoint was kept")
            time.sleep(0.02)

    def test_one_flipped_byte_is_found_and_the_record_named(self):
        log = self.fill()
        self.assertIn("500", serving.run("verify", "--data", self.data, "--key", log["vkey"]).stdout)
        journal = sorted((self.data / "journal").iterdir())[0]
        raw = bytearray(journal.read_bytes())
        at = raw.index(b"e-321")
        raw[at + 2] ^= 0x01
        journal.write_bytes(raw)
        done = serving.run("verify", "--data", self.data, "--key", log["vkey"], "--json", check=1)
        self.assertEqual(json.loads(done.stdout)["logs"][0]["first_bad_index"], 321)
        # The server opens it for reading only, says so, and loses nothing else.
        with serving.Server(self.folder) as server:
            refused = serving.run("append", "--actor", "a", "--action", "b", "--server",
                                  server.address, check=None)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("321", server.log_path.read_text())

    def test_a_damaged_meta_file_is_a_verdict_about_its_log(self):
        with serving.Server(self.folder) as server:
            append(server.address, 20)
            serving.run("logs", "create", "other", "--server", server.address)
            append(server.address, 5, "o", "other")
            self.assertEqual(server.stop(), 0)
        meta = self.data / "logs" / "other" / "meta"
        meta.write_text(meta.read_text().replace("number: ", "number: 9"))
        done = serving.run("verify", "--data", self.data, "--json", check=1)
        verdicts = {log["log"]: log for log in json.loads(done.stdout)["logs"]}
        self.assertEqual((verdicts["default"]["verdict"], verdicts["default"]["records"]), ("OK", 20))
        self.assertEqual((verdicts["other"]["verdict"], verdicts["other"]["file"]), ("BAD", str(meta)))
        self.assertIn("other", serving.run("verify", "--data", self.data, check=1).stdout)

    def test_the_server_names_the_record_of_a_damaged_segment(self):
        segments = self.data / "logs" / "default" / "segments"
        with serving.Server(self.folder) as server:
            append(server.address, 66_000)
            end = time.monotonic() + 120
            while not list(segments.glob("0*-*[0-9a-f]")) and time.monotonic() < end:
                time.sleep(0.05)
            self.assertEqual(server.stop(), 0)
        segment = next(segments.glob("0*-*[0-9a-f]"))
        whole = segment.read_bytes()
        # Some place in the blocks: what the folder's check says, the server must say too.
        damaged = bytearray(whole)
        damaged[len(whole) // 20] ^= 0x10
        segment.write_bytes(damaged)
        done = serving.run("verify", "--data", self.data, "--json", check=1)
        bad = json.loads(done.stdout)["logs"][0]["first_bad_index"]
        with serving.Server(self.folder) as server:
            done = serving.run("verify", "--server", server.address, "--json", check=1)
            verdict = json.loads(done.stdout)
            self.assertEqual((verdict["verdict"], verdict["first_bad_index"]), ("BAD", bad), verdict)
            self.assertLessEqual(verdict["records"], bad)
            self.assertIn(f"record {bad}",
                          serving.run("verify", "--server", server.address, check=1).stdout)

    def test_a_folder_that_was_signed_again_fails_with_the_key_given(self):
        log = self.fill(50)
        shutil.rmtree(self.data)
        other = self.fill(49)  # another history, with a key of its own
        self.assertNotEqual(log["vkey"], other["vkey"])
        done = serving.run("verify", "--data", self.data)
        self.assertIn("self-consistent, key not pinned", done.stdout)
        done = serving.run("verify", "--data", self.data, "--json")
        self.assertEqual(json.loads(done.stdout)["logs"][0]["trust"], "SELF_CONSISTENT")
        serving.run("verify", "--data", self.data, "--key", log["vkey"], check=1)
        self.assertNotIn("not pinned",
                         serving.run("verify", "--data", self.data, "--key", other["vkey"],
                                     "--log", "default").stdout)

    def test_a_second_server_is_refused(self):
        with serving.Server(self.folder) as server:
            code, said = failing_start(self.folder)
            self.assertEqual(code, 3, said)
            self.assertIn(str(server.pid), said)
            other = serving.make_folder("folder-other")
            code, said = failing_start(other, "--listen", server.address)
            self.assertEqual(code, 3, said)
            self.assertIn(server.address, said)
            shutil.rmtree(other)

    def test_a_second_server_on_one_socket_path_is_refused(self):
        path = f"unix:{self.folder}/socket"
        with serving.Server(self.folder, listen=(path,)) as server:
            self.assertEqual(server.ready["grpc"], [path])
            append(path, 3)
            other = serving.make_folder("folder-other")
            code, said = failing_start(other, "--listen", path)
            self.assertEqual(code, 3, said)
            shutil.rmtree(other)
            append(path, 3, "after")  # the first one still has it
            server.kill()
        # The path that a killed server left behind is taken over.
        with serving.Server(self.folder, listen=(path,)) as server:
            append(path, 3, "again")
            self.assertEqual(server.stop(), 0)

    def test_a_newer_folder_is_refused(self):
        self.fill(1)
        version = self.data / "version"
        version.write_text(version.read_text().replace("1", "2"))
        code, said = failing_start(self.folder)
        self.assertEqual(code, 3)
        self.assertIn("newer", said)

    def test_a_missing_or_foreign_key_is_refused(self):
        self.fill(1)
        key = self.data / "keys" / "default"
        self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)
        kept = key.read_text()
        key.unlink()
        code, said = failing_start(self.folder)
        self.assertEqual(code, 3)
        self.assertIn("key", said)
        serving.run("keys", "generate", "example.org/other", "--output", self.folder / "other.key")
        key.write_text((self.folder / "other.key").read_text())
        key.chmod(0o644)
        code, said = failing_start(self.folder)
        self.assertEqual(code, 3)
        self.assertIn("has mode 0644", said)
        key.chmod(0o600)
        code, said = failing_start(self.folder)
        self.assertEqual(code, 3)
        self.assertIn("not the private key", said)
        self.assertNotIn("PRIVATE+KEY", said)
        key.write_text(kept)
        with serving.Server(self.folder) as server:
            self.assertEqual(server.stop(), 0)

    def test_a_missing_guard_beside_records_is_refused(self):
        self.fill(5)
        (self.data / "guard").unlink()
        code, said = failing_start(self.folder)
        self.assertEqual(code, 3)
        self.assertIn("guard", said)

    def test_the_guard_on_the_data_device_is_warned_about(self):
        self.fill(1)
        self.assertRegex((self.folder / "serve.log").read_text(), r"(?i)warn.*guard")

    def test_a_folder_can_be_moved_and_restored_from_a_cold_copy(self):
        log = self.fill(200)
        moved = self.folder / "moved"
        self.data.rename(moved)
        shutil.copytree(moved, self.data, copy_function=shutil.copy2)  # the restored backup
        os.chmod(self.data / "keys" / "default", 0o600)
        with serving.Server(self.folder) as server:
            self.assertEqual(server.ready["logs"]["default"], log)
            append(server.address, 10, "after")
            self.assertEqual(server.stop(), 0)
        serving.run("verify", "--data", self.data, "--key", log["vkey"])

    def test_a_copy_without_private_keys_is_verified_and_not_served(self):
        log = self.fill(200)
        copy = self.folder / "copy"
        shutil.copytree(self.data, copy)
        shutil.rmtree(copy / "keys")
        done = serving.run("verify", "--data", copy, "--key", log["vkey"])
        self.assertIn("200 records", done.stdout)
        self.assertIn("pinned: signed by the key that you gave", done.stdout)
        code, said = failing_start(self.folder, data=copy)
        self.assertEqual(code, 3, said)
        self.assertIn("keys", said)

    def test_a_preserved_copy_of_a_running_server_is_hashed_and_verifies(self):
        out = self.folder / "evidence"
        with serving.Server(self.folder) as server:
            append(server.address, 3000)
            key = server.ready["logs"]["default"]["vkey"]
            self.wait_for_kept_checkpoint()
            taken = json.loads(serving.run("preserve", out, "--data", self.data, "--json").stdout)
            append(server.address, 1, "after")
            self.assertEqual(server.stop(), 0)
        self.assertFalse((out / "data" / "keys").exists())
        # Journal files that hold nothing yet are only named.
        journal = sorted(path.name for path in (out / "data/journal").iterdir())
        self.assertTrue(journal)
        self.assertTrue(taken["unused_journal_files"])
        for name in taken["unused_journal_files"]:
            self.assertTrue(name.startswith("data/journal/"), name)
            self.assertFalse((out / name).exists())
            self.assertIn(f"left out: {name}, which held only zeros", (out / "preserved.txt").read_text())
        self.assertEqual(stat.S_IMODE((out / "data" / "guard").stat().st_mode), 0o400)
        checked = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=out, capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        digest = subprocess.run(["sha256sum", "SHA256SUMS"], cwd=out, capture_output=True, text=True).stdout
        self.assertEqual(digest.split()[0], taken["sha256sums_sha256"])
        verdict = json.loads(serving.run("verify", "--data", out / "data", "--key", key, "--json").stdout)
        self.assertEqual(verdict["logs"][0]["records"], 3000)
        serving.run("preserve", out, "--check")
        guard = out / "data" / "guard"
        guard.chmod(0o644)
        guard.write_bytes(guard.read_bytes()[:-1] + b"x")
        done = serving.run("preserve", out, "--check", "--json", check=1)
        self.assertEqual(json.loads(done.stdout)["differences"], ["data/guard: has other bytes"])
        for arguments, said in (([out, "--data", self.data], "exists"),
                                ([self.data / "inside", "--data", self.data], "lies inside"),
                                ([self.folder / "x", "--data", self.folder / "nothing"], "nothing")):
            done = serving.run("preserve", *arguments, check=None)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(said, done.stderr)
        self.assertFalse((self.data / "inside").exists())

    def test_an_export_clones_a_log_into_a_server_of_its_own(self):
        with serving.Server(self.folder / "a") as source, serving.Server(self.folder / "b") as copy:
            append(source.address, 300)
            serving.run("append", "--actor", "alice", "--action", "id.given", "--server",
                        source.address)
            export = serving.run("export", "--server", source.address).stdout
            for _ in range(2):  # the second time everything is there already
                serving.run("append", "-", "--server", copy.address, input=export)
            cloned = serving.run("export", "--server", copy.address).stdout
            original, cloned = ([json.loads(line) for line in text.splitlines()]
                                for text in (export, cloned))
            self.assertEqual(len(cloned), 301)
            self.assertEqual([line["event"] for line in cloned],
                             [line["event"] for line in original])
            self.assertNotEqual(cloned[0]["record_hash"], original[0]["record_hash"])
            self.assertNotEqual(copy.ready["logs"]["default"]["vkey"],
                                source.ready["logs"]["default"]["vkey"])
            key = copy.ready["logs"]["default"]["vkey"]
            serving.run("verify", "--server", copy.address, "--key", key)
            # And the export is what operations.md says of it, held against a checkpoint.
            (self.folder / "audit.jsonl").write_text(export)
            key = source.ready["logs"]["default"]["vkey"]
            note = self.folder / "audit.note"
            note.write_text(serving.run("checkpoint", "--server", source.address).stdout)
            done = serving.run("verify", self.folder / "audit.jsonl", "--key", key, "--checkpoint", note)
            self.assertIn("pinned: signed by the key that you gave", done.stdout)
            self.assertEqual(source.stop(), 0)
            self.assertEqual(copy.stop(), 0)

    def test_a_lost_guard_is_replaced_by_any_copy_that_knows_the_logs(self):
        log = self.fill(10)
        shutil.copy2(self.data / "guard", self.folder / "old-guard")
        self.fill_more(10)
        (self.data / "guard").unlink()
        code, _ = failing_start(self.folder)
        self.assertEqual(code, 3)
        shutil.copy2(self.folder / "old-guard", self.data / "guard")
        self.fill_more(10)
        self.assertIn("30 records",
                      serving.run("verify", "--data", self.data, "--key", log["vkey"]).stdout)

    def fill_more(self, count):
        with serving.Server(self.folder) as server:
            append(server.address, count, f"more-{server.pid}")
            self.assertEqual(server.stop(), 0)

    def test_a_rolled_back_folder_with_its_guard_elsewhere_signs_nothing(self):
        guard = self.folder / "guard"
        log = self.fill(100, "--guard", guard)
        shutil.copytree(self.data, self.folder / "backup")
        with serving.Server(self.folder, "--guard", guard) as server:
            append(server.address, 100, "later")
            self.assertEqual(server.stop(), 0)
        shutil.rmtree(self.data)
        (self.folder / "backup").rename(self.data)
        with serving.Server(self.folder, "--guard", guard) as server:
            refused = serving.run("append", "--actor", "a", "--action", "b", "--server",
                                  server.address, check=None)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("signed", server.log_path.read_text())
            self.assertNotEqual(
                serving.run("checkpoint", "--server", server.address, check=None).returncode, 0)
        self.assertTrue(log)


class DiskFull(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("full")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192m", "tmpfs", self.folder],
                                 capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("skipped: a small file system cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.folder])

    def test_appends_are_refused_before_the_reserve_is_gone_and_resume(self):
        config = pathlib.Path(self.folder) / "graven.toml"
        config.write_text("[limits]\ndisk_reserve_bytes = 16777216\njournal_file_bytes = 16777216\n"
                          "journal_files = 4\n")
        with serving.Server(self.folder, "--config", config, "--http", "127.0.0.1:0") as server:
            at = ("--server", server.address)
            append(server.address, 100)
            ballast = pathlib.Path(self.folder) / "ballast"
            with open(ballast, "wb") as file:  # until about half of the reserve is left
                while shutil.disk_usage(self.folder).free > 8 << 20:
                    file.write(b"\0" * (1 << 20))
                    file.flush()
            self.wait_for(server, "DISK_FULL")
            with urllib.request.urlopen(server.ready["http"][0] + "/metrics", timeout=30) as answer:
                self.assertIn('graven_write_state{state="disk_full"} 1\n', answer.read().decode())
            refused = serving.run("append", "--actor", "a", "--action", "b", *at, check=None)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("reserve", refused.stderr)
            self.assert_refused_with_a_time_to_wait(server.address)
            # Reading goes on.
            serving.run("receipt", "get", "42", "--output", self.folder / "r", *at)
            self.assertIn("user-0", serving.run("show", "42", *at).stdout)
            ballast.unlink()
            self.wait_for(server, "SERVING")
            append(server.address, 100, "after")
            self.assertEqual(server.stop(), 0)
        serving.run("verify", "--data", server.data)

    def assert_refused_with_a_time_to_wait(self, address):
        event = event_pb2.Event(action="a")
        event.actor.id = "b"
        event.occurred_at.seconds = 1_700_000_000
        with grpc.insecure_channel(address) as channel:
            with self.assertRaises(grpc.RpcError) as failed:
                service_rpc.AuditLogServiceStub(channel).Append(
                    service_pb2.AppendRequest(events=[event]), timeout=20)
        self.assertEqual(failed.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        details = dict(failed.exception.trailing_metadata())["grpc-status-details-bin"]
        self.assertIn(b"google.rpc.RetryInfo", details)

    def wait_for(self, server, state):
        import time
        end = time.monotonic() + 30
        while time.monotonic() < end:
            done = serving.run("status", "--json", "--server", server.address, check=None)
            if state in done.stdout:
                return
            time.sleep(0.05)
        self.fail(f"the server did not come to {state}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
