"""The alerts' webhook against receivers that are not as they should be: what waits is bounded, kept over a restart,
sent in order and signed; nothing is followed elsewhere, and nobody can hold up the server."""
import hashlib
import hmac
import http.server
import json
import shutil
import threading
import time
import unittest
import urllib.request

import serving

serving.stubs()
import grpc  # noqa: E402
from graven.v1 import audit_log_service_pb2 as pb  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as rpc  # noqa: E402
from graven.v1 import event_pb2  # noqa: E402

SECRET = b"sixteen bytes or more"
RULE = '[[alert]]\nname = "denied"\nquery = "outcome:denied"\nby = "actor.id"\n'


def wait_for(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Receiver:
    """Answers as `mode` says; keeps what it took, and counts what it did not."""

    def __init__(self):
        self.mode = "take"
        self.taken, self.tries, self.problems = [], [], []
        self.redirected = 0
        self.let_go = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.check(self.headers, body)
                mode = outer.mode
                outer.tries.append((mode, self.headers["Graven-Delivery"]))
                if self.path != "/hook":
                    outer.redirected += 1
                elif mode == "hang":
                    outer.let_go.wait(60)
                elif mode == "flood":
                    self.send_response(200)
                    self.end_headers()
                    try:
                        while not outer.let_go.is_set():
                            self.wfile.write(b"x" * 65_536)
                    except OSError:
                        pass
                elif mode == "redirect":
                    self.send_response(307)
                    self.send_header("Location", outer.url + "/elsewhere")
                    self.end_headers()
                elif mode == "busy":
                    self.send_response(503)
                    self.end_headers()
                else:
                    outer.taken.append(json.loads(body))
                    self.send_response(200)
                    self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def check(self, headers, body):
        """As docs/operations.md tells a receiver to."""
        signed = f"{headers['Graven-Timestamp']}.{headers['Graven-Delivery']}.".encode() + body
        want = "v1=" + hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(want, headers["Graven-Signature"]):
            self.problems.append("signature")
        if abs(int(headers["Graven-Timestamp"]) - time.time()) > 300:
            self.problems.append("time stamp")
        if json.loads(body)["delivery"] != headers["Graven-Delivery"]:
            self.problems.append("delivery")

    def seen(self, mode):
        return sum(one == mode for one, _ in self.tries)

    def notices(self):
        return [notice for delivery in self.taken for notice in delivery["notices"]]


class Webhook(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("webhook")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.receiver = Receiver()
        self.addCleanup(self.receiver.server.server_close)
        self.addCleanup(self.receiver.server.shutdown)
        self.addCleanup(self.receiver.let_go.set)

    def serve(self, allow='allow_hosts = ["127.0.0.1"]\n'):
        (self.folder / "secret").write_bytes(SECRET + b"\n")
        configuration = self.folder / "graven.toml"
        configuration.write_text(f'{RULE}[webhook]\nurl = "{self.receiver.url}"\nvalues = true\n{allow}'
                                 f'secret_file = "{self.folder / "secret"}"\n')
        server = serving.Server(self.folder, "--config", configuration, "--http", "127.0.0.1:0")
        self.addCleanup(server.__exit__)
        # The rule watches from here on.
        wait_for((self.folder / "data/alerts/denied.place").exists, "the rule has no place")
        return server

    def append(self, server, first, count):
        events = []
        for number in range(first, first + count):
            events.append(event_pb2.Event(event_id=f"w-{number}", action="door.open",
                                          outcome=event_pb2.OUTCOME_DENIED))
            events[-1].actor.id = f"a-{number}"
            events[-1].occurred_at.seconds = 1_700_000_000
        with grpc.insecure_channel(server.address) as channel:
            rpc.AuditLogServiceStub(channel).Append(pb.AppendRequest(events=events), timeout=60)

    def metric(self, server, name):
        with urllib.request.urlopen(server.ready["http"][0] + "/metrics", timeout=30) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.split()[-1])
        return 0.0

    def values(self):
        return [notice["value"] for notice in self.receiver.notices()]

    def test_while_it_is_busy_a_thousand_wait_and_the_rest_is_counted_and_a_restart_goes_on_in_order(self):
        self.receiver.mode = "busy"
        server = self.serve()
        self.append(server, 0, 1100)
        wait_for(lambda: self.metric(server, 'graven_alerts_total{alert="denied"}') == 1100, "not all are raised")
        wait_for(lambda: self.metric(server, "graven_alert_notices_left_out_total") == 100, "100 are left out")
        self.assertEqual(self.metric(server, "graven_alert_notices_waiting"), 1000)
        wait_for(lambda: self.receiver.seen("busy") >= 2, "it is not tried again")
        self.assertGreaterEqual(self.metric(server, "graven_alert_delivery_failures_total"), 1)
        server.kill()
        # Each try begins with the same notice, however many have come to wait behind it.
        self.assertEqual(len({one.split("-")[1] for _, one in self.receiver.tries}), 1, self.receiver.tries)
        self.receiver.mode = "take"
        server = self.serve()
        wait_for(lambda: len(self.receiver.taken) >= 2, "what waited did not come")
        first, second = self.receiver.taken[:2]
        self.assertEqual((first["left_out"], second["left_out"]), (100, 0))
        self.assertEqual(self.values()[:100], [f"a-{number}" for number in range(100)])
        self.assertEqual(self.receiver.problems, [])
        self.assertEqual(server.stop(), 0)

    def test_a_redirect_is_not_followed_and_the_notice_waits(self):
        self.receiver.mode = "redirect"
        server = self.serve()
        self.append(server, 0, 1)
        wait_for(lambda: self.receiver.seen("redirect") >= 2, "it is not tried again")
        self.assertEqual(self.receiver.redirected, 0)
        self.receiver.mode = "take"
        wait_for(lambda: self.values() == ["a-0"], "it did not come")
        self.assertEqual(server.stop(), 0)

    def test_one_that_hangs_or_floods_holds_up_neither_rules_nor_the_stop(self):
        for mode in ("flood", "hang"):
            with self.subTest(mode):
                self.receiver.mode = mode
                server = self.serve()
                first = 0 if mode == "flood" else 10
                self.append(server, first, 1)
                wait_for(lambda: self.receiver.seen(mode) >= 1, "nothing was sent")
                # It is counted once it is queued, and so perhaps after it has come.
                raised = 'graven_alerts_total{alert="denied"}'
                wait_for(lambda: self.metric(server, raised) == 1, "the first is not counted")
                self.append(server, first + 1, 5)
                wait_for(lambda: self.metric(server, raised) == 6, "the rule waits for the receiver")
                self.assertEqual(server.stop(), 0)
        self.receiver.mode = "take"
        self.receiver.let_go.set()
        server = self.serve()
        wanted = [f"a-{number}" for number in (*range(6), *range(10, 16))]
        # One that flooded may have been told with the answer's first line; whoever hung was not.
        wait_for(lambda: set(self.values()) >= set(wanted[-6:]), "what waited did not come")
        self.assertEqual(self.values(), sorted(self.values(), key=lambda value: int(value[2:])))
        self.assertEqual(self.receiver.problems, [])
        self.assertEqual(server.stop(), 0)

    def test_a_private_address_is_not_called_unless_it_is_allowed(self):
        server = self.serve(allow="")
        self.append(server, 0, 1)
        wait_for(lambda: self.metric(server, "graven_alert_delivery_failures_total") >= 1, "no try has failed")
        self.assertEqual(self.receiver.tries, [])
        self.assertEqual(self.metric(server, "graven_alert_notices_waiting"), 1)
        self.assertEqual(server.stop(), 0)
        server = self.serve()
        wait_for(lambda: self.values() == ["a-0"], "it did not come")
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
