#!/usr/bin/env python3
"""Search over a log that was written through the ledger, its times spread over twelve months by the
clock that the requests carry; beside it SQLite (Debian's) with secondary indexes and FTS5 over the
same records, in the same run. Prints a table with targets; exits 1 when one is missed, 2 when the
run itself failed.

The records are those of bench/search_shape.h, 10 million of them; --long: 100 million, without
SQLite. No transport: what gRPC and HTTP add to an answer is not of search. An answer of ours has
read and judged the records of its page, and held them against the tree; one of SQLite's has found
out which they are. Its load is one transaction each 20,000 rows without journal and sync, which is
the fastest that it has.

It needs some 400 bytes of disk a record with SQLite, 160 without, which it looks for first."""

import argparse
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

import cloudtrail_index

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 21
START_NS = 1_735_689_600_000_000_000
YEAR_NS = 365 * 86_400 * 1_000_000_000
BATCH = 20_000

SHORT_RECORDS = 10_000_000
LONG_RECORDS = 100_000_000
DISK_BYTES_PER_RECORD = 160
SQLITE_BYTES_PER_RECORD = 240
PACED_SECONDS = 20

# key, text, target (None: no number of its own), whether more is better
ROWS = [
    ("appended_per_s", "appended in a second, no transport", None, True),
    ("events_per_s", "indexed in a second of one core", 300_000, True),
    ("paced_share", "of 100,000 appended a second, with the index", 0.9, True),
    ("findable_ms", "from published to found meanwhile, p99, ms", 100, False),
    ("bytes_per_event", "bytes an event, index", 60, False),
    ("cloudtrail_share", "CloudTrail: index / record bytes", 0.15, False),
    ("actor_action_month_ms", "actor AND action AND month, first page, ms", 10, False),
    ("two_words_ms", "two words, first page, ms", 100, False),
    ("trace_ms", "one trace, ms", 1000, False),
    ("histogram_ms", "time x outcome over everything, ms", 200, False),
    ("top_outcomes_ms", "top 10 outcomes over everything, ms", 200, False),
    ("top_actions_ms", "top 10 actions over everything, ms", 200, False),
    ("top_actors_ms", "top 10 actors over everything, ms", 200, False),
    ("top_targets_ms", "top 10 targets over everything, ms", 1000, False),
    ("disk_bytes_per_event", "bytes an event, all on disk", None, False),
    ("memory_mib", "memory at the peak, MiB", None, False),
]


def missed_of(found):
    """A row that was not measured (data that is absent) misses nothing."""
    return [key for key, _, target, more in ROWS
            if target is not None and key in found
            and (found[key] < target if more else found[key] > target)]


