"""`graven view`: the page from the auditor's own binary, about a server that he does not trust."""
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import unittest
import urllib.parse

import serving
from tiles import append


class View:
    """One `graven view`; leaving it ends it."""

    def __init__(self, folder, server, policy, *flags, env=None):
        self.folder = pathlib.Path(folder)
        self.process = subprocess.Popen(
            [str(serving.BINARY), "view", "--server", server, "--policy", str(policy), "--json",
             *map(str, flags)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(env or {})})
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"no view: {self.process.stderr.read()}")
        self.said = json.loads(line)
        self.url = urllib.parse.urlsplit(self.said["address"])

    def ask(self, method, path, body=None, headers=None, whole=False):
        """(status, text); `path` is below the view's address unless it is `whole`."""
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json", **(headers or {})} if body is not None else headers or {}
            connection.request(method, path if whole else self.url.path + path,
                               body=None if body is None else json.dumps(body), headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get(self, path):
        status, text = self.ask("GET", path)
        assert status == 200, (path, status, text)
        return json.loads(text)

    def seen(self, vkey):
        return self.get("view/seen?" + urllib.parse.urlencode({"key": vkey}))["seen"]

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=60)
            self.process.stdout.close()
            self.process.stderr.close()


class Counting:
    """A server that writes down what it was asked."""

    def __init__(self):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(f"{self.command} {self.path}")
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_POST = do_PUT = do_DELETE = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def http_of(server):
    address = server.ready["http"][0]
    return address if "://" in address else f"http://{address}"


