"""The command line from the outside: each command in both forms, its exit code, and what it shows of
strangers' text. Also runs the README's own commands."""
import base64
import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
import unittest

import serving

EVIL = "\x1b]0;owned\x07\u202etxt.exe"


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = serving.make_folder("cli")
        cls.server = serving.Server(cls.folder)
        cls.key = cls.server.ready["logs"]["default"]["vkey"]
        for i in range(20):
            cls.graven_of("append", "--actor", f"user-{i}", "--action", "invoice.approve",
                          "--target", f"invoice:{i}", "--outcome", "success", "--id", f"e-{i}")
        cls.graven_of("append", "--actor", EVIL, "--action", "say", "--target", EVIL, "--reason", EVIL,
                      "--id", "evil")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    @classmethod
    def graven_of(cls, *arguments, **options):
        env = {**os.environ, "GRAVEN_SERVER": cls.server.address, "LANG": "C.UTF-8",
               **options.pop("env", {})}
        return serving.run(*arguments, env=env, **options)

    def graven(self, *arguments, **options):
        return self.graven_of(*arguments, **options)

    def json(self, *arguments, **options):
        return json.loads(self.graven(*arguments, "--json", **options).stdout)

    def wait_for_publication(self):
        log = {"published_size": -1, "durable_size": 0}
        for _ in range(500):
            log = self.json("logs", "show")
            if log["published_size"] == log["durable_size"]:
                return log["published_size"]
            time.sleep(0.01)
        self.fail(f"not published: {log}")

    def test_append_says_where_and_a_second_time_that_it_was_there(self):
        first = self.json("append", "--actor", "a", "--action", "b", "--id", "twice", "--at",
                          "2026-11-25T12:00:00Z")
        again = self.json("append", "--actor", "a", "--action", "b", "--id", "twice", "--at",
                          "2026-11-25T12:00:00Z")
        self.assertEqual((first["duplicate"], again["duplicate"]), (False, True))
        self.assertEqual((first["index"], first["record_hash"]), (again["index"], again["record_hash"]))
        other = self.graven("append", "--actor", "a", "--action", "c", "--id", "twice", "--json", check=1)
        self.assertEqual(json.loads(other.stderr)["error"]["code"], "ALREADY_EXISTS")

    def test_a_bad_event_is_refused_with_its_violations(self):
        refused = self.graven("append", "--actor", "x" * 300, "--action", "b", "--json", check=1)
        error = json.loads(refused.stderr)["error"]
        self.assertEqual(error["violations"][0]["field"], "events[0].actor.id")

    def test_a_false_precondition_is_refused(self):
        self.graven("append", "--actor", "a", "--action", "b", "--expect-last", "0" * 64, check=1)

    def test_strangers_text_is_harmless_to_people_and_exact_for_machines(self):
        self.wait_for_publication()
        for arguments in (("tail", "--from", "0"), ("show", "--id", "evil")):
            shown = self.graven(*arguments).stdout
            self.assertNotIn("\x1b", shown)
            self.assertNotIn("\u202e", shown)
            self.assertIn("\\x1b]0;owned", shown)
        self.assertEqual(self.json("show", "--id", "evil")["event"]["actor"]["id"], EVIL)

    def test_an_index_that_is_not_there_yet_is_one_answer_of_every_command(self):
        size = self.wait_for_publication()
        for arguments in (("tail", "--from", str(size + 5)), ("export", "--from", str(size + 5)),
                          ("export", "--to", str(size + 5))):
            refused = self.graven(*arguments, "--json", check=1)
            error = json.loads(refused.stderr)["error"]
            self.assertEqual(error["code"], "NOT_FOUND")
            self.assertIn(f"index {size + 5} is beyond the log's size {size}", error["message"])
        self.graven("export", "--from", "7", "--to", "3", check=2)

    def test_a_time_zone_that_is_none_is_a_mistake_on_the_command_line(self):
        done = self.graven("import", "--format", "dpkg", "--time-zone", "Nope", "/dev/null", check=2)
        self.assertIn("--time-zone", done.stderr)
        self.assertIn("Nope", done.stderr)

    def test_a_bad_line_is_named_once_and_escaped_once(self):
        path = self.folder / "bad.jsonl"
        path.write_text('{"actor": {"id": "a"}, "action": "b", "occurred_at": "\\u001b[31m"}\n')
        for arguments in (("append", path), ("import", "--format", "jsonl", path)):
            said = self.graven(*arguments, check=1).stderr
            self.assertEqual(said.count("line 1"), 1, said)
            self.assertNotIn("\x1b", said)
            self.assertNotIn("\\\\x1b", said)
            exact = self.graven(*arguments, "--json", check=1).stderr.splitlines()
            self.assertEqual(len(exact), 1, exact)
            self.assertNotIn("\\x1b", json.loads(exact[0])["error"]["message"])
        counted = self.graven("import", "--format", "jsonl", "--bad-input", "count", path, "--json",
                              check=1)
        notices = [json.loads(line)["notice"] for line in counted.stderr.splitlines()]
        self.assertEqual(len(notices), 1)
        self.assertTrue(notices[0].startswith("refused: "), notices)

    def test_tail_ends_at_the_end_or_follows(self):
        size = self.wait_for_publication()
        lines = self.graven("tail", "--from", "0", "--json").stdout.splitlines()
        self.assertGreaterEqual(len(lines), size)
        self.assertEqual([json.loads(line)["index"] for line in lines], list(range(len(lines))))
        self.assertEqual(len(self.graven("tail", "-n", "3").stdout.splitlines()), 3)
        follower = {}

        def follow():
            follower["out"] = self.graven("tail", "--now", "--follow", "--limit", "1", "--json").stdout

        thread = threading.Thread(target=follow)
        thread.start()
        appended = 0
        while thread.is_alive() and appended < 200:
            self.graven("append", "--actor", "late", "--action", "come")
            appended += 1
            thread.join(timeout=0.1)
        thread.join(timeout=30)
        self.assertEqual(json.loads(follower["out"])["event"]["actor"]["id"], "late")

    def test_exports_verify_and_a_changed_byte_is_named(self):
        self.wait_for_publication()
        raw, lines = self.folder / "all.records", self.folder / "all.jsonl"
        note = self.folder / "checkpoint.note"
        note.write_text(self.graven("checkpoint", "--key", self.key).stdout)
        self.graven("export", "--format", "records", "--output", raw)
        self.graven("export", "--output", lines)
        for path in (raw, lines):
            pinned = self.json("verify", path, "--key", self.key, "--checkpoint", note)
            self.assertEqual((pinned["verdict"], pinned["trust"]), ("OK", "KEY_PINNED"))
            self.assertEqual(self.json("verify", path)["trust"], "SELF_CONSISTENT")
            self.assertIn("self-consistent, key not pinned", self.graven("verify", path).stdout)
        damaged = self.folder / "damaged.records"
        damaged.write_bytes(raw.read_bytes().replace(b"user-7", b"user-8", 1))
        verdict = self.json("verify", damaged, check=1)
        self.assertEqual((verdict["verdict"], verdict["first_bad_index"]), ("BAD", 8))
        beside = self.folder / "beside.jsonl"
        beside.write_text(lines.read_text().replace('"user-7"', '"user-8"', 1))
        self.assertIn("record 7", self.json("verify", beside, check=1)["reason"])

    def test_an_export_takes_its_place_whole_or_not_at_all(self):
        size = self.wait_for_publication()
        path = self.folder / "precious.jsonl"
        path.write_text("precious")
        self.graven("export", "--log", "nope", "--output", path, check=1)
        self.assertEqual(path.read_text(), "precious")
        self.graven("export", "--to", str(size), "--output", path)
        self.assertEqual(len(path.read_text().splitlines()), size)
        self.assertEqual(list(self.folder.glob("precious.jsonl.*")), [])
        self.assertEqual(self.graven("export", "--to", str(size), "--json").stdout, path.read_text())
        self.graven("verify", path, "--key", self.key, check=2)

    def test_what_was_typed_wins_over_the_environment_in_every_command(self):
        nobody = {"GRAVEN_SERVER": "127.0.0.1:1", "GRAVEN_LOG": "none-such", "GRAVEN_DATA": "/none-such"}
        at = ("--server", self.server.address, "--log", "default")
        for arguments in (("checkpoint",), ("show", "0"), ("tail", "--last", "1"), ("receipt", "get", "0"),
                          ("export", "--to", "1"), ("verify",),
                          ("append", "--actor", "a", "--action", "b", "--id", "typed")):
            self.graven(*arguments, *at, env=nobody)
        self.graven("status", "--server", self.server.address, env=nobody)
        self.graven("logs", "show", "default", "--server", self.server.address, env=nobody)
        self.graven("keys", "show", "--data", str(self.server.data), "--log", "default", env=nobody)
        # And the environment over what a command does by itself.
        self.assertIn("127.0.0.1:1", self.graven("checkpoint", env=nobody, check=3).stderr)

    def test_the_server_that_was_typed_is_checked_whatever_the_environment_says(self):
        self.wait_for_publication()
        env = {"GRAVEN_DATA": str(self.folder / "no-such-folder")}
        verdict = self.json("verify", "--server", self.server.address, env=env)
        self.assertEqual((verdict["verdict"], verdict["log"]), ("OK", "default"))
        self.graven("verify", env=env, check=3)

    def test_the_server_verifies_from_the_outside_with_the_right_key_only(self):
        self.wait_for_publication()
        self.assertEqual(self.json("verify")["trust"], "SELF_CONSISTENT")
        self.assertEqual(self.json("verify", "--key", self.key)["trust"], "KEY_PINNED")
        other = self.folder / "other.key"
        made = self.json("keys", "generate", self.key.split("+")[0], "--output", other)
        self.assertEqual(self.json("verify", "--key", made["vkey"], check=1)["verdict"], "BAD")
        # Neither is it shown, nor written out, as a checkpoint of that key.
        refused = self.graven("checkpoint", "--key", made["vkey"], check=1)
        self.assertEqual(refused.stdout, "")
        self.graven("export", "--tiles", self.folder / "tiles-of-another-key", "--key", made["vkey"], check=1)

    def test_a_receipt_verifies_offline_and_not_when_changed(self):
        self.wait_for_publication()
        path = self.folder / "3.receipt"
        self.graven("receipt", "get", "3", "--output", path)
        alone = {"env": {"GRAVEN_SERVER": "127.0.0.1:1"}}
        verdict = self.json("receipt", "verify", path, "--key", self.key, **alone)
        self.assertEqual((verdict["verdict"], verdict["index"]), ("PUBLISHED", 3))
        self.assertEqual(verdict["record"]["event"]["actor"]["id"], "user-3")
        text = path.read_text().splitlines(keepends=True)
        extra = next(i for i, line in enumerate(text) if line.startswith("extra "))
        inside = bytearray(base64.b64decode(text[extra].split()[1]))
        inside[inside.index(b"user-3")] ^= 1
        text[extra] = f"extra {base64.b64encode(inside).decode()}\n"
        forged = self.folder / "forged.receipt"
        forged.write_text("".join(text))
        self.assertEqual(self.json("receipt", "verify", forged, "--key", self.key, **alone, check=1)["verdict"],
                         "INVALID")
        early = self.folder / "early.receipt"
        self.graven("append", "--actor", "a", "--action", "b", "--receipt", early)
        self.graven("receipt", "verify", early, "--key", self.key)

    def test_a_file_is_explained_and_held_against_the_log(self):
        self.wait_for_publication()
        receipt, note, records = (str(self.folder / name) for name in ("x.receipt", "x.note", "x.records"))
        self.graven("receipt", "get", "3", "--output", receipt)
        with open(note, "w", encoding="utf-8") as file:
            file.write(self.graven("checkpoint").stdout)
        self.graven("export", "--format", "records", "--output", records)
        at = ("--server", self.server.address)
        for path, kind in ((receipt, "RECEIPT"), (note, "CHECKPOINT")):
            said = self.json("explain", path, "--key", self.key, *at)
            self.assertEqual((said["kind"], said["holds"], said["log_contains_it"]), (kind, "YES", True))
            self.assertEqual(self.json("explain", path)["holds"], "NOT_CHECKED")
        self.assertEqual(self.json("explain", receipt)["index"], 3)
        self.assertIn("An export of records", self.graven("explain", records).stdout)
        # Another log, which cannot contain it.
        other = serving.make_folder("explain")
        self.addCleanup(shutil.rmtree, other, ignore_errors=True)
        with serving.Server(other) as server:
            # What is typed wins over the environment.
            shown = self.graven("checkpoint", "--server", server.address).stdout
            self.assertTrue(shown.startswith(server.ready["logs"]["default"]["origin"]), shown)
            said = json.loads(self.graven("explain", note, "--json", "--server", server.address, check=1).stdout)
            self.assertFalse(said["log_contains_it"])
        with open(receipt, encoding="utf-8") as file:
            changed = file.read().replace("index 3", "index 4")
        with open(receipt, "w", encoding="utf-8") as file:
            file.write(changed)
        said = json.loads(self.graven("explain", receipt, "--key", self.key, "--json", check=1).stdout)
        self.assertEqual((said["kind"], said["holds"]), ("RECEIPT", "NO"))
        self.assertIn("Nothing that Graven makes", self.graven("explain", "/etc/hostname", check=1).stdout)
        self.graven("explain", str(self.folder / "absent"), check=3)

    def test_logs_are_created_listed_and_shown(self):
        created = self.json("logs", "create", "invoices", "--origin", "example.org/audit/invoices")
        self.assertEqual(created["origin"], "example.org/audit/invoices")
        self.assertIn("invoices", [log["name"] for log in self.json("logs", "list")])
        self.graven("logs", "create", "invoices", check=1)
        self.graven("logs", "create", "_mine", check=1)
        self.graven("append", "--log", "invoices", "--actor", "a", "--action", "b")
        self.assertEqual(self.json("keys", "show", "--log", "invoices")["vkey"], created["vkey"])
        self.assertEqual(self.json("keys", "show", "--log", "invoices", "--data", self.server.data)["vkey"],
                         created["vkey"])

    def test_lines_are_appended_once_however_often_they_are_sent(self):
        path = self.folder / "events.jsonl"
        event = {"actor": {"id": "bulk"}, "action": "load", "occurred_at": "2026-11-25T12:00:00Z"}
        path.write_text("".join(json.dumps({**event, "request_id": str(i)}) + "\n" for i in range(3000)))
        first = self.json("append", path)
        self.assertEqual((first["appended"], first["duplicates"], first["refused"]), (3000, 0, 0))
        again = self.json("append", path)
        self.assertEqual((again["appended"], again["duplicates"]), (0, 3000))
        piped = self.json("append", "-", input=path.read_text())
        self.assertEqual((piped["appended"], piped["duplicates"]), (0, 3000))
        with path.open("a") as grown:
            grown.write("no json\n")
            grown.write(json.dumps({**event, "request_id": "new"}) + "\n")
        stopped = self.graven("append", path, check=1)
        self.assertIn("3001", stopped.stderr)
        self.assertRegex(stopped.stdout, r"^0 appended, 3,?000 were there already.*, then stopped")
        stopped = json.loads(self.graven("append", path, "--json", check=1).stdout)
        self.assertEqual((stopped["appended"], stopped["duplicates"], stopped["stopped"]), (0, 3000, True))
        counted = self.json("append", path, "--count-refused", check=1)
        self.assertEqual((counted["appended"], counted["refused"]), (1, 1))

    def test_a_line_of_a_producer_that_goes_on_is_appended_at_once(self):
        def line(number):
            return json.dumps({"actor": {"id": "trickle"}, "action": "drop", "event_id": f"trickle-{number}",
                               "occurred_at": "2026-11-25T12:00:00Z"}) + "\n"

        def there():
            lines = self.graven("tail", "--last", "3", "--json").stdout.splitlines()
            return [number for number in (1, 2) if any(f"trickle-{number}" in one for one in lines)]
        process = subprocess.Popen([str(serving.BINARY), "append", "-", "--server", self.server.address], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(lambda: (process.kill(), process.wait(), process.stdout.close()))
        for number in (1, 2):
            process.stdin.write(line(number))
            process.stdin.flush()
            end = time.monotonic() + 20
            while number not in there() and time.monotonic() < end:
                time.sleep(0.1)
            self.assertIn(number, there())
        said, _ = process.communicate()
        self.assertIn("2 appended", said)

    def test_compressed_lines_may_come_in_pieces_and_not_cut(self):
        lines = [json.dumps({"actor": {"id": "gzip"}, "action": "drop", "event_id": f"gzip-{number}",
                             "occurred_at": "2026-11-25T12:00:00Z"}).encode() + b"\n" for number in range(2)]
        whole = b"".join(gzip.compress(one) for one in lines)

        def append(text):
            return subprocess.run([str(serving.BINARY), "append", "-", "--server", self.server.address], input=text,
                                  capture_output=True)
        self.assertIn(b"2 appended", append(whole).stdout)
        cut = append(whole[:-3])
        self.assertEqual(cut.returncode, 3)
        self.assertIn(b"cut off", cut.stderr)

    def test_status_is_for_people_and_machines(self):
        self.assertEqual(self.json("status")["state"], "SERVER_STATE_SERVING")
        self.assertIn("serving", self.graven("status").stdout)
        status = self.json("status")
        for field in ("tailers", "queue_bytes", "events_appended", "disk_free_bytes"):
            self.assertIsInstance(status[field], int, field)
        self.assertEqual(status["recovery_report"], "")
        self.assertRegex(status["started_at"], r"^20\d\d-\d\d-\d\dT")
        self.graven("status", "--server", "127.0.0.1:1", check=3)

    def test_colours_only_on_a_terminal_and_never_with_no_color(self):
        self.assertNotIn("\x1b[", self.graven("status").stdout)
        command = shlex.join([str(serving.BINARY), "status"])
        for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            env = {**os.environ, "GRAVEN_SERVER": self.server.address, "TERM": "xterm", **extra}
            env = {name: value for name, value in env.items() if name != "NO_COLOR" or extra}
            done = subprocess.run(["script", "-qec", command, "/dev/null"], env=env, text=True,
                                  capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
            self.assertEqual("\x1b[32m" in done.stdout, coloured, done.stdout)

    def test_completion_scripts_are_good_bash(self):
        script = self.graven("completion", "bash").stdout
        script += '\nCOMP_WORDS=(graven logs cr); COMP_CWORD=2; _graven; echo "${COMPREPLY[@]}"\n'
        script += 'COMP_WORDS=(graven tail --fo); COMP_CWORD=2; _graven; echo "${COMPREPLY[@]}"\n'
        done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.split(), ["create", "--follow"])

    def test_an_import_of_a_folder_counts_what_it_passes_over_and_leaves(self):
        inside = self.folder / "var-log"
        inside.mkdir()
        line = "2023-07-10 11:42:37 install man-db:amd64 <none> 2.11.2-2"
        (inside / "dpkg.log").write_text(f"{line}\n{line[:-2]}")
        (inside / "copy.log").write_text(line)
        done = self.json("import", "--format", "dpkg", "--host", "box", inside)
        self.assertEqual((done["appended"], done["refused"], done["unfinished"]), (1, 0, 1))
        self.assertEqual(done["passed_over"], [str(inside / "copy.log")])
        (inside / "dpkg.log").write_text(f"{line}\n{line}\n")
        done = self.json("import", "--format", "dpkg", "--host", "box", inside)
        self.assertEqual((done["appended"], done["duplicates"], done["unfinished"]), (1, 1, 0))


class Readme(unittest.TestCase):
    """What the README tells people to type works as it stands."""

    def test_the_commands_of_the_first_event_run(self):
        text = (serving.ROOT / "README.md").read_text()
        blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
        block = next(b for b in blocks if "graven append" in b)
        folder = serving.make_folder("readme")
        with serving.Server(folder) as server:
            script = block.replace("graven tail --follow", "graven tail")
            script = script.replace("--data ./audit", f"--data {server.data}")
            prelude = f'set -eu\ncd {folder}\ngraven() {{ "{serving.BINARY}" "$@"; }}\n'
            env = {**os.environ, "GRAVEN_SERVER": server.address}
            done = subprocess.run(["bash"], input=prelude + script, env=env, capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("PUBLISHED", done.stdout)
            self.assertIn("pinned: signed by the key that you gave", done.stdout)
            self.assertEqual(server.stop(), 0)
        self.assertIn("`graven verify --data ./audit`", text)
        serving.run("verify", "--data", server.data)

    def test_the_python_of_the_minimal_contract_runs(self):
        text = (serving.ROOT / "README.md").read_text()
        protoc = next(block for block in re.findall(r"```sh\n(.*?)```", text, re.S)
                      if block.startswith("protoc"))
        snippet = re.search(r"```python\n(.*?)```", text, re.S).group(1)
        folder = serving.make_folder("readme")
        (folder / "proto").symlink_to(serving.ROOT / "proto")
        subprocess.run(["sh", "-ec", protoc], cwd=folder, check=True)
        with serving.Server(folder) as server:
            self.assertIn("127.0.0.1:7465", snippet)
            program = snippet.replace("127.0.0.1:7465", server.address)
            (folder / "readme.py").write_text(program + "    break  # it would follow for ever\n")
            done = subprocess.run([sys.executable, "readme.py"], cwd=folder, capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            index, follows = done.stdout.splitlines()
            self.assertRegex(index, r"^0 [0-9a-f]{64}$")
            self.assertRegex(follows, r"^alice invoice.approve [0-9a-f]{64}$")
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