def median_ms(run):
    times = []
    for i in range(ROUNDS):
        begin = time.perf_counter()
        run(i)
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def rows_of(arguments, end):
    """The first `end` records, as they come out of a pipe: never many at once."""
    command = [arguments.build / "bench/bench_ledger_search", "dump", str(arguments.records), "0", str(end)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as dump:
        for index, line in enumerate(dump.stdout):
            ns, *values = line.rstrip("\n").split("\t")
            yield (index, int(ns), *values)
    if dump.returncode != 0:
        raise subprocess.CalledProcessError(dump.returncode, command)


def load_sqlite(base, arguments):
    """Rows a second of one core; what only the reading of the text takes is not counted."""
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
        base.execute(f"PRAGMA {pragma}")
    base.execute("CREATE TABLE e(i INTEGER PRIMARY KEY, ns INTEGER, actor TEXT, action TEXT, "
                 "resource TEXT, trace TEXT, outcome TEXT)")
    base.execute("CREATE VIRTUAL TABLE t USING fts5(words, content='', detail=none)")
    for column in ("ns", "actor, action", "action", "resource", "trace"):
        base.execute(f"CREATE INDEX by_{column.replace(', ', '_')} ON e({column})")
    sample = min(arguments.records, 200_000)
    begin = time.process_time()
    for _ in rows_of(arguments, sample):
        pass
    bare = (time.process_time() - begin) * arguments.records / sample
    begin = time.process_time()
    source = rows_of(arguments, arguments.records)
    while batch := [row for _, row in zip(range(BATCH), source)]:
        base.execute("BEGIN")
        base.executemany("INSERT INTO e VALUES(?,?,?,?,?,?,?)", (row[:7] for row in batch))
        base.executemany("INSERT INTO t(rowid, words) VALUES(?,?)",
                         ((row[0], row[7]) for row in batch))
        base.execute("COMMIT")
        if (batch[-1][0] + 1) % (50 * BATCH) == 0:
            print(f"SQLite: {batch[-1][0] + 1} of {arguments.records} records", file=sys.stderr)
    return arguments.records / max(time.process_time() - begin - bare, 1e-9)


def sqlite(arguments):
    path = arguments.folder / "beside.sqlite"
    base = sqlite3.connect(path, isolation_level=None)
    size = arguments.records
    per_second = load_sqlite(base, arguments)

    def actor(i):
        month = START_NS + (i % 12) * YEAR_NS // 12
        base.execute("SELECT i FROM e WHERE actor=? AND action=? AND ns>=? AND ns<? "
                     "ORDER BY i DESC LIMIT 100",
                     (f"user-{i * 40}", f"service{i % 3}.verb0", month,
                      month + YEAR_NS // 12)).fetchall()

    def words(i):
        base.execute("SELECT rowid FROM t WHERE t MATCH ? ORDER BY rowid DESC LIMIT 100",
                     (f"w{i * 9} w{4000 + i}",)).fetchall()

    traces = [base.execute("SELECT trace FROM e WHERE i=?", (i * (size // ROUNDS),)).fetchone()[0]
              for i in range(ROUNDS)]

    def trace(i):
        base.execute("SELECT i FROM e WHERE trace=?", (traces[i],)).fetchall()

    found = {"events_per_s": per_second, "bytes_per_event": path.stat().st_size / size}
    # Each once before it counts: warm.
    for key, run in (("actor_action_month_ms", actor), ("two_words_ms", words), ("trace_ms", trace)):
        median_ms(run)
        found[key] = median_ms(run)
    # Seconds each: once is enough.
    for key, text in (("histogram_ms", f"SELECT (ns-{START_NS})/{YEAR_NS // 60}, outcome, count(*) "
                                       "FROM e GROUP BY 1, 2"), *(
            (f"top_{name}_ms", f"SELECT {column}, count(*) c FROM e GROUP BY 1 ORDER BY c DESC LIMIT 10")
            for name, column in (("outcomes", "outcome"), ("actions", "action"), ("actors", "actor"),
                                 ("targets", "resource")))):
        begin = time.perf_counter()
        base.execute(text).fetchall()
        found[key] = (time.perf_counter() - begin) * 1000
    base.close()
    return found


def shown(value):
    return "" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def folder_bytes(folder):
    """What the files take; those of the journal are there whole from the first record on."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*")
               if path.is_file() and "journal" not in path.parts)


def look_for_room(arguments):
    free = shutil.disk_usage(arguments.folder).free
    each = DISK_BYTES_PER_RECORD + (0 if arguments.long else SQLITE_BYTES_PER_RECORD)
    wanted = arguments.records * each + (4 << 30)
    if free < wanted:
        raise OSError(f"{arguments.folder}: {free >> 30} GiB are free; {wanted >> 30} are wanted")


def graven(arguments):
    data = arguments.folder / "data"
    # What it says on its way goes to our own standard error.
    done = subprocess.run([arguments.build / "bench/bench_ledger_search", str(arguments.records), data,
                           str(arguments.seconds)], check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    found["paced_share"] = found["paced_with"] / found["paced_without"]
    found["disk_bytes_per_event"] = folder_bytes(data) / found["records_in_all"]
    shutil.rmtree(data)
    found.update(cloudtrail_index.measure(arguments.folder / "cloudtrail") or {})
    return found


def show(ours, theirs, missed):
    print(f"{ours['records']:,} records over 12 months, {ours['scanned']:,} of them in no index yet; warm, p50 of "
          f"{ROUNDS}; appends: {ours['paced_without']:,.0f} a second without the index, "
          f"{ours['paced_with']:,.0f} with it; found after publication: p50 {ours['findable_p50_ms']:.3g} ms of "
          f"{ours['findable_asked']}" + (f"; SQLite {sqlite3.sqlite_version}" if theirs else ""))
    if "cloudtrail_share" in ours:
        print(f"CloudTrail: {ours['cloudtrail_originals']:,} events, repeated a day later each time "
              f"with ids of their own: {ours['cloudtrail_records']:,} records of "
              f"{ours['cloudtrail_record_bytes']:,.0f} bytes, "
              f"{ours['cloudtrail_index_bytes']:,.0f} bytes of index each")
    else:
        print("CloudTrail: skipped, ../shared/data/cloudtrail is not here")
    print(f"\n{'':46}{'graven':>12}" + (f"{'sqlite':>12}" if theirs else "") + f"{'target':>12}")
    for key, text, target, more in ROWS:
        goal = "" if target is None else ("≥ " if more else "≤ ") + shown(target)
        verdict = ("" if target is None or key not in ours else "  MISSED" if key in missed else "  met")
        beside = f"{shown(theirs.get(key)):>12}" if theirs else ""
        print(f"{text:46}{shown(ours.get(key)):>12}{beside}{goal:>12}{verdict}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--long", action="store_true", help="100,000,000 records, without SQLite")
    parser.add_argument("--records", type=int, help="how many [10000000, with --long 100000000]; "
                                                    "fewer for a quick look")
    parser.add_argument("--seconds", type=int, default=PACED_SECONDS,
                        help="for so long it appends 100,000 a second, twice [20]")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/bench/search")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.records = arguments.records or (LONG_RECORDS if arguments.long else SHORT_RECORDS)
    if arguments.records < 65_536:
        parser.error("--records: at least 65,536")
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)
    try:
        look_for_room(arguments)
        ours = graven(arguments)
        theirs = None if arguments.long else sqlite(arguments)
    except (OSError, AssertionError, subprocess.SubprocessError, sqlite3.Error) as error:
        print(f"search bench: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(arguments.folder, ignore_errors=True)
    missed = missed_of(ours)
    if arguments.json:
        print(json.dumps({"graven": ours, "sqlite": theirs, "missed": missed}, indent=1))
    else:
        show(ours, theirs, missed)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
