"""What the index takes of real events: those of ../shared/data/cloudtrail through the importer, by the real binary.

They are some 2,900, fewer than one index file is about (65,536). So the same files are imported
again and again, each time a day later and with event, request and shared event ids of their own,
until two index files are there. What else the events say repeats, as it does where the same few
people and machines do the same things every day; a log with more people in it has more values, and
a larger index."""

import datetime
import json
import os
import random
import sys
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
os.environ.setdefault("GRAVEN_BINARY", str(ROOT / "build/release/graven"))

import oracle  # noqa: E402
import serving  # noqa: E402

DATA = serving.SHARED / "data" / "cloudtrail"
CHUNK = 65_536
FILES = 2
PATIENCE_S = 600
IDS = ("eventID", "requestID", "sharedEventID")


def originals():
    seen, events = set(), []
    for file in sorted(DATA.glob("*.json")):
        for event in json.loads(file.read_text())["Records"]:
            if event["eventID"] not in seen:
                seen.add(event["eventID"])
                events.append(event)
    return events


def later(event, days, chance):
    """The same event, so many days later."""
    form = "%Y-%m-%dT%H:%M:%SZ"
    when = datetime.datetime.strptime(event["eventTime"], form) + datetime.timedelta(days=days)
    event = {**event, "eventTime": when.strftime(form)}
    for name in IDS:
        if event.get(name):
            event[name] = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    return event


def import_enough(server, folder):
    events, chance = originals(), random.Random(1)
    for days in range(-(-CHUNK * FILES // len(events))):
        file = folder / "events.json"
        file.write_text(json.dumps({"Records": [later(event, days, chance) for event in events]}))
        serving.run("import", "--format", "cloudtrail", file, "--server", server.address)
        file.unlink()


def measure(folder):
    """Figures, or None where the data is absent."""
    if not DATA.is_dir():
        return None
    folder = Path(folder)
    with serving.Server(folder) as server:
        import_enough(server, folder)
        end = time.monotonic() + PATIENCE_S
        index = folder / "data/logs/default/index"
        files = []
        while len(files) < FILES:
            if time.monotonic() > end:
                raise OSError("the index of the CloudTrail events did not come")
            time.sleep(0.2)
            files = [path for path in index.glob("*") if len(path.name) == 41]
        raw = serving.run("export", "--format", "records", "--to", CHUNK * FILES, "--server", server.address,
                          text=False).stdout
        records = oracle.split_records(raw)
        server.stop()
    record_bytes = sum(map(len, records))
    index_bytes = sum(path.stat().st_size for path in files)
    return {"cloudtrail_records": len(records), "cloudtrail_originals": len(originals()),
            "cloudtrail_record_bytes": record_bytes / len(records),
            "cloudtrail_index_bytes": index_bytes / len(records),
            "cloudtrail_share": index_bytes / record_bytes}
