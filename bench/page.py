#!/usr/bin/env python3
"""The page's budgets, measured in Chromium against the real server on loopback: the first rows, how
it keeps up with 5,000 events a second, a million rows that scroll, a path of 30 hashes. Prints a
table with targets; exits 1 when one is missed, 2 when the run itself failed.

Browser, server and what sends the events share the machine, so a target is only missed when it was
so in each of three tries."""

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from run import OTHERS_CPU_MAX, ROOT, TRIES_MAX, Failed, log, machine_cpu

UI = ROOT / "ui"
EVENTS_PER_SECOND = 5000
TASK_MS_MAX = 50


def node():
    done = subprocess.run([ROOT / "tools/ui_toolchain.sh", "path"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"no node: {done.stderr.strip()}")
    return Path(done.stdout.strip()) / "node"


def used_by_children():
    times = os.times()
    return times.children_user + times.children_system


def measure(seconds):
    begin, cpu, own = time.monotonic(), machine_cpu(), used_by_children()
    done = subprocess.run(
        [node(), "--experimental-strip-types", "e2e/pace.ts", str(EVENTS_PER_SECOND), str(seconds)],
        cwd=UI, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(done.stderr.strip()[-2000:])
    facts = json.loads(done.stdout.splitlines()[-1])
    facts["others"] = max(0.0, (machine_cpu() - cpu - used_by_children() + own) /
                          (time.monotonic() - begin))
    return facts


def gzip_kb():
    """As the server would send them once each."""
    files = [path for path in (UI / "dist").rglob("*") if path.is_file()]
    if not files:
        raise Failed("there is no ui/dist: tools/ui_toolchain.sh build")
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in files) / 1000


def rows(facts):
    """text, measured, unit, limit (None: only said), whether that is the most (else the least)."""
    live, scroll = facts["live"], facts["scroll"]
    heap = live["page_heap_mb"] + live["worker_heap_mb"]
    rate = f"{live['rate']:,} events/s for {live['seconds']} s"
    return [
        ("all files with gzip", gzip_kb(), "KB", 150, True),
        ("first rows, never here before, median of 7", statistics.median(facts["first_rows_ms"]),
         "ms", 500, True),
        (f"{rate}: longest task", max(live["long_tasks_ms"], default=0), "ms", TASK_MS_MAX, True),
        (f"{rate}: counted of those sent", 100 * live["counted"] / live["sent"], "%", 100, False),
        # Figures that are aligned to the right move a little by themselves.
        (f"{rate}: layout shift, thousandths", 1000 * live["layout_shift"], "", 1, True),
        (f"{rate}: memory of page and worker, objects and buffers", heap, "MB", 150, True),
        (f"{rate}: frames", live["frames"]["per_s"], "/s", None, False),
        # 60, less what a clock of 16.7 ms misses in three seconds.
        ("a million rows, a page a frame: frames", scroll["frames"]["per_s"], "/s", 58, False),
        ("a path of 30 hashes, median", statistics.median(facts["climb_30_ms"]), "ms", 20, True),
        ("a record, from its address to verified", facts["record_verified_ms"], "ms", None, True),
    ]


def good(row):
    _, value, _, limit, most = row
    return limit is None or (value <= limit if most else value >= limit)


def better(one, other):
    """Of two tries at the same row, the one nearer to its target."""
    return min(one, other, key=lambda row: row[1] if row[4] else -row[1])


def run(options):
    seconds = 8 if options.short else 600 if options.long else 20
    best, others = None, []
    for number in range(TRIES_MAX):
        log(f"try {number + 1} of at most {TRIES_MAX}")
        facts = measure(seconds)
        if facts["live"]["seal"] != "first":
            raise Failed(f"the page says {facts['live']['seal']}")
        others.append(facts["others"])
        tried = rows(facts)
        best = tried if best is None else [better(*pair) for pair in zip(best, tried)]
        if all(map(good, best)) or options.long:
            break
    print(f"{os.cpu_count()} processors; browser, server and sender on one machine; "
          f"best of {len(others)} tries")
    missed = []
    for row in best:
        text, value, unit, limit, most = row
        if not good(row):
            missed.append(text)
        goal = "" if limit is None else f"{'at most' if most else 'at least'} {limit} {unit}"
        mark = "" if limit is None else "ok" if good(row) else "MISSED"
        print(f"{text:64} {value:10.1f} {unit:3} {goal:>18}  {mark}")
    if minutes := facts["live"]["page_heap_mb_by_minute"]:
        print("page, each minute, before garbage is collected: " +
              ", ".join(f"{mb:.0f}" for mb in minutes) + " MB")
    if max(others) > OTHERS_CPU_MAX:
        print(f"note: other processes used up to {max(others):.1f} cores meanwhile")
    for text in missed:
        print(f"missed: {text}")
    return 1 if missed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_true", help="8 s of events instead of 20")
    form.add_argument("--long", action="store_true", help="10 minutes of events, once")
    try:
        return run(parser.parse_args())
    except (Failed, OSError, ValueError, IndexError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