class ViewTest(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("view")
        self.server = serving.Server(self.folder / "server", "--http", "127.0.0.1:0")
        self.addCleanup(self.server.__exit__)
        append(self.server.address, 5, "first")
        self.vkey = self.server.ready["logs"]["default"]["vkey"]
        self.policy = self.folder / "audit.policy"
        self.policy.write_text(f"log {self.vkey}\nquorum none\n")
        self.data = self.folder / "seen"

    def view(self, *flags, server=None, env=None):
        return View(self.folder, server or http_of(self.server), self.policy, "--data", self.data,
                    *flags, env=env)

    def raise_to(self, view, expected):
        """What the page does when it has checked a newer tree."""
        _, note = view.ask("GET", "logs/default/checkpoint")
        return view.ask("POST", "view/seen", {"key": self.vkey, "expected": expected, "note": note})

    def test_page_records_and_live_events_come_through(self):
        with self.view() as view:
            status, page = view.ask("GET", "")
            self.assertEqual(status, 200)
            self.assertIn(f'<meta name="graven-host" content="view" data-server="{http_of(self.server)}/"', page)
            terms = view.get("view/terms")
            self.assertEqual(terms["server"], http_of(self.server))
            self.assertIn(self.vkey, terms["policy"])
            self.assertEqual(view.get("logs/default")["vkey"], self.vkey)
            records = view.get("logs/default/records?first=0&count=5")["records"]
            self.assertEqual(len(records), 5)
            self.assertEqual(view.get("logs/default/search?q=")["records"][0]["index"], "4")
            connection = http.client.HTTPConnection(view.url.hostname, view.url.port, timeout=60)
            connection.request("GET", view.url.path + "logs/default/live?from=5")
            answer = connection.getresponse()
            self.assertEqual(answer.getheader("Content-Type"), "text/event-stream")
            append(self.server.address, 1, "live")
            text = b""
            while b"event: rows" not in text:
                piece = answer.read1()
                self.assertTrue(piece, "the stream ended")
                text += piece
            connection.close()
            self.assertEqual(view.stop(), 0)

    def test_statement_comes_through_as_the_server_signed_it_and_is_searched_again(self):
        with self.view() as view:
            connection = http.client.HTTPConnection(view.url.hostname, view.url.port, timeout=60)
            connection.request("GET", view.url.path + "logs/default/statement?q=action:a.b&size=4")
            answer = connection.getresponse()
            statement = answer.read()
            self.assertEqual(answer.status, 200, statement)
            self.assertEqual(answer.getheader("Content-Type").split(";")[0], "text/plain")
            answer_key = answer.getheader("Graven-Answer-Key")
            connection.close()
            lines = statement.decode().split("\n")
            self.assertEqual(lines[0], "graven answer v1")
            self.assertEqual(lines[2], "v1: action:a.b")
            self.assertEqual(lines[5:7], ["0 4", "4"])
            file = self.folder / "first.answer"
            file.write_bytes(statement)
            done = serving.run("verify", "--answer", file, "--key", self.vkey, "--answer-key", answer_key,
                               "--server", self.server.address, "--json")
            self.assertEqual(json.loads(done.stdout)["verdict"], "HOLDS")
            # What is wrong with a query the server says, and the view hands it on.
            status, text = view.ask("GET", "logs/default/statement?q=actr:x")
            self.assertEqual(status, 400, text)
            self.assertEqual(view.ask("GET", "logs/none/statement?q=")[0], 404)
            self.assertEqual(view.ask("POST", "logs/default/statement", {})[0], 405)
            self.assertEqual(view.stop(), 0)

    def test_own_page_of_the_server_is_not_told_that_it_is_a_view(self):
        url = urllib.parse.urlsplit(http_of(self.server))
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        connection.request("GET", "/")
        page = connection.getresponse().read().decode()
        self.assertIn('<meta name="graven-host" content="server"', page)
        connection.request("GET", "/view/terms")
        self.assertEqual(connection.getresponse().status, 404)
        connection.close()

    def test_memory_survives_the_view_and_is_not_lowered_by_a_server_that_was_rolled_back(self):
        before = self.folder / "before"
        self.server.stop()
        subprocess.run(["cp", "-a", str(self.server.data), str(before)], check=True)
        self.server = serving.Server(self.folder / "server", "--http", "127.0.0.1:0")
        self.addCleanup(self.server.__exit__)
        append(self.server.address, 4, "later")
        with self.view() as view:
            self.assertIsNone(view.seen(self.vkey))
            status, text = self.raise_to(view, None)
            self.assertEqual(status, 200, text)
            self.assertTrue(json.loads(text)["raised"])
            kept = view.seen(self.vkey)
            self.assertEqual(kept["last"]["size"], 9)
            address = view.said["address"]
            self.assertEqual(view.stop(), 0)
        for path in self.data.rglob("*"):
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)
        self.assertEqual(self.data.stat().st_mode & 0o077, 0)
        # The server goes back to what it was, and goes on from there.
        self.server.stop()
        subprocess.run(["rm", "-rf", str(self.server.data)], check=True)
        subprocess.run(["cp", "-a", str(before), str(self.server.data)], check=True)
        self.server = serving.Server(self.folder / "server", "--http", "127.0.0.1:0")
        self.addCleanup(self.server.__exit__)
        with self.view() as view:
            self.assertEqual(view.seen(self.vkey), kept)
            # The secret of the folder is the same, so that a bookmark with --listen PORT holds.
            self.assertEqual(view.url.path, urllib.parse.urlsplit(address).path)
            last = {"size": 9, "root": kept["last"]["root"]}
            status, text = self.raise_to(view, last)
            self.assertEqual(status, 409, text)
            self.assertIn("VIEW_MEMORY", text)
            # What the page found is kept by the view, with its evidence.
            status, text = view.ask("POST", "view/findings", {"log": "default", "key": self.vkey, "finding": {
                "id": 1, "at": 2, "kind": "rollback", "sentence": "It went back.", "claimed": "5",
                "computed": "9", "evidence": "graven.dev/evidence@v1\n"}})
            self.assertEqual(status, 200, text)
            self.assertEqual(view.stop(), 0)
        with self.view() as view:
            self.assertEqual(view.seen(self.vkey), kept)
            found = view.get("view/findings?log=default")["findings"]
            self.assertEqual([one["sentence"] for one in found], ["It went back."])
            self.assertEqual(view.stop(), 0)
        # Another address, and another name there: the log is the one of the key.
        with self.view(server="http://localhost:1/mirror") as view:
            self.assertEqual(view.get("view/findings?log=other")["findings"], [])
            key = urllib.parse.urlencode({"key": self.vkey})
            self.assertEqual(len(view.get(f"view/findings?log=other&{key}")["findings"]), 1)
        evidence = list((self.data / "evidence").iterdir())
        self.assertEqual([one.read_text() for one in evidence], ["graven.dev/evidence@v1\n"])

    def test_nothing_but_reading_calls_is_passed_on(self):
        counting = Counting()
        self.addCleanup(counting.stop)
        with self.view(server=counting.url) as view:
            event = {"actor": {"id": "mallory"}, "action": "a.b", "occurredAt": "2026-01-02T03:04:05Z"}
            for method, path in [("POST", "logs/default/events"), ("POST", "logs/default"),
                                 ("POST", "logs"), ("PUT", "logs/default"), ("DELETE", "logs/default"),
                                 ("GET", "metrics"), ("GET", "openapi.json"),
                                 ("GET", "logs/default/tile/0/000"), ("GET", "admin")]:
                body = event if method == "POST" else None
                self.assertIn(view.ask(method, path, body)[0], (404, 405), path)
            for path in ["logs/../admin", "logs//x", "http://127.0.0.1:1/x", "%2e%2e/admin"]:
                self.assertIn(view.ask("GET", path)[0], (400, 404), path)
            self.assertEqual(counting.asked, [])
            self.assertEqual(view.ask("GET", "logs/default/checkpoint")[0], 200)
            self.assertEqual(counting.asked, ["GET /logs/default/checkpoint"])

    def test_strangers_get_nothing(self):
        with self.view() as view:
            self.assertEqual(view.ask("GET", "view/terms", headers={"Host": "evil.example"})[0], 421)
            self.assertEqual(view.ask("GET", "view/terms",
                                      headers={"Origin": "http://evil.example"})[0], 403)
            self.assertEqual(view.ask("GET", "view/terms",
                                      headers={"Sec-Fetch-Site": "cross-site"})[0], 403)
            # Who does not know the folder's secret.
            for path in ["/", "/view/terms", "/logs", "/" + "0" * 32 + "/view/terms"]:
                self.assertEqual(view.ask("GET", path, whole=True)[0], 404, path)
            self.assertEqual(view.ask("GET", "view/terms")[0], 200)

    def test_server_that_is_away_is_said_to_be_away(self):
        with self.view() as view:
            self.assertEqual(view.ask("GET", "logs/default")[0], 200)
            self.server.stop()
            status, text = view.ask("GET", "logs/default")
            self.assertEqual(status, 502)
            self.assertEqual(json.loads(text)["reason"], "SERVER_UNREACHABLE")
            self.assertEqual(view.ask("GET", "")[0], 200)
            self.assertIsNone(view.seen(self.vkey))
            self.assertEqual(view.stop(), 0)

    def test_two_views_of_one_folder_and_damage_are_refused(self):
        with self.view() as view:
            self.raise_to(view, None)
            done = serving.run("view", "--server", http_of(self.server), "--policy", self.policy,
                               "--data", self.data, check=3)
            self.assertIn("--data", done.stderr)
            view.stop()
        [seen] = (self.data / "seen").iterdir()
        damaged = bytearray(seen.read_bytes())
        damaged[40] ^= 1
        seen.write_bytes(damaged)
        done = serving.run("view", "--server", http_of(self.server), "--policy", self.policy,
                           "--data", self.data, "--json", check=3)
        self.assertIn("DATA_LOSS", done.stderr)
        self.assertIn(seen.name, done.stderr)

    def test_wrong_flags_are_refused_with_words(self):
        ordinary = ["--server", http_of(self.server), "--policy", self.policy, "--data", self.data]

        def refused(flags, word):
            done = serving.run("view", *flags, check=2)
            self.assertIn(word, done.stdout + done.stderr)

        refused(ordinary[:2], "--policy")
        refused(ordinary[2:], "--server")
        refused(["--server", "ftp://x", *ordinary[2:]], "http")
        refused([*ordinary, "--listen", "0.0.0.0:0"], "this machine alone")
        empty = self.folder / "empty.policy"
        empty.write_text("quorum none\n")
        refused([*ordinary[:2], "--policy", empty, "--data", self.data], "names no log")
        refused([*ordinary, "--listen", "127.0.0.1"], "this machine alone")
        self.assertIn("Example:", serving.run("view", "--help").stdout)

    def test_memory_lies_in_the_users_own_folder_by_default(self):
        home = self.folder / "home"
        home.mkdir()
        environment = {"HOME": str(home), "XDG_DATA_HOME": ""}
        with View(self.folder, http_of(self.server), self.policy, env=environment) as view:
            self.assertEqual(view.said["data"], str(home / ".local/share/graven/view"))
            view.stop()
        self.assertTrue((home / ".local/share/graven/view/door").exists())

    def test_token_of_the_auditor_is_sent_and_not_shown(self):
        self.server.stop()
        config = self.folder / "tokens.toml"
        digest = hashlib.sha256(b"quite-a-secret-token").hexdigest()
        config.write_text(f'[[token]]\nsha256 = "{digest}"\nidentity = "auditor"\n')
        token = self.folder / "token"
        token.write_text("quite-a-secret-token\n")
        server = serving.Server(self.folder / "server", "--http", "127.0.0.1:0", "--config", config)
        self.addCleanup(server.__exit__)
        with self.view(server=http_of(server)) as view:
            self.assertEqual(view.ask("GET", "logs/default")[0], 401)
            view.stop()
        with self.view("--token-file", token, server=http_of(server)) as view:
            self.assertEqual(view.ask("GET", "logs/default")[0], 200)
            self.assertNotIn("quite-a-secret", view.ask("GET", "view/terms")[1] + view.ask("GET", "")[1])
        for elsewhere in ("http://192.0.2.1:7466", "http://127.0.0.1.example:7466/prefix"):
            done = serving.run("view", "--server", elsewhere, "--policy", self.policy, "--token-file", token, check=2)
            self.assertIn("in clear text", done.stderr)
            self.assertNotIn("quite-a-secret", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
