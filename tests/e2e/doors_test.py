"""Who may come in by gRPC, and what the server says when something is wrong with the caller, with how many there are,
with the line between, or with the disk under it."""
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest

import serving

serving.stubs()
import grpc  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from graven.v1 import audit_log_service_pb2 as pb  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as rpc  # noqa: E402
from graven.v1 import event_pb2  # noqa: E402

TOKEN = "a-token-of-some-length-that-nobody-guesses"


def event(event_id):
    made = event_pb2.Event(event_id=event_id, action="door.open")
    made.actor.id = "somebody"
    made.occurred_at.seconds = 1_700_000_000
    return made


def reason_of(error):
    """The ErrorInfo's reason, and whether a RetryInfo came with it."""
    raw = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
    reason, retry = "", False
    for detail in status_pb2.Status.FromString(raw).details:
        info = error_details_pb2.ErrorInfo()
        reason = info.reason if detail.Unpack(info) else reason
        retry = retry or detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR)
    return reason, retry


def wait_for(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, what
        time.sleep(0.02)


def append(server, *flags, check=0, env=None):
    return serving.run("append", "--actor", "a", "--action", "b", "--server", server.address, "--json", *flags,
                       check=check, env={**os.environ, **(env or {})})


class Identities(unittest.TestCase):
    """TLS, client certificates and tokens, by the commands and by stock gRPC."""

    @classmethod
    def setUpClass(cls):
        cls.folder = serving.make_folder("doors-identities")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        for authority in ("ca", "other"):
            cls.openssl("req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", f"{authority}.key", "-out",
                        f"{authority}.crt", "-subj", f"/CN={authority}", "-days", "2")
        cls.certificate("server", "ca", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        cls.certificate("payments", "ca", "subjectAltName=URI:spiffe://example.org/payments")
        cls.certificate("plain", "ca", "basicConstraints=CA:FALSE")
        cls.certificate("stranger", "other", "subjectAltName=DNS:payments")

    @classmethod
    def openssl(cls, *words):
        subprocess.run(["openssl", *words], cwd=cls.folder, check=True, capture_output=True)

    @classmethod
    def certificate(cls, name, authority, extension):
        (cls.folder / "extension").write_text(extension + "\n")
        cls.openssl("req", "-newkey", "ed25519", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                    f"/CN={name}")
        cls.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.crt", "-CAkey", f"{authority}.key",
                    "-out", f"{name}.crt", "-days", "2", "-extfile", "extension")

    def serve(self, name, text):
        config = self.folder / f"{name}.toml"
        config.write_text(f'[tls]\ncertificate = "{self.folder}/server.crt"\nkey = "{self.folder}/server.key"\n{text}')
        server = serving.Server(self.folder / name, "--config", config)
        self.addCleanup(server.__exit__)
        return server

    def by(self, name):
        return ("--tls-ca", self.folder / "ca.crt", "--tls-cert", self.folder / f"{name}.crt", "--tls-key",
                self.folder / f"{name}.key")

    def writers(self, server, *flags, **options):
        done = serving.run("tail", "--from", "0", "--json", "--server", server.address, *flags,
                           env={**os.environ, **options})
        return [json.loads(line)["written_by"] for line in done.stdout.splitlines()]

    def test_a_certificate_says_who_wrote_by_its_row_or_by_its_own_name(self):
        server = self.serve("certificates", f'client_ca = "{self.folder}/ca.crt"\n[[client]]\n'
                            'name = "spiffe://example.org/payments"\nidentity = "payments"\n')
        append(server, *self.by("payments"))
        append(server, *self.by("plain"))
        self.assertEqual(self.writers(server, *self.by("plain")), ["payments", "mtls:plain"])
        # One of another authority, none, and no TLS at all: each is refused before anything is asked.
        for flags in (self.by("stranger"), ("--tls-ca", self.folder / "ca.crt"), ()):
            append(server, *flags, check=3)
        # A server whose certificate another authority signed is not spoken to.
        done = append(server, "--tls-ca", self.folder / "other.crt", *self.by("payments")[2:], check=3)
        self.assertRegex(done.stderr.lower(), "certificate|handshake|tls|ssl")
        self.assertEqual(len(self.writers(server, *self.by("plain"))), 2)
        self.assertEqual(server.stop(), 0)

    def test_a_token_says_who_wrote_and_a_wrong_one_is_named(self):
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        server = self.serve("tokens", f'[[token]]\nsha256 = "{digest}"\nidentity = "auditor"\n')
        ca = ("--tls-ca", self.folder / "ca.crt")
        append(server, *ca, env={"GRAVEN_TOKEN": TOKEN})
        (self.folder / "token").write_text(TOKEN + "\n")
        append(server, *ca, "--token-file", self.folder / "token")
        self.assertEqual(self.writers(server, *ca, GRAVEN_TOKEN=TOKEN), ["auditor", "auditor"])
        for env, words in (({"GRAVEN_TOKEN": TOKEN[:-1]}, "the bearer token is not known here"),
                           ({}, "authorization: Bearer TOKEN is required")):
            done = append(server, *ca, check=None, env=env)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr)
            self.assertNotIn(TOKEN[:-1], done.stderr)
        credentials = grpc.ssl_channel_credentials((self.folder / "ca.crt").read_bytes())
        with grpc.secure_channel(server.address, credentials) as channel:
            stub = rpc.AuditLogServiceStub(channel)
            for metadata, reason in (((("authorization", "Bearer wrong"),), "TOKEN_UNKNOWN"), ((), "TOKEN_MISSING"),
                                     ((("authorization", "Basic " + TOKEN),), "TOKEN_UNKNOWN")):
                calls = (lambda: stub.Append(pb.AppendRequest(events=[event("x")]), metadata=metadata, timeout=30),
                         lambda: next(stub.Tail(pb.TailRequest(), metadata=metadata, timeout=30)),
                         lambda: next(stub.AppendStream(iter(()), metadata=metadata, timeout=30)),
                         lambda: stub.GetStatus(pb.GetStatusRequest(), metadata=metadata, timeout=30))
                for call in calls:
                    with self.assertRaises(grpc.RpcError) as refused:
                        call()
                    self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAUTHENTICATED)
                    self.assertEqual(reason_of(refused.exception)[0], reason)
            sent = stub.Append(pb.AppendRequest(events=[event("y")]), timeout=30,
                               metadata=(("authorization", "bearer " + TOKEN),))
            self.assertEqual(sent.receipts[0].index, 2)
        self.assertNotIn(TOKEN, server.log_path.read_text())
        self.assertEqual(server.stop(), 0)


