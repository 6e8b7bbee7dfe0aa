"""grpcurl appends, tails and asks for health with no proto file: reflection is on. And the probe that
orchestrators use is answered."""
import json
import subprocess
import unittest

import serving

GRPCURL = serving.ROOT / "build" / "tools" / "grpcurl"
PROBE = serving.ROOT / "build" / "tools" / "grpc-health-probe"


@unittest.skipUnless(GRPCURL.exists(), "skipped: grpcurl is not in build/tools (tools/get_grpc_tools.sh)")
class Grpcurl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = serving.Server(serving.make_folder("grpcurl"))

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def call(self, method, request=None, check=0):
        command = [str(GRPCURL), "-plaintext", "-max-time", "20"]
        if request is not None:
            command += ["-d", json.dumps(request)]
        done = subprocess.run([*command, self.server.address, *method.split()],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode == 0, check == 0, done.stderr)
        return done.stdout + done.stderr

    def test_services_are_listed(self):
        listed = self.call("list").split()
        for service in ("AuditLogService", "graven.v1.AuditLogService", "grpc.health.v1.Health"):
            self.assertIn(service, listed)
        self.assertIn("rpc AppendStream", self.call("describe graven.v1.AuditLogService"))

    def test_an_event_is_appended_and_tailed(self):
        event = {"actor": {"id": "alice"}, "action": "invoice.approve",
                 "occurred_at": "2026-01-02T03:04:05Z", "outcome": "OUTCOME_SUCCESS",
                 "targets": [{"type": "invoice", "id": "42"}]}
        reply = json.loads(self.call("graven.v1.AuditLogService/Append", {"events": [event]}))
        self.assertEqual(len(reply["receipts"]), 1)
        tailed = self.call("graven.v1.AuditLogService/Tail",
                           {"from_index": 0, "stop_at_end": True, "want_parsed": True})
        self.assertIn('"id": "alice"', tailed)

    def test_a_bad_event_is_answered_with_the_field_and_the_limit(self):
        said = self.call("graven.v1.AuditLogService/Append",
                         {"events": [{"actor": {"id": "x" * 300}, "action": "a"}]}, check=1)
        self.assertIn("events[0].actor.id", said)
        self.assertIn("256", said)
        self.assertIn("events[0].occurred_at", said)

    def test_health(self):
        self.assertIn("SERVING", self.call("grpc.health.v1.Health/Check", {}))
        self.assertIn("SERVING", self.call("grpc.health.v1.Health/Check",
                                           {"service": "graven.v1.AuditLogService"}))
        self.call("grpc.health.v1.Health/Check", {"service": "no.such"}, check=1)


@unittest.skipUnless(PROBE.exists(),
                     "skipped: grpc-health-probe is not in build/tools (tools/get_grpc_tools.sh)")
class HealthProbe(unittest.TestCase):
    def probe(self, address, *arguments):
        return subprocess.run([str(PROBE), f"-addr={address}", "-connect-timeout=10s",
                               "-rpc-timeout=10s", *arguments],
                              capture_output=True, text=True, timeout=60)

    def test_the_probe_is_answered_while_the_server_runs(self):
        with serving.Server(serving.make_folder("probe")) as server:
            for service in ("", "graven.v1.AuditLogService", "graven.v1.AuditLogService.Append"):
                done = self.probe(server.address, f"-service={service}")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("SERVING", done.stdout + done.stderr)
            self.assertNotEqual(self.probe(server.address, "-service=no.such").returncode, 0)
            self.assertEqual(server.stop(), 0)
            self.assertNotEqual(self.probe(server.address).returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
