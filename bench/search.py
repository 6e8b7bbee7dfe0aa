#!/usr/bin/env python3
"""The search index beside SQLite (Debian's) with secondary indexes and FTS5, over the same records in
the same run. Prints a table with targets; exits 1 when one is missed, 2 when the run itself failed.

What is measured is the index alone, on one core and without the ledger: building it of records in
memory, and what it takes to know which records a page holds. The records of a page are read by
neither.

--long: the whole of it instead, without SQLite: the records go through the ledger, their times spread
over twelve months, and an answer has read the records of its page. It needs some 160 bytes of disk a
record, which it looks for first."""

import argparse
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 21
START_NS = 1_735_689_600_000_000_000
YEAR_NS = 365 * 86_400 * 1_000_000_000
BATCH = 20_000

# key, text, target (None: no number of its own), whether more is better
SHORT_ROWS = [
    ("events_per_s", "indexed in a second of one core", 300_000, True),
    ("bytes_per_event", "bytes an event", 60, False),
    ("actor_action_month_ms", "actor AND action AND month, first page, ms", 10, False),
    ("two_words_ms", "two words, first page, ms", 100, False),
    ("trace_ms", "one trace, ms", None, False),
    ("histogram_ms", "time x outcome over everything, ms", 200, False),
    ("top_actions_ms", "top 10 actions over everything, ms", 200, False),
    ("top_actors_ms", "top 10 actors over everything, ms", 200, False),
]

