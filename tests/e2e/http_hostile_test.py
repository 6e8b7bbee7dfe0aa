"""Hostile and slow HTTP clients against the real binary: the others are served and the memory stays flat."""
import http.client
import json
import os
import resource
import shutil
import socket
import ssl
import subprocess
import threading
import time
import unittest
import urllib.parse

import serving
from tiles import append

TOKEN = "correct-horse"


def memory_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Hostile(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("http-hostile")
        self.sockets = []

    def tearDown(self):
        for one in self.sockets:
            one.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def server(self, *flags, **options):
        return serving.Server(self.folder, *(flags or ("--http", "127.0.0.1:0")), **options)

    def place(self, server, number=0):
        where = urllib.parse.urlsplit(server.ready["http"][number])
        return where.hostname, where.port

    def connect(self, server):
        one = socket.create_connection(self.place(server), timeout=20)
        self.sockets.append(one)
        return one

    def ask(self, server, raw):
        """What comes for these bytes until the server closes."""
        one = self.connect(server)
        try:
            one.sendall(raw)
            one.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has closed already; what it said is still there
        said = b""
        try:
            while piece := one.recv(65536):
                said += piece
        except ConnectionResetError:
            pass
        return said

    def get(self, server, path="/logs/default/checkpoint", **headers):
        connection = http.client.HTTPConnection(*self.place(server), timeout=30)
        connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def assert_others_are_served(self, server):
        for _ in range(5):
            self.assertEqual(self.get(server)[0], 200)

    def test_slow_heads_leave_others_served(self):
        with self.server() as server:
            self.assert_others_are_served(server)
            slow = [self.connect(server) for _ in range(900)]
            for one in slow:
                one.sendall(b"GET /logs/default/checkpoint HTTP/1.1\r\nHost: localhost\r\nX-A: ")
            for _ in range(3):
                self.assert_others_are_served(server)
                for one in slow:
                    one.sendall(b"a")
            # A head that never ends is given up.
            slow[-1].settimeout(30)
            said = slow[-1].recv(4096)
            self.assertTrue(said.startswith(b"HTTP/1.1 408 "), said)
            self.assert_others_are_served(server)

    def test_more_connections_than_there_are_places(self):
        config = self.folder / "graven.toml"
        config.write_text('[http]\nlisten = ["127.0.0.1:0"]\nconnections = 64\n')
        with self.server("--config", config) as server:
            for _ in range(1500):
                self.connect(server)
            self.assert_others_are_served(server)
            self.assertLess(len(os.listdir(f"/proc/{server.pid}/fd")), 64 + 100)
            # gRPC notices nothing.
            append(server.address, 10, "e")

    def test_floods_of_headers_and_bodies_take_no_memory(self):
        with self.server() as server:
            append(server.address, 300, "e")
            self.assert_others_are_served(server)
            before = memory_bytes(server.pid)

            def headers():
                one = self.connect(server)
                try:
                    one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
                    for number in range(20_000):
                        one.sendall(b"X-%d: %s\r\n" % (number, b"a" * 1000))
                    self.fail("20 MB of headers were taken")
                except OSError:
                    pass

            def bodies(head):
                one = self.connect(server)
                try:
                    one.sendall(head)
                    for _ in range(20_000):
                        one.sendall(b"3e8\r\n" + b"a" * 1000 + b"\r\n")
                    self.fail("20 MB of body were taken")
                except OSError:
                    pass

            threads = [threading.Thread(target=headers) for _ in range(20)]
            for head in (b"POST /logs/default/events HTTP/1.1\r\nHost: localhost\r\n"
                         b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
                         b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"):
                threads += [threading.Thread(target=bodies, args=(head,)) for _ in range(20)]
            for thread in threads:
                thread.start()
            self.assert_others_are_served(server)
            for thread in threads:
                thread.join()
            self.assert_others_are_served(server)
            self.assertLess(memory_bytes(server.pid) - before, 100 << 20)

    def test_readers_that_do_not_read_leave_others_served(self):
        with self.server() as server:
            # Bundles of some megabytes each.
            lines = "".join(json.dumps({"eventId": f"e{i}", "actor": {"id": "alice"}, "action": "a.b",
                                        "occurredAt": "2026-01-02T03:04:05Z",
                                        "detailsStruct": {"text": "x" * 30_000}}) + "\n" for i in range(256))
            serving.run("append", "-", "--server", server.address, input=lines)
            end = time.monotonic() + 30
            while self.get(server, "/logs/default/tile/entries/000")[0] != 200:
                self.assertLess(time.monotonic(), end)
            before = memory_bytes(server.pid)
            for _ in range(200):
                one = self.connect(server)
                one.sendall(b"GET /logs/default/tile/entries/000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for _ in range(5):
                status, body = self.get(server, "/logs/default/tile/entries/000")
                self.assertEqual(status, 200)
                self.assertGreater(len(body), 7_000_000)
            self.assertLess(memory_bytes(server.pid) - before, 500 << 20)

    def test_what_two_readers_could_read_in_two_ways_is_refused(self):
        smuggled = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with self.server() as server:
            for lengths in (b"Transfer-Encoding: chunked\r\nContent-Length: 5",
                            b"Content-Length: 5\r\nTransfer-Encoding: chunked",
                            b"Content-Length: 0\r\nContent-Length: 0", b"Content-Length: 0, 0",
                            b"Content-Length: -1", b"Transfer-Encoding: chunked, identity",
                            b"Transfer-Encoding: \x00chunked", b"Transfer_Encoding : chunked"):
                said = self.ask(server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + lengths +
                                b"\r\n\r\n" + smuggled)
                self.assertRegex(said[:12], rb"HTTP/1.1 (400|501)", lengths)
                self.assertEqual(said.count(b"HTTP/1.1 "), 1, lengths)
            for raw in (b"GET /healthz HTTP/1.1\nHost: localhost\n\n", b"GET  /healthz HTTP/1.1\r\n\r\n",
                        b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n", b"GET /healthz\r\n\r\n",
                        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n : x\r\n\r\n",
                        b"GET /healthz HTTP/1.1\r\nHost: local\x00host\r\n\r\n"):
                self.assertNotIn(b"HTTP/1.1 200", self.ask(server, raw), raw)
            self.assert_others_are_served(server)

    def test_names_of_nobody_here_and_pages_of_others_are_refused(self):
        config = self.folder / "graven.toml"
        config.write_text('[http]\nlisten = ["127.0.0.1:0"]\nallowed_hosts = ["audit.example.com"]\n')
        with self.server("--config", config) as server:
            for host, status in (("localhost", 200), ("127.0.0.1:9", 200), ("audit.example.com", 200),
                                 ("rebound.example.net", 421), ("0.0.0.0", 421), ("[::]", 421)):
                self.assertEqual(self.get(server, Host=host)[0], status, host)
            for headers in ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
                            {"Origin": "http://evil.example"}, {"Origin": "null"}):
                self.assertEqual(self.get(server, **headers)[0], 403, headers)
                self.assertEqual(self.get(server, "/nothere", **headers)[0], 403, headers)

    def test_the_network_needs_tls_and_authentication(self):
        data = self.folder / "data"
        done = serving.run("serve", "--data", data, "--listen", "127.0.0.1:0", "--http", "0.0.0.0:0", check=2)
        self.assertIn("can be reached from the network", done.stderr)
        done = serving.run("serve", "--data", data, "--listen", "127.0.0.1:0", "--http", "nonsense", check=2)
        self.assertIn("nonsense is not HOST:PORT", done.stderr)
        self.assertFalse(data.exists())
        taken = socket.create_server(("127.0.0.1", 0))
        self.sockets.append(taken)
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = serving.run("serve", "--data", data, "--listen", "127.0.0.1:0", "--http", address, check=3)
        self.assertIn(f"cannot listen on {address}", done.stderr)

    def test_tokens_and_certificates_are_those_of_grpc(self):
        make = lambda *words: subprocess.run(["openssl", *words], cwd=self.folder, check=True,
                                             capture_output=True)
        make("req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj",
             "/CN=ca", "-days", "2")
        for name in ("server", "client"):
            make("req", "-newkey", "ed25519", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                 "-subj", f"/CN={name}")
            (self.folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
            make("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-out",
                 f"{name}.crt", "-days", "2", "-extfile", "names")
        digest = subprocess.run(["sha256sum"], input=TOKEN.encode(), capture_output=True,
                                check=True).stdout.split()[0].decode()
        config = self.folder / "graven.toml"
        config.write_text(f'[tls]\ncertificate = "{self.folder}/server.crt"\nkey = "{self.folder}/server.key"\n'
                          f'client_ca = "{self.folder}/ca.crt"\n[http]\nlisten = ["0.0.0.0:0"]\n'
                          f'[[token]]\nsha256 = "{digest}"\nidentity = "auditor"\n')
        with self.server("--config", config,
                         listen=("unix:" + str(self.folder / "g"), "127.0.0.1:0")) as server:
            port = urllib.parse.urlsplit(server.ready["http"][0]).port
            self.assertTrue(server.ready["http"][0].startswith("https://0.0.0.0:"))

            def get(path, certificate=False, **headers):
                context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
                if certificate:
                    context.load_cert_chain(self.folder / "client.crt", self.folder / "client.key")
                connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                return answer.status, answer.read()

            checkpoint = "/logs/default/checkpoint"
            self.assertEqual(get(checkpoint)[0], 401)
            self.assertEqual(get(checkpoint, Authorization="Bearer wrong")[0], 401)
            self.assertEqual(get(checkpoint, Authorization=f"Bearer {TOKEN}")[0], 200)
            self.assertEqual(get(checkpoint, certificate=True)[0], 200)
            # What a page needs to fill in commands, and they run as it fills them in.
            said = json.loads(get("/status", Authorization=f"Bearer {TOKEN}")[1])["grpc"]
            address = server.ready["grpc"][1]
            self.assertEqual(said, {"host": "", "port": int(address.rsplit(":", 1)[1]), "tls": True,
                                    "token": True, "clientCertificate": True})
            for words in (("--tls-ca", "ca.crt"),
                          ("--tls-ca", "ca.crt", "--tls-cert", "client.crt", "--tls-key", "client.key")):
                environment = {**os.environ, **({} if "--tls-cert" in words else {"GRAVEN_TOKEN": TOKEN})}
                listed = subprocess.run(
                    [serving.BINARY, "logs", "list", "--server", address, "--tls", *words],
                    cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)
                self.assertEqual((listed.returncode, "default" in listed.stdout), (0, True), listed.stderr)
            # What says nothing about the logs is for whoever watches over the process.
            self.assertEqual(get("/healthz")[0], 200)
            # Nor does the page by itself: it asks for a token.
            self.assertEqual(get("/")[0], 200)
            self.assertEqual(get("/logs")[0], 401)
            # A peer that speaks no TLS, or begins it and says nothing, is no reason to wait.
            self.assertEqual(socket.create_connection(("127.0.0.1", port)).sendall(b"GET / HTTP/1.1\r\n\r\n"), None)
            for _ in range(100):
                one = socket.create_connection(("127.0.0.1", port), timeout=20)
                self.sockets.append(one)
                one.sendall(b"\x16\x03\x01")
            self.assertEqual(get(checkpoint, certificate=True)[0], 200)

    def test_a_unix_socket_is_served(self):
        path = self.folder / "http.sock"
        with self.server("--http", f"unix:{path}") as server:
            self.assertEqual(server.ready["http"], [f"unix:{path}"])
            done = subprocess.run(["curl", "-s", "--unix-socket", str(path), "http://graven/healthz"],
                                  capture_output=True, check=True)
            self.assertEqual(done.stdout, b"ok\n")
            self.assertEqual(server.stop(), 0)
        self.assertFalse(path.exists())

    def test_a_stop_waits_for_no_idle_client(self):
        with self.server() as server:
            idle = [self.connect(server) for _ in range(20)]
            begun = self.connect(server)
            begun.sendall(b"GET / HTTP/1.1\r\nHost")
            # Doors are opened in the order of knocking: these are all in when a later one has been answered. One that
            # still stood outside would be reset by the kernel when the door closes.
            self.assertEqual(self.get(server)[0], 200)
            began = time.monotonic()
            self.assertEqual(server.stop(), 0)
            for one in idle:
                self.assertEqual(one.recv(1), b"")
            self.assertGreater(60, time.monotonic() - began)


if __name__ == "__main__":
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    unittest.main(warnings="ignore")
