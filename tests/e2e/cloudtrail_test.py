"""Real events, judged by stock protobuf and none of our code: from the CloudTrail files the test derives
the id, actor, action, time and order that each record must have; then chain, leaves and root."""
import datetime
import json
import unittest

import oracle
import serving

serving.stubs()
from graven.v1 import record_pb2  # noqa: E402

DATA = serving.SHARED / "data" / "cloudtrail"


def expected(event):
    """(event id, actor id, action, time in seconds), from the CloudTrail event alone."""
    identity = event["userIdentity"]
    actor = next(identity[key] for key in ("arn", "principalId", "invokedBy", "accountId", "type")
                 if identity.get(key))
    service = event["eventSource"].removesuffix(".amazonaws.com")
    time = datetime.datetime.strptime(event["eventTime"], "%Y-%m-%dT%H:%M:%SZ")
    seconds = int(time.replace(tzinfo=datetime.timezone.utc).timestamp())
    return event["eventID"], actor, f"{service}.{event['eventName']}", seconds


@unittest.skipUnless(DATA.is_dir(), "skipped: ../shared/data/cloudtrail is not here")
class CloudTrail(unittest.TestCase):
    def test_every_record_is_what_the_files_say(self):
        files = sorted(DATA.glob("*.json"))
        want = [expected(event) for file in files
                for event in json.loads(file.read_text())["Records"]]
        self.assertGreater(len(want), 2000)
        with serving.Server(serving.make_folder("cloudtrail")) as server:
            at = ("--server", server.address)
            serving.run("import", "--format", "cloudtrail", *files, *at)
            raw = serving.run("export", "--format", "records", *at, text=False).stdout
            note = serving.run("checkpoint", *at).stdout
            # A second import finds every event there already.
            serving.run("import", "--format", "cloudtrail", *files, *at)
            again = serving.run("export", "--format", "records", *at, text=False).stdout
            self.assertEqual(raw, again)
            log = server.ready["logs"]["default"]
            self.assertEqual(server.stop(), 0)
        records = oracle.split_records(raw)
        # One event may stand in two files: its second appearance is a duplicate.
        ids, unique = set(), []
        for row in want:
            if row[0] not in ids:
                ids.add(row[0])
                unique.append(row)
        self.assertEqual(len(records), len(unique))
        leaves = oracle.check_chain(records, record_pb2.Record.FromString, log["origin"])
        for raw_record, (event_id, actor, action, seconds) in zip(records, unique):
            event = record_pb2.Record.FromString(raw_record).event
            self.assertEqual((event.event_id, event.actor.id, event.action, event.occurred_at.seconds),
                             (event_id, actor, action, seconds))
        origin, size, root = oracle.parse_checkpoint(note)
        self.assertEqual((origin, size), (log["origin"], len(records)))
        self.assertEqual(oracle.root(leaves), root)
        oracle.verify_note(note, log["vkey"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