LONG_ROWS = [
    ("appended_per_s", "appended in a second, no transport", None, True),
    ("events_per_s", "indexed in a second of one core", 300_000, True),
    ("paced_share", "of 100,000 appended a second, with the index", 0.9, True),
    ("bytes_per_event", "bytes an event, index", 60, False),
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
LONG_RECORDS = 100_000_000
DISK_BYTES_PER_RECORD = 160
PACED_SECONDS = 20


def missed_of(rows, found):
    return [key for key, _, target, more in rows
            if target is not None and (found[key] < target if more else found[key] > target)]


def median_ms(run):
    times = []
    for i in range(ROUNDS):
        begin = time.perf_counter()
        run(i)
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def rows_of(dump):
    with open(dump, encoding="utf-8") as lines:
        for index, line in enumerate(lines):
            ns, *values = line.rstrip("\n").split("\t")
            yield (index, int(ns), *values)


def sqlite(dump, folder, size):
    path = folder / "beside.sqlite"
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA journal_mode=OFF")
    base.execute("PRAGMA synchronous=OFF")
    base.execute("PRAGMA cache_size=-1000000")
    base.execute("CREATE TABLE e(i INTEGER PRIMARY KEY, ns INTEGER, actor TEXT, action TEXT, "
                 "resource TEXT, trace TEXT, outcome TEXT)")
    base.execute("CREATE VIRTUAL TABLE t USING fts5(words, content='', detail=none)")
    for column in ("ns", "actor, action", "action", "resource", "trace"):
        base.execute(f"CREATE INDEX by_{column.replace(', ', '_')} ON e({column})")
    bare = 0
    begin = time.process_time()
    source = rows_of(dump)
    while True:
        batch = [row for _, row in zip(range(BATCH), source)]
        if not batch:
            break
        base.execute("BEGIN")
        base.executemany("INSERT INTO e VALUES(?,?,?,?,?,?,?)", (row[:7] for row in batch))
        base.executemany("INSERT INTO t(rowid, words) VALUES(?,?)",
                         ((row[0], row[7]) for row in batch))
        base.execute("COMMIT")
    seconds = time.process_time() - begin
    # What only the reading of the text took.
    begin = time.process_time()
    for _ in rows_of(dump):
        pass
    bare = time.process_time() - begin

    def actor(i):
        month = START_NS + (i % 12) * YEAR_NS // 12
        base.execute("SELECT i FROM e WHERE actor=? AND action=? AND ns>=? AND ns<? "
                     "ORDER BY i DESC LIMIT 100",
                     (f"user-{i * 40}", f"service{i % 3}.verb0", month,
                      month + YEAR_NS // 12)).fetchall()

    def words(i):
        base.execute("SELECT rowid FROM t WHERE t MATCH ? ORDER BY rowid DESC LIMIT 100",
                     (f"w{i * 9} w{4000 + i}",)).fetchall()

    traces = [row[0] for row in base.execute(
        f"SELECT trace FROM e WHERE i % {max(1, size // ROUNDS)} = 0 LIMIT {ROUNDS}")]
    found = {
        "events_per_s": size / max(seconds - bare, 1e-9),
        "bytes_per_event": path.stat().st_size / size,
        "actor_action_month_ms": median_ms(actor),
        "two_words_ms": median_ms(words),
        "trace_ms": median_ms(lambda i: base.execute(
            "SELECT i FROM e WHERE trace=?", (traces[i % len(traces)],)).fetchall()),
    }
    # Seconds each: once is enough.
    for key, text in (("histogram_ms", f"SELECT (ns-{START_NS})/{YEAR_NS // 60}, outcome, count(*) "
                                       "FROM e GROUP BY 1, 2"),
                      ("top_actions_ms", "SELECT action, count(*) c FROM e GROUP BY 1 "
                                         "ORDER BY c DESC LIMIT 10"),
                      ("top_actors_ms", "SELECT actor, count(*) c FROM e GROUP BY 1 "
                                        "ORDER BY c DESC LIMIT 10")):
        begin = time.perf_counter()
        base.execute(text).fetchall()
        found[key] = (time.perf_counter() - begin) * 1000
    base.close()
    return found


def shown(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def folder_bytes(folder):
    """What the files take; those of the journal are there whole from the first record on."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*")
               if path.is_file() and "journal" not in path.parts)


def run_long(arguments):
    free = shutil.disk_usage(arguments.folder).free
    wanted = arguments.records * DISK_BYTES_PER_RECORD + (4 << 30)
    if free < wanted:
        raise OSError(f"{arguments.folder}: {free >> 30} GiB are free; {wanted >> 30} are wanted")
    data = arguments.folder / "data"
    # What it says on its way goes to our own standard error.
    done = subprocess.run([arguments.build / "bench/bench_ledger_search", str(arguments.records), data,
                           str(arguments.seconds)], check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    found["paced_share"] = found["paced_with"] / found["paced_without"]
    found["disk_bytes_per_event"] = folder_bytes(data) / found["records_in_all"]
    return found


def show_long(found):
    missed = missed_of(LONG_ROWS, found)
    print(f"{found['records']:,} records over 12 months, {found['scanned']:,} of them in no index yet; warm, p50 of "
          f"{ROUNDS}; appends: {found['paced_without']:,.0f} a second without the index, "
          f"{found['paced_with']:,.0f} with it\n")
    print(f"{'':46}{'graven':>12}{'target':>12}")
    for key, text, target, more in LONG_ROWS:
        goal = "" if target is None else ("≥ " if more else "≤ ") + shown(target)
        verdict = "" if target is None else "  MISSED" if key in missed else "  met"
        print(f"{text:46}{shown(found[key]):>12}{goal:>12}{verdict}")
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--long", action="store_true", help="through the ledger, 100,000,000 records")
    parser.add_argument("--records", type=int,
                        help="how many [1048576, with --long 100000000]; without it rounded down to a "
                             "multiple of 65,536")
    parser.add_argument("--seconds", type=int, default=PACED_SECONDS,
                        help="with --long: for so long it appends 100,000 a second, twice [20]")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/bench/search")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.records = arguments.records or (LONG_RECORDS if arguments.long else 1 << 20)
    if arguments.records < 65_536:
        parser.error("--records: at least 65,536")
    shutil.rmtree(arguments.folder, ignore_errors=True)
    (arguments.folder / "index").mkdir(parents=True)
    dump = arguments.folder / "records.tsv"
    try:
        if arguments.long:
            ours = run_long(arguments)
            if arguments.json:
                missed = missed_of(LONG_ROWS, ours)
                print(json.dumps({"graven": ours, "missed": missed}, indent=1))
            else:
                missed = show_long(ours)
            return 1 if missed else 0
        done = subprocess.run([arguments.build / "bench/bench_index", str(arguments.records),
                               arguments.folder / "index", dump],
                              check=True, capture_output=True, text=True)
        ours = json.loads(done.stdout)
        theirs = sqlite(dump, arguments.folder, ours["records"])
    except (OSError, subprocess.CalledProcessError, sqlite3.Error) as error:
        print(f"search bench: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(arguments.folder, ignore_errors=True)
    missed = missed_of(SHORT_ROWS, ours)
    if arguments.json:
        print(json.dumps({"graven": ours, "sqlite": theirs, "missed": missed}, indent=1))
        return 1 if missed else 0
    print(f"{ours['records']:,} records of {ours['record_bytes_per_event']:.0f} bytes, warm, p50 of "
          f"{ROUNDS}; SQLite {sqlite3.sqlite_version}\n")
    print(f"{'':46}{'graven':>12}{'sqlite':>12}{'target':>12}")
    for key, text, target, more in SHORT_ROWS:
        goal = "" if target is None else ("≥ " if more else "≤ ") + shown(target)
        print(f"{text:46}{shown(ours[key]):>12}{shown(theirs[key]):>12}{goal:>12}"
              f"{'  MISSED' if key in missed else ''}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
