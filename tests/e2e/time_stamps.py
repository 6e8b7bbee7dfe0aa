"""A time stamp authority for the end-to-end tests: `openssl ts -reply` behind HTTP, and ways to go wrong."""
import http.server
import pathlib
import subprocess
import threading
import time

CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
[name]
CN = Time stamps
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[leaf]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = stamps
[stamps]
serial = {folder}/serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
"""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, status=200, headers=()):
        self.send_response(status)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        authority = self.server.authority
        query = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        authority.requests += 1
        mode = authority.mode
        if mode == "honest":
            self.answer(authority.stamp(query))
        elif mode == "foreign":  # signed by a key that nobody trusts
            self.answer(authority.stamp(query, "other"))
        elif mode == "stale":  # the reply to another question
            self.answer(authority.stale)
        elif mode == "refusing":
            self.answer(b"\x30\x05\x30\x03\x02\x01\x02")  # PKIStatus rejection
        elif mode == "garbage":
            self.answer(b"<html>")
        elif mode == "broken":
            self.answer(b"no", 500)
        elif mode == "redirecting":
            self.answer(b"", 307, [("Location", authority.redirect_to)])
        elif mode == "slow":
            authority.ended.wait(60)
        elif mode == "flooding":
            self.send_response(200)
            self.end_headers()
            try:
                while not authority.ended.is_set():
                    self.wfile.write(b"flood" * 20_000)
                    authority.flooded += 100_000
            except OSError:
                pass
        else:
            raise AssertionError(mode)


class Authority:
    """`ca` is the file to trust. `mode` may be changed at any time."""

    def __init__(self, folder, mode="honest"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.mode = mode
        self.requests = 0
        self.flooded = 0
        self.redirect_to = ""
        self.ended = threading.Event()
        self.lock = threading.Lock()
        (self.folder / "configuration").write_text(CONFIGURATION.format(folder=self.folder))
        (self.folder / "serial").write_text("01\n")
        self.ca = self.make_signer("trusted")
        self.make_signer("other")
        query = self.folder / "stale-query"
        subprocess.run(["openssl", "ts", "-query", "-digest", "00" * 32, "-sha256", "-cert", "-out",
                        str(query)], check=True, capture_output=True)
        self.stale = self.stamp(query.read_bytes())
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.authority = self
        self.url = f"http://127.0.0.1:{self.server.server_port}/stamp"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def make_signer(self, name):
        """A root and a certificate below it; returns the root's file."""
        path = lambda kind: self.folder / f"{name}-{kind}"
        configuration = self.folder / "configuration"
        for part in ("root", "leaf"):
            self.openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out",
                         path(f"{part}.key"))
        self.openssl("req", "-x509", "-new", "-key", path("root.key"), "-out", path("root.pem"),
                     "-days", 30, "-config", configuration, "-extensions", "root", "-subj",
                     f"/CN={name} root")
        self.openssl("req", "-new", "-key", path("leaf.key"), "-out", path("leaf.csr"), "-config",
                     configuration, "-subj", f"/O=Example/CN={name}")
        self.openssl("x509", "-req", "-in", path("leaf.csr"), "-CA", path("root.pem"), "-CAkey",
                     path("root.key"), "-CAcreateserial", "-days", 30, "-out", path("leaf.pem"),
                     "-extfile", configuration, "-extensions", "leaf")
        return path("root.pem")

    def stamp(self, query, signer="trusted"):
        with self.lock:
            number = time.monotonic_ns()
            asked, reply = self.folder / f"{number}.tsq", self.folder / f"{number}.tsr"
            asked.write_bytes(query)
            self.openssl("ts", "-reply", "-config", self.folder / "configuration", "-queryfile",
                         asked, "-signer", self.folder / f"{signer}-leaf.pem", "-inkey",
                         self.folder / f"{signer}-leaf.key", "-out", reply)
            return reply.read_bytes()

    def stop(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