class Crowds(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("doors-crowds")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def serve(self, *flags):
        server = serving.Server(self.folder, *flags)
        self.addCleanup(server.__exit__)
        channel = grpc.insecure_channel(server.address)
        self.addCleanup(channel.close)
        return server, rpc.AuditLogServiceStub(channel)

    def refused(self, call, reason):
        with self.assertRaises(grpc.RpcError) as failed:
            call()
        self.assertEqual(failed.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(reason_of(failed.exception), (reason, True))

    def admitted(self, call):
        """Soon: a place is free a moment after the one who had it has left."""
        def attempt():
            try:
                return call()
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
                return None
        return wait_for(attempt, "nobody was let in although one has left")

    def test_one_stream_and_one_tailer_too_many_are_refused_until_another_ends(self):
        config = self.folder / "graven.toml"
        config.write_text("[limits]\nstreams = 3\ntailers = 2\n")
        server, stub = self.serve("--config", config)
        ends = []

        def stream(name):
            end = threading.Event()

            def requests():
                yield pb.AppendStreamRequest(events=[event(name)])
                end.wait(60)

            call = stub.AppendStream(requests(), timeout=60)
            next(call)
            ends.append((end, call))
            return call

        for number in range(3):
            stream(f"s-{number}")
        self.refused(lambda: stream("s-refused"), "TOO_MANY_STREAMS")
        tails = [stub.Tail(pb.TailRequest(from_index=0), timeout=60) for _ in range(2)]
        for tail in tails:
            next(tail)
        self.refused(lambda: next(stub.Tail(pb.TailRequest(from_index=0), timeout=60)), "TOO_MANY_TAILERS")
        done = serving.run("tail", "--from", "0", "--limit", "1", "--follow", "--server", server.address, check=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("too many calls follow logs", done.stderr)
        # Whoever has a place keeps it, and appends of their own need none.
        stub.Append(pb.AppendRequest(events=[event("unary")]), timeout=30)
        ends[0][0].set()
        tails[0].cancel()
        self.admitted(lambda: stream("s-later"))
        self.admitted(lambda: next(stub.Tail(pb.TailRequest(from_index=0), timeout=60)))
        for end, call in ends:
            end.set()
            call.cancel()
        tails[1].cancel()
        self.assertEqual(server.stop(), 0)

    def test_a_stop_under_the_load_of_64_appenders_loses_nothing_and_answers_everybody(self):
        server, _ = self.serve()
        acknowledged, ends, lock = {}, [], threading.Lock()

        def appender(number):
            with grpc.insecure_channel(server.address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
                stub = rpc.AuditLogServiceStub(channel)
                for i in range(10**9):
                    name = f"d-{number}-{i}"
                    try:
                        reply = stub.Append(pb.AppendRequest(events=[event(name)]), timeout=60)
                    except grpc.RpcError as error:
                        with lock:
                            ends.append((error.code(), error.details()))
                        return
                    with lock:
                        acknowledged[name] = reply.receipts[0].index

        threads = [threading.Thread(target=appender, args=(number,)) for number in range(64)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len({name.split("-")[1] for name in list(acknowledged)}) == 64 and len(acknowledged) > 640,
                 "not all of them append")
        self.assertEqual(server.stop(), 0)
        for thread in threads:
            thread.join(timeout=60)
            self.assertFalse(thread.is_alive(), "somebody waits for an answer of a server that has ended")
        # CANCELLED is what gRPC says of a call that comes in while it closes (docs/errors.md).
        self.assertEqual(len(ends), 64)
        self.assertLessEqual({code for code, _ in ends}, {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED},
                             ends[:4])
        with serving.Server(self.folder) as again:
            done = serving.run("tail", "--from", "0", "--json", "--server", again.address)
            stored = {}
            for line in done.stdout.splitlines():
                record = json.loads(line)
                self.assertNotIn(record["event"]["event_id"], stored)
                stored[record["event"]["event_id"]] = int(record["index"])
            self.assertEqual({name: stored.get(name) for name in acknowledged}, acknowledged)
            self.assertEqual(again.stop(), 0)


class CuttingProxy:
    """Passes bytes on, and cuts `cuts` connections after so many of them from the client. One that its client ends
    before, having opened one more than it needs, does not count."""

    def __init__(self, address, cut_after, cuts):
        host, port = address.rsplit(":", 1)
        self.upstream = (host, int(port))
        self.cut_after = cut_after
        self.cuts_max, self.cuts, self.lock = cuts, 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
                server = socket.create_connection(self.upstream)
            except OSError:
                return
            threading.Thread(target=self.up, args=(client, server), daemon=True).start()
            threading.Thread(target=self.down, args=(client, server), daemon=True).start()

    def up(self, client, server):
        passed = 0
        try:
            while data := client.recv(4096):
                passed += len(data)
                if passed >= self.cut_after and self.may_cut():
                    server.sendall(data[:len(data) // 2])
                    break
                server.sendall(data)
        except OSError:
            pass
        for one in (client, server):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def may_cut(self):
        with self.lock:
            may = self.cuts < self.cuts_max
            self.cuts += may
            return may

    @staticmethod
    def down(client, server):
        try:
            while True:
                data = server.recv(4096)
                if not data:
                    return
                client.sendall(data)
        except OSError:
            pass


class Lines(unittest.TestCase):
    def test_a_client_whose_connection_is_cut_again_and_again_appends_each_line_once(self):
        folder = serving.make_folder("doors-lines")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        with serving.Server(folder) as server:
            proxy = CuttingProxy(server.address, cut_after=50_000, cuts=4)
            self.addCleanup(proxy.listener.close)
            lines = "".join(json.dumps({"actor": {"id": "a"}, "action": "b", "requestId": f"r-{i}",
                                        "occurredAt": "2026-01-02T03:04:05Z"}) + "\n" for i in range(5_000))
            done = serving.run("append", "-", "--json", "--server", proxy.address, input=lines)
            self.assertEqual(proxy.cuts, 4, "connections that were cut in the middle of what they sent")
            told = serving.run("tail", "--from", "0", "--json", "--server", server.address).stdout.splitlines()
            requests = [json.loads(line)["event"]["request_id"] for line in told]
            self.assertEqual(requests, [f"r-{i}" for i in range(5_000)], done.stdout[-300:])
            self.assertEqual(server.stop(), 0)


class Disks(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("doors-disks")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    @unittest.skipUnless(os.geteuid() == 0, "skipped: only root can give a folder away")
    def test_a_folder_of_another_user_is_refused_and_both_are_named(self):
        with serving.Server(self.folder) as server:
            append(server)
            self.assertEqual(server.stop(), 0)
        data = self.folder / "data"
        os.chown(data, 12_345, -1)
        done = serving.run("serve", "--data", data, "--listen", "127.0.0.1:0", check=None, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("12345", done.stderr)
        self.assertIn(str(data), done.stderr)
        os.chown(data, 0, -1)
        with serving.Server(self.folder) as server:  # nothing of it was touched
            self.assertEqual(json.loads(append(server).stdout)["index"], 1)
            self.assertEqual(server.stop(), 0)

    @unittest.skipUnless(shutil.which("strace"), "skipped: strace is not installed")
    def test_a_sync_that_fails_stops_writing_with_words_and_a_restart_recovers(self):
        trace = self.folder / "trace"
        with serving.Server(self.folder, "--http", "127.0.0.1:0") as server:
            first = json.loads(append(server).stdout)
            # Of the journal alone: what else is synced behind its back does not matter here.
            journal = [word for path in sorted((self.folder / "data/journal").iterdir()) for word in ("-P", path)]
            tracer = subprocess.Popen(["strace", "-f", "-p", str(server.pid), "-o", trace, *journal, "-e",
                                       "trace=fdatasync", "-e", "inject=fdatasync:error=EIO"],
                                      stderr=subprocess.PIPE, text=True)
            self.addCleanup(tracer.stderr.close)
            self.addCleanup(tracer.wait)
            self.addCleanup(tracer.kill)
            self.assertIn("attached", tracer.stderr.readline())
            with grpc.insecure_channel(server.address) as channel:
                stub = rpc.AuditLogServiceStub(channel)
                with self.assertRaises(grpc.RpcError) as unknown:
                    stub.Append(pb.AppendRequest(events=[event("unknown")]), timeout=30)
                self.assertEqual(unknown.exception.code(), grpc.StatusCode.UNAVAILABLE)
                self.assertEqual(reason_of(unknown.exception)[0], "OUTCOME_UNKNOWN")
                with self.assertRaises(grpc.RpcError) as stopped:
                    stub.Append(pb.AppendRequest(events=[event("later")]), timeout=30)
                self.assertEqual(stopped.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
                self.assertEqual(reason_of(stopped.exception)[0], "WRITES_STOPPED")
                # What was acknowledged is read as before.
                self.assertEqual(len(stub.Read(pb.ReadRequest()).records), 1)
            wait_for(lambda: "(INJECTED)" in trace.read_text(), "the fault did not fire")
            done = append(server, check=None)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("restart", done.stderr)
            status = serving.run("status", "--server", server.address, check=None)
            self.assertIn("stopped", (status.stdout + status.stderr).lower())
            wait_for(lambda: re.search("sync.*(Input/output error|EIO)", server.log_path.read_text()),
                     "the operational log does not say that the sync failed")
            server.kill()
        with serving.Server(self.folder) as server:
            # The same event again finds out what became of it; here nobody lost power.
            with grpc.insecure_channel(server.address) as channel:
                again = rpc.AuditLogServiceStub(channel).Append(pb.AppendRequest(events=[event("unknown")]), timeout=30)
            self.assertEqual(again.receipts[0].index, first["index"] + 1)
            self.assertEqual(server.stop(), 0)
        serving.run("verify", "--data", self.folder / "data")


if __name__ == "__main__":
    unittest.main(verbosity=2)
