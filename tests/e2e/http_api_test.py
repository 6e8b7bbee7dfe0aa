"""The JSON API over HTTP, as a script meets it: records and proofs out, events in."""
import base64
import concurrent.futures
import hashlib
import http.client
import json
import shutil
import subprocess
import time
import unittest
import urllib.parse

import oracle
import serving

serving.stubs()
import grpc  # noqa: E402
from google.protobuf import any_pb2, json_format  # noqa: E402
from graven.v1 import audit_log_service_pb2 as pb  # noqa: E402
from graven.v1 import audit_log_service_pb2_grpc as rpc  # noqa: E402
from graven.v1 import event_pb2, record_pb2  # noqa: E402

EVENT = {"actor": {"id": "alice"}, "action": "invoice.approve", "occurredAt": "2026-01-02T03:04:05Z"}
LOAN = 'syntax = "proto3"; package example; message Loan { string id = 1; int64 amount_cents = 2; }'


def event(event_id, **more):
    return {"eventId": event_id, **EVENT, **more}


def lines(events):
    return "".join(json.dumps(one) + "\n" for one in events)


class Api:
    """A client that keeps its connection. `url`: of the ready file."""

    def __init__(self, url, token=None):
        self.host = urllib.parse.urlsplit(url).netloc
        self.token = token
        self.connection = None

    def call(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            data = answer.read()
        except Exception:
            self.close()
            raise
        if answer.getheader("Connection") == "close":
            self.close()
        return answer.status, answer.headers, data

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def get(self, path, check=200):
        status, _, data = self.call("GET", path)
        assert status == check, (path, status, data)
        return json.loads(data)

    def post(self, events, query="", check=200, log="default", content_type=None):
        one = isinstance(events, dict)
        body = json.dumps(events) if one else events if isinstance(events, (str, bytes)) else lines(events)
        kind = content_type or ("application/json" if one else "application/jsonl")
        status, headers, data = self.call("POST", f"/logs/{log}/events{query}", body,
                                          {"Content-Type": kind})
        assert status == check, (status, data)
        return json.loads(data) if check == 200 else (json.loads(data), headers)


def root_of_inclusion(index, size, leaf, path):
    """RFC 9162 section 2.1.3.2."""
    fn, sn, root = index, size - 1, leaf
    for one in path:
        assert sn > 0
        if fn % 2 or fn == sn:
            root = oracle.sha256(b"\x01" + one + root)
            while fn % 2 == 0 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = oracle.sha256(b"\x01" + root + one)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return root


class HttpApi(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("http-api")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = None

    def serve(self, *flags):
        self.server = serving.Server(self.folder, "--http", "127.0.0.1:0", *flags)
        self.addCleanup(self.server.__exit__)
        self.api = Api(self.server.ready["http"][0])
        self.addCleanup(self.api.close)
        channel = grpc.insecure_channel(self.server.address)
        self.addCleanup(channel.close)
        self.stub = rpc.AuditLogServiceStub(channel)
        return self.api

    def test_a_record_is_its_bytes_and_exactly_their_json(self):
        api = self.serve()
        whole = event_pb2.Event(
            event_id="e-0", action="a.b", outcome=event_pb2.OUTCOME_DENIED, outcome_reason="no \u20ac \n",
            actor=event_pb2.Actor(id="alice", type="user", name='A "q" \\ \u202e'),
            targets=[event_pb2.Target(type="t", id="1"), event_pb2.Target(name="n")],
            source=event_pb2.Source(service="s", ip="::1", user_agent="u"),
            producer=event_pb2.Producer(id="p", epoch=2**64 - 1, sequence=2**53 + 1,
                                        kind=event_pb2.PRODUCER_RECORD_KIND_HEARTBEAT),
            labels=[event_pb2.Label(key="k", value="v")])
        whole.occurred_at.FromJsonString("2026-01-02T03:04:05.120003Z")
        whole.details_struct.update({"n": 0.1, "big": 1e300, "x_y": None, "l": [True, {"a": "b"}, []]})
        unknown = event_pb2.Event(event_id="e-1", action="x", actor=event_pb2.Actor(id="a"), outcome=77)
        unknown.occurred_at.GetCurrentTime()
        self.stub.Append(pb.AppendRequest(events=[whole, unknown]))
        for index, sent in enumerate([whole, unknown]):
            shown = api.get(f"/logs/default/records/{index}")
            view = self.stub.GetRecord(pb.GetRecordRequest(index=index)).record
            raw = base64.b64decode(shown["record"])
            self.assertEqual(raw, view.record)
            self.assertEqual(base64.b64decode(shown["recordHash"]), oracle.leaf(raw))
            self.assertEqual(shown["recordHashHex"], oracle.leaf(raw).hex())
            # An implementation of the mapping that is not ours reads it back to the same messages.
            self.assertEqual(json_format.ParseDict(shown["event"], event_pb2.Event()), sent)
            self.assertEqual(json_format.ParseDict(shown["parsed"], record_pb2.Record()),
                             record_pb2.Record.FromString(raw))
            self.assertEqual(json_format.MessageToDict(sent), shown["event"])

    def test_an_any_is_shown_by_its_type_and_without_it_as_bytes(self):
        (self.folder / "loan.proto").write_text(LOAN)
        subprocess.run(["protoc", "-I", self.folder, f"--descriptor_set_out={self.folder}/loan.binpb",
                        "loan.proto"], check=True)
        api = self.serve("--descriptor-set", self.folder / "loan.binpb")
        details = {"@type": "type.googleapis.com/example.Loan", "id": "L", "amountCents": str(2**60)}
        api.post(event("e-0", detailsAny=details))
        self.assertEqual(api.get("/logs/default/records/0")["event"]["detailsAny"], details)
        # Another order of members is the same event.
        again = api.post(event("e-0", details_any=dict(reversed(details.items()))))
        self.assertTrue(again["receipts"][0]["duplicate"])
        self.assertEqual(self.server.stop(), 0)
        api = self.serve()
        shown = api.get("/logs/default/records/0")["event"]["detailsAny"]
        self.assertEqual(shown["typeUrl"], details["@type"])
        self.assertEqual(base64.b64decode(shown["value"])[:3], b"\x0a\x01L")
        refused, _ = api.post(event("e-1", detailsAny=details), check=400)
        self.assertEqual((refused["reason"], refused["field"]), ("EVENT_INVALID", "details_any"))

    def test_pages_cover_all_records_and_are_bounded(self):
        api = self.serve()
        api.post([event(f"e-{i}", detailsStruct={"t": "x" * 3000}) for i in range(1000)])
        first, seen, pages = 0, [], 0
        while True:
            status, _, data = api.call("GET", f"/logs/default/records?first={first}&count=700")
            self.assertEqual(status, 200)
            self.assertLess(len(data), 1_100_000)
            page = json.loads(data)
            seen += [record["event"]["eventId"] for record in page["records"]]
            pages += 1
            if not page["records"]:
                break
            first = int(page["nextIndex"])
        self.assertEqual(seen, [f"e-{i}" for i in range(1000)])
        self.assertGreater(pages, 3)
        self.assertEqual(page["publishedSize"], "1000")
        whole = api.get("/logs/default/records?first=5&count=3")["records"]
        bare = api.get("/logs/default/records?first=5&count=3&parsed=false")["records"]
        hashed = ("record", "recordHash", "recordHashHex")
        self.assertEqual(bare, [{name: one[name] for name in hashed} for one in whole])
        self.assertEqual(api.get("/logs/default/records?first=5&count=3&parsed=true")["records"], whole)
        by_id = api.get("/logs/default/records?event_id=e-321")
        self.assertEqual(by_id["records"][0]["parsed"]["index"], "321")
        self.assertEqual(api.get("/logs/default/records?event_id=nobody", 404)["reason"],
                         "EVENT_NOT_FOUND")
        for path, field in (("records?first=-1", "first"), ("records?count=9000", "count"),
                            ("records?count=0", "count"), ("records?from=1", "from"),
                            ("records?parsed=no", "parsed"),
                            ("records/12x", "index"), ("records?event_id=a&first=1", "event_id"),
                            ("proofs/inclusion", "index"), ("proofs/consistency?old_size=0", "old_size"),
                            ("proofs/inclusion?index=1&record_hash=zz", "record_hash")):
            error = api.get(f"/logs/default/{path}", 400)
            self.assertEqual((error["code"], error["field"]), ("INVALID_ARGUMENT", field), path)
        self.assertEqual(api.get("/logs/default/records/1000", 404)["reason"], "INDEX_NOT_FOUND")
        self.assertEqual(api.get("/logs/nope", 404)["reason"], "LOG_NOT_FOUND")

    def test_proofs_lead_to_the_signed_root(self):
        api = self.serve()
        api.post([event(f"e-{i}") for i in range(300)], "?wait=published&wait_ms=60000")
        log = api.get("/logs/default")
        vkey = log["vkey"]
        for index in (0, 7, 255, 256, 299):
            proof = api.get(f"/logs/default/proofs/inclusion?index={index}")
            _, size, root = oracle.parse_checkpoint(proof["checkpoint"])
            oracle.verify_note(proof["checkpoint"], vkey)
            path = [base64.b64decode(one) for one in proof["hashes"]]
            leaf = base64.b64decode(proof["leafHash"])
            self.assertEqual(root_of_inclusion(index, size, leaf, path), root)
            # The hash that is believed, in each of its spellings.
            for spelt in (leaf.hex(), leaf.hex().upper(), base64.b64encode(leaf).decode(),
                          base64.urlsafe_b64encode(leaf).decode().rstrip("=")):
                api.get(f"/logs/default/proofs/inclusion?index={index}&record_hash="
                        + urllib.parse.quote(spelt, safe=""))
            wrong = hashlib.sha256(leaf).hexdigest()
            api.get(f"/logs/default/proofs/inclusion?index={index}&record_hash={wrong}", 409)
            _, headers, receipt = api.call("GET", f"/logs/default/records/{index}/tlog-proof")
            self.assertEqual(headers["Content-Type"], "text/plain; charset=utf-8")
            (self.folder / "receipt").write_bytes(receipt)
            serving.run("receipt", "verify", self.folder / "receipt", "--key", vkey)
        consistency = api.get("/logs/default/proofs/consistency?old_size=256&new_size=300")
        theirs = self.stub.GetConsistencyProof(pb.GetConsistencyProofRequest(old_size=256, new_size=300))
        self.assertEqual([base64.b64decode(one) for one in consistency["hashes"]], list(theirs.hashes))
        self.assertEqual([one["name"] for one in api.get("/logs")["logs"] if one["name"][0] != "_"],
                         ["default"])

    def test_status_says_by_http_what_it_says_by_grpc(self):
        api = self.serve()
        api.post(event("e-0"), "?wait=published&wait_ms=60000")
        said = api.get("/status")
        theirs = json_format.MessageToDict(self.stub.GetStatus(pb.GetStatusRequest()),
                                           including_default_value_fields=True)
        # Its streams are gRPC's own.
        self.assertEqual(set(theirs) - set(said), {"tailers"})
        self.assertEqual(set(said) - set(theirs), {"grpc"})
        for name in ("version", "startedAt", "state", "logCount", "diskReserveBytes",
                     "eventsAppended", "recoveryReport", "witnesses"):
            self.assertEqual(said[name], theirs[name], name)
        self.assertEqual(set(theirs["scrub"]) - set(said["scrub"]) - {"lastRoundEndedAt"}, set())
        self.assertEqual((said["scrub"]["findingsCount"], said["scrub"]["findings"]), ("0", []))
        self.assertLessEqual(0, said["scrub"]["progress"])
        self.assertLessEqual(said["scrub"]["progress"], 1)

    def test_status_says_where_grpc_is_and_no_more(self):
        def grpc_of(*listen, config=""):
            folder = self.folder / f"server-{time.monotonic_ns()}"
            folder.mkdir()
            (folder / "c.toml").write_text(config)
            with serving.Server(folder, "--http", "127.0.0.1:0", "--config", folder / "c.toml",
                                listen=[one.replace("FOLDER", str(folder)) for one in listen]) as server:
                api = Api(server.ready["http"][0], "correct horse")
                try:
                    return api.get("/status").get("grpc"), server.ready["grpc"]
                finally:
                    api.close()

        here = {"host": "", "tls": False, "token": False, "clientCertificate": False}
        said, bound = grpc_of("unix:FOLDER/socket", "127.0.0.1:0", "127.0.0.1:0")
        self.assertEqual(said, {**here, "port": int(bound[1].rsplit(":", 1)[1])})
        self.assertIsNone(grpc_of("unix:FOLDER/socket")[0])
        token = (f'[[token]]\nsha256 = "{hashlib.sha256(b"correct horse").hexdigest()}"\n'
                 'identity = "billing"\n')
        public = '[http]\npublic_grpc = "https://Audit.example"\n'
        self.assertEqual(grpc_of("127.0.0.1:0", config=public + token)[0],
                         {**here, "host": "audit.example", "port": 443, "tls": True, "token": True})
        self.assertEqual(grpc_of("unix:FOLDER/socket", config=public)[0],
                         {**here, "host": "audit.example", "port": 443, "tls": True})
        for wrong in ("audit.example:443", "https://audit.example/path"):
            (self.folder / "c.toml").write_text(f'[http]\npublic_grpc = "{wrong}"\n')
            refused = subprocess.run(
                [serving.BINARY, "serve", "--data", self.folder / "never", "--config", self.folder / "c.toml"],
                capture_output=True, text=True, timeout=60)
            self.assertEqual(refused.returncode, 2, wrong)
            self.assertIn("http.public_grpc: ", refused.stderr)
        self.assertFalse((self.folder / "never").exists())

    def test_an_event_is_stored_once_however_often_and_however_it_is_spelt(self):
        api = self.serve()
        first = api.post(event("e-0", detailsStruct={"b": 1, "a": {"d": [1, 2], "c": 2}}),
                         "?wait=published&wait_ms=60000")
        receipt = first["receipts"][0]
        self.assertEqual((receipt["index"], receipt["duplicate"], first["level"]),
                         ("0", False, "RECEIPT_LEVEL_PUBLISHED"))
        (self.folder / "receipt").write_bytes(base64.b64decode(receipt["tlogProof"]))
        key = api.get("/logs/default")["vkey"]
        serving.run("receipt", "verify", self.folder / "receipt", "--key", key)
        again = {"details_struct": {"a": {"c": 2.0, "d": [1, 2]}, "b": 1e0}, **event("e-0")}
        again["event_id"] = again.pop("eventId")
        second = api.post(again)["receipts"][0]
        self.assertTrue(second["duplicate"])
        self.assertEqual(second["recordHash"], receipt["recordHash"])
        # The very bytes: gRPC is told that it is the same, too.
        sent = json_format.ParseDict(again, event_pb2.Event())
        self.assertTrue(self.stub.Append(pb.AppendRequest(events=[sent])).receipts[0].duplicate)
        conflict, _ = api.post(event("e-0", outcome="OUTCOME_FAILURE"), check=409)
        self.assertEqual((conflict["code"], conflict["reason"]), ("ALREADY_EXISTS", "EVENT_ID_CONFLICT"))
        without_id = api.post(EVENT)["receipts"][0]
        self.assertEqual(len(without_id["eventId"]), 36)

    def test_a_precondition_is_held_in_hex_and_base64(self):
        api = self.serve()
        genesis = base64.b64decode(api.get("/logs/default")["genesisHash"])
        last = api.post(event("e-0"), f"?expected_last_hash={genesis.hex()}")["receipts"][0]
        error, _ = api.post(event("e-1"), f"?expected_last_hash={genesis.hex()}", check=409)
        self.assertEqual((error["code"], error["reason"]), ("ABORTED", "PRECONDITION_FAILED"))
        quoted = urllib.parse.quote(last["recordHash"], safe="")
        self.assertEqual(api.post(event("e-1"), f"?expected_last_hash={quoted}")["receipts"][0]["index"],
                         "1")

    def test_what_is_wrong_is_named_by_line_and_field_and_nothing_of_it_is_stored(self):
        api = self.serve()
        bad = event("e-2")
        del bad["action"]
        for text, line, field in (
                ("\n" + lines([event("e-0"), bad]), "3", "action"),
                (lines([event("e-0")]) + "\r\n" + lines([event("e-1", nope=1)]), "3", "nope"),
                (lines([event("e-0")]) + '{"eventId":"e-1","eventId":"e-1"}\n', "2", ""),
                (lines([event("e-0")]) + "{'eventId':1}\n", "2", ""),
                (lines([event("e-0")]) + '{"actor":', "2", ""),
                (lines([event("e-0")]) + lines([event("e-1", labels=[{"key": "a"}] * 2)]), "2", "labels"),
                (lines([event("e-0")]) + lines([event("e-1", outcome="GOOD")]), "2", "outcome")):
            error, _ = api.post(text, check=400)
            self.assertEqual((error["reason"], error["line"]), ("EVENT_INVALID", line), text)
            self.assertIn(field, error["field"])
        error, _ = api.post({**bad}, check=400)
        self.assertEqual(error["field"], "action")
        self.assertNotIn("line", error)
        error, _ = api.post(event("e-0", detailsStruct={"t": "x" * 66_000}), check=400)
        self.assertIn("65000", error["message"].replace(",", ""))
        for text in ("", "\n\n"):
            self.assertEqual(api.post(text, check=400)[0]["field"], "events")
        many = lines([{}]) * 8193
        self.assertEqual(api.post(many, check=400)[0]["code"], "INVALID_ARGUMENT")
        for query, field in (("?wait=soon", "wait"), ("?wait_ms=60001", "wait_ms"), ("?x=1", "x"),
                             ("?expected_last_hash=00", "expected_last_hash")):
            self.assertEqual(api.post(event("e-0"), query, check=400)[0]["field"], field)
        api.post(event("e-0"), log="nope", check=404)
        self.assertEqual(api.get("/logs/default")["durableSize"], "0")

    def test_other_content_and_large_bodies_are_refused(self):
        api = self.serve()
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            error, _ = api.post(json.dumps(event("e-0")), content_type=kind or "x", check=415)
            self.assertEqual(error["code"], "INVALID_ARGUMENT")
        status, _, data = api.call("POST", "/logs/default/events", "{}",
                                   {"Content-Type": "application/json", "Content-Encoding": "gzip"})
        self.assertEqual((status, json.loads(data)["reason"]), (415, "CONTENT_ENCODING_UNKNOWN"))
        # Refused for what its head says, before the body comes.
        over = 4 * 1024 * 1024 + 5
        connection = http.client.HTTPConnection(api.host, timeout=60)
        connection.putrequest("POST", "/logs/default/events")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(over))
        connection.endheaders()
        answer = connection.getresponse()
        error = json.loads(answer.read())
        connection.close()
        self.assertEqual((answer.status, error["reason"]), (413, "BODY_TOO_LARGE"))
        self.assertIn(str(over), error["message"])
        # Small as text, large as protobuf has it.
        heavy = [event(f"e-{i}", detailsStruct={"l": [1] * 5000}) for i in range(400)]
        body = "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in heavy)
        self.assertLess(len(body), over - 5)
        error, _ = api.post(body, check=413)
        self.assertEqual(error["reason"], "BODY_TOO_LARGE")
        self.assertRegex(error["message"], "[0-9]+ more than the 4194304")
        status, headers, _ = api.call("PUT", "/logs/default/events", "{}",
                                      {"Content-Type": "application/json"})
        self.assertEqual((status, headers["Allow"]), (405, "POST"))
        self.assertEqual(api.get("/logs/default")["durableSize"], "0")

    def test_overload_is_429_with_a_time_to_come_back(self):
        (self.folder / "c.toml").write_text("[limits]\nqueue_bytes = 1048576\n")
        url = (self.serve("--config", self.folder / "c.toml"), self.server.ready["http"][0])[1]
        body = [lines([event(f"{n}-{i}", detailsStruct={"t": "x" * 60_000}) for i in range(15)])
                for n in range(24)]

        def post(n):
            api = Api(url)
            status, headers, data = api.call("POST", "/logs/default/events", body[n],
                                             {"Content-Type": "application/jsonl"})
            api.close()
            return status, headers.get("Retry-After"), json.loads(data)

        refused = set()
        for _ in range(20):
            with concurrent.futures.ThreadPoolExecutor(24) as pool:
                for status, retry_after, answer in pool.map(post, range(24)):
                    self.assertIn(status, (200, 429))
                    if status == 429:
                        self.assertEqual(answer["code"], "RESOURCE_EXHAUSTED")
                        self.assertGreaterEqual(int(retry_after), 1)
                        self.assertRegex(answer["retryDelay"], r"^\d+\.\d{3}s$")
                        refused.add(answer["reason"])
            if refused:
                break
        self.assertEqual(refused, {"QUEUE_FULL"})

    def test_who_has_no_token_neither_reads_nor_writes(self):
        token = "correct horse"
        (self.folder / "c.toml").write_text(
            f'[[token]]\nsha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\nidentity = "billing"\n')
        self.serve("--config", self.folder / "c.toml")
        url = self.server.ready["http"][0]
        for api in (Api(url), Api(url, "wrong")):
            for path in ("/logs", "/logs/default/records/0", "/status"):
                self.assertEqual(api.get(path, 401)["code"], "UNAUTHENTICATED")
            status, headers, _ = api.call("POST", "/logs/default/events", json.dumps(event("e-0")),
                                          {"Content-Type": "application/json"})
            self.assertEqual((status, headers["WWW-Authenticate"]), (401, "Bearer"))
            self.assertEqual(api.get("/openapi.json")["openapi"], "3.1.0")
            api.close()
        api = Api(url, token)
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        status, _, _ = api.call("POST", "/logs/default/events", json.dumps(event("e-0")),
                                {"Content-Type": "application/json", "traceparent": trace})
        self.assertEqual(status, 200)
        parsed = api.get("/logs/default/records/0")["parsed"]
        self.assertEqual((parsed["writtenBy"], parsed["traceparent"]), ("billing", trace))
        api.close()

    def test_kills_while_events_come_in_lose_and_repeat_none_of_those_answered(self):
        answered, kills, number = {}, 0, 0
        for _ in range(4):
            api = self.serve()
            end = time.monotonic() + 0.5
            try:
                while True:
                    # Whatever had no answer is sent again with its id.
                    answered[f"e-{number}"] = api.post(event(f"e-{number}"))["receipts"][0]
                    number += 1
                    if time.monotonic() > end and kills < 3:
                        self.server.kill()
                        kills += 1
                    elif time.monotonic() > end:
                        break
            except (OSError, http.client.HTTPException):
                pass
            api.close()
        self.assertEqual(kills, 3)
        records = {}
        first = 0
        while (page := self.api.get(f"/logs/default/records?first={first}"))["records"]:
            for record in page["records"]:
                self.assertNotIn(record["event"]["eventId"], records)
                records[record["event"]["eventId"]] = record
            first = int(page["nextIndex"])
        for event_id, receipt in answered.items():
            self.assertEqual(records[event_id]["recordHash"], receipt["recordHash"])


if __name__ == "__main__":
    unittest.main()
