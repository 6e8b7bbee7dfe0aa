"""graven explain, through the binary: a file that somebody was handed is held against the log as it is now, against one
that has gone another way under the same key, one that was rolled back, and one that is away."""
import base64
import hashlib
import json
import pathlib
import shutil
import unittest

import serving
import witnesses
from planted import Planted, append
from serving import Server, run


class Explain(Planted):
    def explain(self, path, *arguments, check=0):
        return json.loads(run("explain", path, "--json", *arguments, check=check).stdout)

    def files_of(self, server):
        """One of each kind, of a log of 60 records."""
        at = ("--server", server.address)
        files = {name: self.folder / name for name in
                 ("lines", "records", "part", "part-lines", "receipt", "checkpoint", "answer", "key", "policy")}
        run("export", "--output", files["lines"], *at)
        run("export", "--format", "records", "--output", files["records"], *at)
        run("export", "--format", "records", "--from", "40", "--to", "55", "--output", files["part"], *at)
        run("export", "--from", "40", "--output", files["part-lines"], *at)
        run("receipt", "get", "50", "--output", files["receipt"], *at)
        files["checkpoint"].write_text(run("checkpoint", *at).stdout)
        run("search", "action:a.b", "--statement", files["answer"], *at)
        vkey = server.ready["logs"]["default"]["vkey"]
        files["key"].write_text(vkey + "\n")
        files["policy"].write_text(f"log {vkey}\nquorum none\n")
        return files

    def fork(self):
        """Two servers of one key: of both the first 30 records are the same, of 60 and 70."""
        with Server(self.folder / "a") as first:
            append(first.address, 30)
            self.assertEqual(first.stop(), 0)
        shutil.copytree(self.folder / "a" / "data", self.folder / "b" / "data")
        shutil.copytree(self.folder / "a" / "data", self.folder / "old" / "data")
        one, other = Server(self.folder / "a"), Server(self.folder / "b")
        self.addCleanup(one.__exit__)
        self.addCleanup(other.__exit__)
        append(one.address, 30, "shown.here")
        append(other.address, 40, "shown.there")
        return one, other

    def test_what_a_log_still_contains_and_another_of_the_same_key_does_not(self):
        server, other = self.fork()
        files = self.files_of(server)
        key = server.ready["logs"]["default"]["vkey"]
        at, there = ("--server", server.address), ("--server", other.address)
        words = {
            "lines": "still contains all of them: its tree begins with the tree of the 60 records in this file",
            "records": "still contains all of them: its tree begins with the tree of the 60 records",
            "part": "still contains record 54, the last in this file, whose chain of hashes names all the others in "
                    "it, from record 40 on",
            "part-lines": "still contains record 59, the last in this file",
            "receipt": "still contains it", "checkpoint": "still contains it", "answer": "still contains it"}
        clauses = {"answer": "; the log still contains the tree that it is about."}
        for name, words_of in words.items():
            said = self.explain(files[name], "--key", key, *at)
            self.assertEqual(said["log_contains_it"], True, said)
            self.assertIn("of 60 records now by a checkpoint that its key signed", said["log_says"])
            self.assertIn(words_of, said["log_says"])
            # One sentence that has all of it, and what it was made of.
            self.assertTrue(said["sentence"].endswith(clauses.get(name, "; the log still contains it.")), said)
            self.assertTrue(said["facts"])
            self.assertIn("whose signature nobody checked", self.explain(files[name], *at)["log_says"])
            # For people the same, behind what the file itself says.
            shown = run("explain", files[name], "--key", key, *at).stdout
            self.assertEqual(shown.splitlines()[-1], said["log_says"])
            self.assertEqual(shown.splitlines()[0], said["sentence"])
            denied = self.explain(files[name], "--key", key, *there, check=1)
            self.assertEqual(denied["log_contains_it"], False, name)
            self.assertIn("any more, or proves it wrongly", denied["log_says"])
            # The file holds all the same.
            self.assertEqual(denied["holds"], said["holds"])
            self.assertRegex(denied["sentence"], "the log does not contain it any more.$")
            alone = self.explain(files[name], "--key", key)
            self.assertNotIn("log_says", alone)
            self.assertTrue(alone["sentence"].endswith("; whether the log still contains it was not asked."), alone)
        said = self.explain(files["lines"], *at)
        self.assertEqual((said["kind"], said["holds"], said["records"]), ("EXPORT", "YES", 60))
        # What both have they both contain: the first 30 records, as a tree and by the last of them.
        common = self.folder / "common"
        for first in ("0", "7"):
            run("export", "--from", first, "--to", "30", "--format", "records", "--output", common, *at)
            for place in (at, there):
                self.assertTrue(self.explain(common, "--key", key, *place)["log_contains_it"])
        # A log that grew still contains it.
        append(server.address, 5, "later")
        self.assertIn("of 65 records now", self.explain(files["lines"], *at)["log_says"])

    def test_a_log_that_was_rolled_back_shows_fewer_than_the_file_has(self):
        server, _ = self.fork()
        files = self.files_of(server)
        with Server(self.folder / "old") as old:
            for name in ("lines", "records", "part", "receipt", "checkpoint"):
                said = self.explain(files[name], "--server", old.address, check=1)
                self.assertEqual(said["log_contains_it"], False)
                self.assertIn("The log shows 30 records now: it was rolled back", said["log_says"])

    def test_an_export_that_does_not_hold_is_not_asked_about(self):
        with Server(self.folder / "a") as server:
            append(server.address, 20)
            path = self.folder / "records"
            run("export", "--format", "records", "--output", path, "--server", server.address)
            changed = bytearray(path.read_bytes())
            changed[len(changed) // 2] ^= 1
            path.write_bytes(bytes(changed))
            said = self.explain(path, "--server", server.address, check=1)
            self.assertEqual((said["kind"], said["holds"], said["verdict"]), ("EXPORT", "NO", "BAD"))
            self.assertIn("first_bad_index", said)
            self.assertIn("that does not hold: ", said["sentence"])
            self.assertNotIn("log_says", said)
            # Nothing in it: nothing to ask about.
            run("export", "--format", "records", "--from", "3", "--to", "4", "--output", path, "--server",
                server.address)
            self.assertTrue(self.explain(path, "--server", server.address)["log_contains_it"])

    def test_keys_and_policies_are_held_against_the_log_that_signs(self):
        server, _ = self.fork()
        files = self.files_of(server)
        at = ("--server", server.address)
        self.assertEqual(self.explain(files["key"], *at)["log_uses_it"], True)
        said = self.explain(files["policy"], *at)
        self.assertEqual((said["kind"], said["log_meets_it"]), ("POLICY", True))
        self.assertIn("has the log's signature", said["log_says"])
        run("logs", "create", "other", *at)
        other = json.loads(run("logs", "show", "other", "--json", *at).stdout)["vkey"]
        files["key"].write_text(other)
        files["policy"].write_text(f"log {other}\nquorum none\n")
        said = self.explain(files["key"], *at, check=1)
        self.assertEqual(said["log_uses_it"], False)
        self.assertIn("is not signed with it", said["log_says"])
        self.assertEqual(self.explain(files["policy"], *at, check=1)["log_meets_it"], False)
        self.assertEqual(self.explain(files["key"], *at, "--log", "other")["log_uses_it"], True)

    def test_of_evidence_it_is_said_which_tree_the_log_still_contains(self):
        server, other = self.fork()
        self.key(server.data)
        self.once("--server", server.address)
        found = self.once("--server", other.address, check=1)
        evidence = pathlib.Path(found[0]["evidence"])
        for place, has, has_not in ((server, 60, 70), (other, 70, 60)):
            said = self.explain(evidence, "--server", place.address, "--key", self.folder / "log.vkey")
            self.assertEqual((said["kind"], said["holds"], said["log_contains_it"]), ("EVIDENCE", "YES", False))
            # Those of another size are told apart by it, those of the same size by their roots.
            root = "with the root [0-9a-f]{16}[.]{3}"
            words = (f"Of the signed trees in it the log still contains the one of {has} records {root}, "
                     f"and not the one of {has_not} records {root}[.]")
            fewer = " The log shows 60 records now: it was rolled back, or does not show all of them[.]"
            self.assertRegex(said["log_says"], f"^{words}{fewer if has_not > has else ''}$")
        with Server(self.folder / "another") as another:
            append(another.address, 80)
            said = self.explain(evidence, "--server", another.address)
            self.assertIn("The server's log is another one: ", said["log_says"])
            self.assertTrue(said["sentence"].endswith("the log that was asked is another one."), said)
        with Server(self.folder / "old") as old:
            said = self.explain(evidence, "--server", old.address, "--key", self.folder / "log.vkey")
            self.assertIn("the log still contains none, and not the one of ", said["log_says"])
            self.assertIn("The log shows 30 records now: it was rolled back", said["log_says"])
            self.assertTrue(said["sentence"].endswith("the log that was asked shows fewer records now."), said)

    def test_an_empty_tree_has_one_root(self):
        server, _ = self.fork()
        lines = run("checkpoint", "--server", server.address).stdout.split("\n")
        path = self.folder / "empty"
        for root, contains in ((hashlib.sha256(b"").digest(), True), (bytes(32), False)):
            path.write_text("\n".join([lines[0], "0", base64.b64encode(root).decode(), *lines[3:]]))
            said = self.explain(path, "--server", server.address, check=None)
            self.assertEqual(said["log_contains_it"], contains, said)

    def test_what_witnesses_have_not_seen_yet_is_no_rollback(self):
        with Server(self.folder / "s") as server:
            append(server.address, 60)
            files = self.files_of(server)
            witness = witnesses.Witness(self.folder / "witness", [server.ready["logs"]["default"]["vkey"]])
            self.addCleanup(witness.kill)
            policy = witnesses.write_policy(self.folder / "policy", {"w": witness}, "any w")
            witness.kill()
            self.assertEqual(server.stop(), 0)
        # Nothing of this log is ever cosigned, and a policy that demands it is not met.
        with Server(self.folder / "s", "--policy", policy) as server:
            at = ("--server", server.address)
            run("checkpoint", *at, check=1)
            for name in ("lines", "receipt", "checkpoint"):
                self.assertTrue(self.explain(files[name], *at)["log_contains_it"])

    def test_a_server_that_is_away_makes_no_file_worth_less(self):
        with Server(self.folder / "a") as server:
            append(server.address, 60)
            files = self.files_of(server)
            address, key = server.address, server.ready["logs"]["default"]["vkey"]
            self.assertEqual(server.stop(), 0)
        for name, path in files.items():
            done = run("explain", path, "--key", key, "--server", address, "--json", check=3)
            said = json.loads(done.stdout)
            self.assertNotEqual(said["holds"], "NO", name)
            self.assertNotIn("log_says", said)
            self.assertEqual(json.loads(done.stderr)["error"]["code"], "UNAVAILABLE")
            done = run("explain", path, "--key", key, "--server", address, check=3)
            self.assertEqual(done.stdout.splitlines()[0], said["sentence"])
            self.assertTrue(said["sentence"].endswith("; the log could not be asked."), said)

    def test_whatever_else_lies_beside_a_log_is_named(self):
        with Server(self.folder / "a") as server:
            append(server.address, 300)
            self.assertEqual(server.stop(), 0)
        run("export", "--tiles", self.folder / "tiles", "--data", server.data)
        table = self.folder / "page.csv"
        table.write_text('index,received_at,occurred_at,outcome,actor_id\r\n"0","","","unknown","ann"\r\n')
        hashes = next(path for path in (self.folder / "tiles").rglob("tile/0/*") if path.is_file())
        entries = next(path for path in (self.folder / "tiles").rglob("tile/entries/*") if path.is_file())
        for path, kind, words in [(table, "TABLE", "the page's JSON Lines can"),
                                  (hashes, "TILE", "a tile of 256 hashes"), (entries, "TILE", "the records of a log"),
                                  (server.data / "keys" / "default", "PRIVATE_KEY", "show it to nobody")]:
            said = self.explain(path)
            self.assertEqual((said["kind"], said["holds"], said["facts"]), (kind, "NOT_CHECKED", {}))
            self.assertIn(words, said["sentence"])
            # There is nothing in it that a log could be asked about.
            self.assertNotIn("not asked", said["sentence"])
        help_text = run("explain", "--help").stdout
        for kind in ("receipts", "checkpoints", "evidence", "statements about searches", "exports", "private keys",
                     "policies", "CSV", "tiles", "stamps"):
            self.assertIn(kind, help_text)


if __name__ == "__main__":
    unittest.main()
