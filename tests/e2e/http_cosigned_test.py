"""HTTP with a quorum of witnesses: appends that wait for it, and a read tree that ends where it does."""
import base64
import json
import shutil
import unittest
import urllib.error
import urllib.request

import serving
import witnesses

EVENT = {"actor": {"id": "alice"}, "action": "invoice.approve", "occurredAt": "2026-01-02T03:04:05Z"}


class HttpCosigned(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("http-cosigned")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        with serving.Server(self.folder / "log") as server:
            self.vkey = server.ready["logs"]["default"]["vkey"]
            self.assertEqual(server.stop(), 0)

    def call(self, path, body=None):
        """Status and body."""
        request = urllib.request.Request(self.url + path, data=body,
                                         headers={"Content-Type": "application/json"} if body else {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def post(self, number, query):
        return self.call(f"/logs/default/events?{query}",
                         json.dumps({"eventId": f"e-{number}", **EVENT}).encode())

    def test_an_append_waits_for_the_quorum_and_nothing_beyond_it_is_read(self):
        witness = witnesses.Witness(self.folder / "own", [self.vkey], "witness.example/own")
        self.addCleanup(witness.kill)
        policy = witnesses.write_policy(self.folder / "policy", {"own": witness}, "any own", self.vkey)
        server = serving.Server(self.folder / "log", "--policy", policy, "--http", "127.0.0.1:0")
        self.addCleanup(server.__exit__)
        self.url = server.ready["http"][0]
        for number in range(3):
            status, body = self.post(number, "wait=cosigned&wait_ms=20000")
            answer = json.loads(body)
            self.assertEqual((status, answer["level"]), (200, "RECEIPT_LEVEL_COSIGNED"), answer)
        receipt = self.folder / "2.receipt"
        receipt.write_bytes(base64.b64decode(answer["receipts"][0]["tlogProof"]))
        verdict = json.loads(serving.run("receipt", "verify", receipt, "--policy", policy,
                                         "--json").stdout)
        self.assertEqual((verdict["verdict"], verdict["index"]), ("COSIGNED", 2))
        status, body = self.call("/status")
        self.assertEqual((status, json.loads(body)["witnesses"]),
                         (200, [{"name": "own", "logsCosigned": "1", "logsFailing": "0", "problem": ""}]))
        # The witness is away: what comes now is published, and no tile shows it.
        witness.kill()
        status, body = self.post(3, "wait=cosigned&wait_ms=300")
        self.assertEqual((status, json.loads(body)["level"]), (200, "RECEIPT_LEVEL_PUBLISHED"))
        self.assertEqual(self.call("/logs/default/checkpoint")[1].decode().split("\n")[1], "3")
        for tile in ("tile/0/000.p/", "tile/entries/000.p/"):
            self.assertEqual(self.call(f"/logs/default/{tile}3")[0], 200, tile)
            self.assertEqual(self.call(f"/logs/default/{tile}4")[0], 404, tile)
        # An export of the same moment ends there too.
        serving.run("export", "--tiles", self.folder / "tiles", "--server", server.address)
        exported = (self.folder / "tiles" / "checkpoint").read_text()
        self.assertEqual(exported.split("\n")[1], "3")
        self.assertFalse((self.folder / "tiles/tile/entries/000.p/4").exists())
        witness.start()
        status, body = self.post(4, "wait=cosigned&wait_ms=60000")
        self.assertEqual((status, json.loads(body)["level"]), (200, "RECEIPT_LEVEL_COSIGNED"))
        self.assertEqual(self.call("/logs/default/tile/0/000.p/5")[0], 200)

    def test_no_quorum_yet_means_no_tree_and_no_witnesses_mean_no_such_wait(self):
        fake = witnesses.FakeWitness("false")
        self.addCleanup(fake.stop)
        policy = witnesses.write_policy(self.folder / "policy", {"fake": fake}, "any fake", self.vkey)
        with serving.Server(self.folder / "log", "--policy", policy, "--http",
                            "127.0.0.1:0") as server:
            self.url = server.ready["http"][0]
            self.assertEqual(json.loads(self.post(0, "wait=published")[1])["level"],
                             "RECEIPT_LEVEL_PUBLISHED")
            self.assertEqual(self.call("/logs/default/checkpoint")[0], 404)
            self.assertEqual(self.call("/logs/default/tile/entries/000.p/1")[0], 404)
            self.assertEqual(server.stop(), 0)
        with serving.Server(self.folder / "log", "--http", "127.0.0.1:0") as server:
            self.url = server.ready["http"][0]
            status, body = self.post(1, "wait=cosigned")
            self.assertEqual((status, json.loads(body)["field"]), (400, "wait"))
            self.assertEqual(self.call("/logs/default/records/1")[0], 404, "nothing was stored")
            self.assertEqual(self.call("/logs/default/tile/entries/000.p/1")[0], 200)


if __name__ == "__main__":
    unittest.main()
