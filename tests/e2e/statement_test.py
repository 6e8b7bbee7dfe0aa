"""Signed statements, "Is that all?": made, filed, searched again, and refused where they do not fit what was asked."""
import json
import unittest
import urllib.request
from concurrent import futures

import serving
from searching import Searching, made_events

import grpc  # noqa: E402
from graven.v1 import audit_log_service_pb2 as pb  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as rpc  # noqa: E402


class Statements(Searching):
    def test_an_answer_is_stated_and_searched_again(self):
        with self.serve() as server:
            at = ("--server", server.address)
            key = server.ready["logs"]["default"]["vkey"]
            self.append(server, made_events(0, 300))
            rows = self.rows(server)
            path = self.folder / "denied.answer"
            done = serving.run("search", "outcome:denied", "--statement", path, *at)
            answer_key = done.stderr.split("signed by ")[1].strip()
            done = serving.run("verify", "--answer", path, "--key", key, "--answer-key", answer_key, "--json", *at)
            verdict = json.loads(done.stdout)
            self.assertEqual((verdict["verdict"], verdict["tree_size"]), ("HOLDS", 300))
            self.assertEqual(verdict["count"], sum(r.outcome == "denied" for r in rows))
            said = json.loads(serving.run("explain", path, "--key", key, "--json").stdout)
            self.assertEqual((said["kind"], said["holds"], said["tree_size"]), ("ANSWER", "NOT_CHECKED", 300))
            self.assertIn("match v1: outcome:denied, in a tree of 300 records that the log's key signed",
                          said["sentence"])
            # It is about its own tree, whatever came later.
            self.append(server, made_events(300, 100))
            self.assertIn("HOLDS", serving.run("verify", "--answer", path, "--key", key, *at).stdout)
            # About an answer that was of a smaller tree: its records, under a checkpoint that has them.
            serving.run("search", "outcome:denied", "--size", "150", "--statement", self.folder / "half.answer", *at)
            done = serving.run("verify", "--answer", self.folder / "half.answer", "--key", key, "--json", *at)
            verdict = json.loads(done.stdout)
            self.assertEqual((verdict["verdict"], verdict["low"], verdict["high"], verdict["tree_size"]),
                             ("HOLDS", 0, 150, 400))
            self.assertEqual(verdict["count"], sum(r.outcome == "denied" for r in rows[:150]))
            url = f"{server.ready['http'][0]}/logs/default/statement?q=outcome:denied&size=150"
            with urllib.request.urlopen(url, timeout=60) as answer:
                self.assertEqual(answer.read(), (self.folder / "half.answer").read_bytes())
            self.assertIn("--follow",
                          serving.run("search", "x", "--follow", "--statement", path, *at, check=2).stderr)
            # The same over HTTP and gRPC, signed by the same key.
            url = f"{server.ready['http'][0]}/logs/default/statement?q=outcome:denied"
            with urllib.request.urlopen(url, timeout=60) as answer:
                (self.folder / "http.answer").write_bytes(answer.read())
            serving.run("verify", "--answer", self.folder / "http.answer", "--key", key, "--answer-key", answer_key,
                        *at)
            response = self.stub(server).GetStatement(pb.GetStatementRequest(query="outcome:denied"))
            self.assertEqual(response.vkey, answer_key)
            # Lies: a count of its own without the signature's consent, and one that is signed by nobody we asked for.
            lines = path.read_text().split("\n")
            lines[6] = str(int(lines[6]) - 1)
            path.write_text("\n".join(lines))
            done = serving.run("verify", "--answer", path, "--key", key, *at, check=1)
            self.assertIn("DOES NOT HOLD: it states", done.stdout)
            self.assertIn("Who stated it was not checked, so this is no finding against the server", done.stdout)
            done = serving.run("verify", "--answer", path, "--key", key, "--answer-key", answer_key, *at, check=1)
            self.assertIn("DOES NOT HOLD: the answer's key did not sign this text", done.stdout.splitlines()[0])
            self.assertIn("no finding against the server", done.stdout)
            serving.run("verify", "--answer", self.folder / "http.answer", "--key", answer_key, *at, check=1)
            done = serving.run("verify", "--answer", self.folder / "http.answer", "--key", key, "--answer-key", key,
                               "--json", *at, check=1)
            self.assertEqual((json.loads(done.stdout)["verdict"], json.loads(done.stdout)["problem"]),
                             ("DOES_NOT_HOLD", "the answer's key did not sign it"))
            serving.run("verify", "--answer", path, "--indexes", *at, check=2)
            serving.run("verify", "--answer", path, "--evidence", path, *at, check=2)
            serving.run("verify", "--answer", self.folder / "nothing", *at, check=3)
            serving.run("search", "actr:x", "--statement", path, *at, check=1)
            self.assertEqual(server.stop(), 0)
        with self.serve() as server:  # the key stays
            response = self.stub(server).GetStatement(pb.GetStatementRequest())
            self.assertEqual(response.vkey, answer_key)

    def test_a_forged_statement_is_nobodys_word(self):
        with self.serve() as server:
            at = ("--server", server.address)
            key = server.ready["logs"]["default"]["vkey"]
            self.append(server, made_events(0, 100))
            path, forged, key_file = (self.folder / name for name in ("a.answer", "forged.answer", "answers.vkey"))
            done = serving.run("search", "outcome:denied", "--statement", path, *at)
            answer_key = done.stderr.split("signed by ")[1].strip()
            key_file.write_text(answer_key + "\n")
            lines = path.read_text().split("\n")
            self.assertNotEqual(lines[6], "0")
            lines[6] = "0"
            forged.write_text("\n".join(lines))

            def explain(file, *arguments, check=0):
                return json.loads(serving.run("explain", file, "--json", *arguments, check=check).stdout)

            # By the key that the server names, or one that was given, and it is said by which.
            for how, words in ((at, "the key that the server names"),
                               (("--answer-key", answer_key), "the key that was given"),
                               (("--answer-key", key_file), "the key that was given")):
                said = explain(path, "--key", key, *how)
                self.assertEqual(said["holds"], "NOT_CHECKED")
                self.assertIn(words, said["sentence"])
                self.assertIn("the word of graven-answers/", said["sentence"])
                self.assertIn(answer_key, said["facts"]["statement's key"])
                said = explain(forged, "--key", key, *how, check=1)
                self.assertEqual(said["holds"], "NO")
                self.assertIn("changed after it was signed, or forged", said["sentence"])
                self.assertIn(words, said["sentence"])
                # A log is not asked about what nobody said.
                self.assertNotIn("still contains", said["sentence"] + said.get("log_says", ""))
            # By none: nobody's word.
            for file in (path, forged):
                self.assertIn("who signed it was not checked", explain(file, "--key", key)["sentence"])
            serving.run("explain", key_file, "--answer-key", key_file, check=2)
            # The same of verify: without the key no verdict accuses the server.
            for file, check in ((path, 0), (forged, 1)):
                done = serving.run("verify", "--answer", file, "--key", key, *at, check=check)
                self.assertIn("Who stated it was not checked", done.stdout)
            done = serving.run("verify", "--answer", path, "--key", key, "--answer-key", key_file, "--json", *at)
            self.assertEqual(json.loads(done.stdout)["signature"], "GOOD")
            done = serving.run("verify", "--answer", forged, "--answer-key", key_file, "--json", *at, check=1)
            self.assertEqual(json.loads(done.stdout)["signature"], "BAD")
            done = serving.run("verify", "--answer", path, "--answer-key", self.folder / "none", *at, check=3)
            self.assertIn("--answer-key", done.stderr)

    def test_numbers_end_in_a_statement_too(self):
        with self.serve() as server:
            at = ("--server", server.address)
            key = server.ready["logs"]["default"]["vkey"]
            self.append(server, made_events(0, 120))
            denied = sum(r.outcome == "denied" for r in self.rows(server))
            path = self.folder / "counted.answer"
            for numbers in (("--facet", "actor.id"), ("--facet", "action", "--facet-contains", "user"),
                            ("--histogram",), ("--histogram", "--by", "day"),
                            ("--histogram", "--from", "2020-01-01", "--to", "2020-01-02")):
                path.unlink(missing_ok=True)
                serving.run("search", "outcome:denied", *numbers, "--statement", path, "--key", key, *at)
                done = serving.run("verify", "--answer", path, "--key", key, "--json", *at)
                self.assertEqual(json.loads(done.stdout)["count"], denied, numbers)
            # Nothing matches: that is stated too.
            serving.run("search", "actor:nobody", "--histogram", "--by", "day", "--statement", path, *at)
            self.assertEqual(path.read_text().split("\n")[6], "0")

    def test_a_query_cannot_pretend_to_be_another_one(self):
        """Its canonical form has no hidden character, in the statement, over HTTP and on a terminal."""
        with self.serve() as server:
            at = ("--server", server.address)
            event = made_events(0, 1)[0]
            event.action = "\u202egnp.exe"
            self.append(server, [event])
            path = self.folder / "hidden.answer"
            for query in ("action:\u202egnp.exe", 'action:"\u202egnp.exe"', 'action:"\\u202egnp.exe"'):
                serving.run("search", query, "--statement", path, *at)
                lines = path.read_text().split("\n")
                self.assertEqual((lines[2], lines[6]), ('v1: action:"\\u202egnp.exe"', "1"))
                self.assertIn("HOLDS", serving.run("verify", "--answer", path, *at).stdout)
            # Signed by an older server, which wrote it raw.
            old = path.read_text().replace("\\u202e", "\u202e")
            self.assertNotEqual(old, path.read_text())
            path.write_text(old)
            self.assertIn("HOLDS", serving.run("verify", "--answer", path, *at).stdout)
            self.assertIn("did you mean denied?", serving.run("search", "outcome:DENIED", *at, check=1).stderr)

    def test_a_statement_that_does_not_fit_the_search_is_not_filed_as_one(self):
        """A proxy that searches honestly and states something else."""
        class Liar(rpc.AuditLogServiceServicer):
            def __init__(self, real):
                self.real = real
                self.lie = None

            def Search(self, request, context):
                yield from self.real.Search(request)

            def GetLog(self, request, context):
                return self.real.GetLog(request)

            def GetStatement(self, request, context):
                return self.lie(request)

        with self.serve() as server:
            self.append(server, made_events(0, 60))
            key = server.ready["logs"]["default"]["vkey"]
            real = self.stub(server)
            lying = Liar(real)
            liar = grpc.server(futures.ThreadPoolExecutor(4))
            rpc.add_AuditLogServiceServicer_to_server(lying, liar)
            port = liar.add_insecure_port("127.0.0.1:0")
            liar.start()
            path = self.folder / "filed.answer"
            contradicts = self.folder / "filed.answer.contradicts"
            search = ("search", "outcome:denied", "--statement", path, "--server", f"127.0.0.1:{port}")

            def state(lie, *flags, check=1):
                lying.lie = lie
                for old in (path, contradicts):
                    old.unlink(missing_ok=True)
                return serving.run(*search, *flags, check=check)

            def changed(find, put):
                def lie(request):
                    answer = real.GetStatement(request)
                    self.assertIn(find, answer.statement)
                    answer.statement = answer.statement.replace(find, put, 1)
                    return answer
                return lie

            try:
                state(real.GetStatement, check=0)
                self.assertTrue(path.exists())
                # Signed, and about something else: evidence, and not what was asked for.
                for lie, word in [
                        (lambda r: real.GetStatement(pb.GetStatementRequest(query="outcome:success")), "another query"),
                        (lambda r: real.GetStatement(pb.GetStatementRequest(query=r.query, tree_size=30)),
                         "records 0 to 30")]:
                    said = state(lie).stderr
                    self.assertIn(word, said)
                    self.assertIn(str(contradicts), said)
                    self.assertFalse(path.exists())
                    serving.run("verify", "--answer", contradicts, "--key", key, "--server", server.address)
                # Not signed by anybody: worth nothing.
                for lie in (changed(b"denied", b"failure"), changed(b"\n0 60\n", b"\n0 59\n"),
                            lambda r: pb.GetStatementResponse(statement=b"none\n", vkey=key),
                            lambda r: pb.GetStatementResponse()):
                    self.assertIn("the server's statement", state(lie).stderr)
                    self.assertFalse(path.exists() or contradicts.exists())
                # Another log's key than the one that the auditor knows.
                other = "example.org/other+" + key.split("+", 1)[1]
                state(real.GetStatement, "--key", other, check=2)
                serving.run("keys", "generate", key.split("+")[0], "--output", self.folder / "other.key")
                other = serving.run("keys", "show", "--file", self.folder / "other.key").stdout.strip()
                self.assertIn("the checkpoint in it", state(real.GetStatement, "--key", other).stderr)
                self.assertFalse(path.exists() or contradicts.exists())
                self.assertIn("--statement",
                              serving.run("search", "x", "--key", key, "--server", server.address, check=2).stderr)
            finally:
                liar.stop(None)


if __name__ == "__main__":
    unittest.main()
