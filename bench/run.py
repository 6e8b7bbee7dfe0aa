#!/usr/bin/env python3
"""Graven against the ceiling: the same client against `graven serve` and against a server of the
same contract that reads and throws away, in turns, on a real disk. Prints a table with ratios and
targets; exits 1 when a target is missed, 2 when the run itself failed.

One run's figures swing with the machine; the ratios of interleaved rounds do not. Rounds that other
processes disturbed are measured again, and said so when they stay disturbed."""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
READY_SECONDS_MAX = 120
SETTLE_SECONDS_MAX = 15
OTHERS_CPU_MAX = 0.3  # cores
TRIES_MAX = 3

# key, text, arguments of bench_load, lowest ratio to the ceiling (None: judged otherwise)
LOADS = [
    ("alone", "unary, 1 in flight", ["--mode", "unary", "--window", "1"], None),
    ("unary", "unary, 128 in flight", ["--mode", "unary", "--window", "128"], 0.80),
    ("logs", "unary, 128 in flight, 128 logs",
     ["--mode", "unary", "--window", "128", "--logs", "128"], 0.60),
    ("stream", "stream, single events, window 1,024", ["--mode", "stream", "--window", "1024"], 0.50),
    ("batch", "stream, 100 a message, window 64",
     ["--mode", "stream", "--window", "64", "--batch", "100"], 0.45),
]
SUSTAINED_MIN = 0.30
ALONE_FACTOR_MAX = 1.3
RESIDENT_MIB_MAX = 256
OPEN_CLEAN_SECONDS_MAX = 1.0
OPEN_KILLED_SECONDS_MAX = 3.0
MONITOR_RECORDS_MIN = 500_000  # a second, with nothing seen before
METRICS_SHARE_MAX = 0.01  # of the server's processor time
# As the server's loop has them: an event counts so much beside its bytes, and so much is taken from
# the queue at once.
BYTES_BESIDE_EVENT = 160
BYTES_PER_ABSORB = 32 << 10
EVENT_BYTES = 240


class Failed(Exception):
    pass


def log(text):
    print(text, file=sys.stderr, flush=True)


def process_cpu(pid):
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def machine_cpu():
    """Seconds of processor time that all processes used since the start of the machine."""
    fields = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS  # all but idle and waiting for the disk


def resident_mib(pid, key="VmRSS"):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    raise Failed(f"no {key} for process {pid}")


class Server:
    """A server process that says in a file when it is ready."""

    def __init__(self, name, command, folder):
        self.name = name
        self.command = command
        self.ready_file = folder / f"{name}.ready"
        self.output = open(folder / f"{name}.log", "ab")
        self.process = None
        self.address = None
        self.ready = None
        self.open_seconds = None

    def start(self):
        self.ready_file.unlink(missing_ok=True)
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [*self.command, "--ready-file", str(self.ready_file)],
            stdout=self.output, stderr=self.output)
        while not self.ready_file.exists():
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended with {self.process.returncode}: see {self.output.name}")
            if time.monotonic() - begin > READY_SECONDS_MAX:
                raise Failed(f"{self.name} is not ready after {READY_SECONDS_MAX} s")
            time.sleep(0.002)
        self.open_seconds = time.monotonic() - begin
        self.ready = json.loads(self.ready_file.read_text())
        self.address = self.ready["grpc"][0]
        return self

    @property
    def pid(self):
        return self.process.pid

    def settle(self):
        """Waits until the work that an earlier load left behind is done."""
        end = time.monotonic() + SETTLE_SECONDS_MAX
        while time.monotonic() < end:
            before = process_cpu(self.pid)
            time.sleep(0.2)
            if process_cpu(self.pid) - before <= 0.02:
                return

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"{self.name} did not stop within 60 s") from None
        if self.name == "graven" and code != 0:
            raise Failed(f"{self.name} stopped with {code}: see {self.output.name}")

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def load_command(build, server, arguments):
    command = [str(build / "bench/bench_load"), "--address", server.address,
               "--server-pid", str(server.pid), *arguments]
    return command + (["--discard"] if server.name == "discard" else [])


def batches_so_far(build, server):
    """Batches and events that a server of ours has made durable."""
    if server.name != "graven":
        return 0, 0
    done = subprocess.run([str(build / "graven"), "status", "--server", server.address, "--json"],
                          capture_output=True, text=True, check=True)
    status = json.loads(done.stdout)
    return int(status["batches"]), int(status["events_appended"])


def children_cpu():
    """Seconds of processor time of the children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def run_load(build, server, arguments):
    """One measurement; `others` is what other processes used of the processors meanwhile."""
    server.settle()
    batches, events = batches_so_far(build, server)
    begin, cpu = time.monotonic(), machine_cpu()
    own = process_cpu(server.pid) + children_cpu()
    done = subprocess.run(load_command(build, server, arguments), capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{server.name}, {' '.join(arguments)}: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    own = process_cpu(server.pid) + children_cpu() - own
    result["others"] = max(0.0, (machine_cpu() - cpu - own) / (time.monotonic() - begin))
    batches_after, events_after = batches_so_far(build, server)
    if batches_after > batches:
        result["batch_events"] = (events_after - events) / (batches_after - batches)
    return result


def measure(build, server, arguments):
    best = None
    for _ in range(TRIES_MAX):
        result = run_load(build, server, arguments)
        if best is None or result["others"] < best["others"]:
            best = result
        if best["others"] <= OTHERS_CPU_MAX:
            break
    return best


def sync_micros(folder):
    """Median of write and fdatasync of 4 KiB inside a file that holds zeros already."""
    path = folder / "sync.probe"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, bytes(1 << 20), 0)
        os.fsync(descriptor)
        times = []
        for i in range(256):
            begin = time.perf_counter_ns()
            os.pwrite(descriptor, b"x" * 4096, i * 4096)
            os.fdatasync(descriptor)
            times.append((time.perf_counter_ns() - begin) / 1000)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(times)


def check_disk(folder):
    best = ("", "")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind = line.split()[:3]
        if os.path.commonpath([folder, mount]) == mount and len(mount) > len(best[0]):
            best = (mount, kind)
    if best[1] in ("tmpfs", "ramfs"):
        raise Failed(f"{folder} lies in memory ({best[1]}); give --folder on a real disk")
    return best[1]


class Verdicts:
    def __init__(self):
        self.missed = []

    def judge(self, text, good):
        if not good:
            self.missed.append(text)
        return "ok" if good else "MISSED"


def median_of(results, key):
    return statistics.median(result[key] for result in results)


def interleave(options, servers, rounds):
    """results[load][server] = one result a round; syncs = one figure a round."""
    results = {load[0]: {server.name: [] for server in servers} for load in LOADS}
    syncs = []
    # The steady state is what is measured: once unmeasured, so that the journal has grown to the size
    # that such a burst needs and its files are there to be used again.
    log("one round that does not count")
    for server in servers:
        for key, _, arguments, _ in LOADS:
            seconds = options.seconds * (1.5 if key == "batch" else 0.3)
            run_load(options.build, server, ["--seconds", f"{seconds:.1f}", *arguments])
    for number in range(rounds):
        log(f"round {number + 1} of {rounds}")
        syncs.append(sync_micros(options.folder))
        for key, _, arguments, _ in LOADS:
            for server in random.sample(servers, len(servers)):
                timed = ["--seconds", str(options.seconds), *arguments]
                results[key][server.name].append(measure(options.build, server, timed))
    return results, syncs


def print_loads(results, syncs, verdicts):
    print(f"\n{'load':38} {'graven':>10} {'ceiling':>10} {'ratio':>6} {'target':>7}  verdict   "
          f"{'p50 / p99 us':>18}   {'CPU us an event: server + client (ceiling)':>42}")
    sync = statistics.median(syncs)
    for key, text, _, target in LOADS:
        graven, ceiling = results[key]["graven"], results[key]["discard"]
        ratio = statistics.median(g["rate"] / c["rate"] for g, c in zip(graven, ceiling))
        mark, goal = "", ""
        if target is not None:
            mark = verdicts.judge(f"{text}: {ratio:.2f} of the ceiling, at least {target:.2f}",
                                  ratio >= target)
            goal = f"{target:.2f}"
        cpu = [median_of(side, name) for side in (graven, ceiling)
               for name in ("server_cpu_us", "client_cpu_us")]
        print(f"{text:38} {median_of(graven, 'rate'):10,.0f} {median_of(ceiling, 'rate'):10,.0f} "
              f"{ratio:6.2f} {goal:>7}  {mark:8}  "
              f"{median_of(graven, 'p50_us'):8,.0f} / {median_of(graven, 'p99_us'):7,.0f}   "
              f"{cpu[0]:10.2f} + {cpu[1]:5.2f} ({cpu[2]:.2f} + {cpu[3]:.2f})")
    alone = results["alone"]
    limit = ALONE_FACTOR_MAX * (median_of(alone["discard"], "p50_us") + sync)
    p50 = median_of(alone["graven"], "p50_us")
    mark = verdicts.judge(f"one alone: p50 {p50:.0f} us, at most {limit:.0f} us", p50 <= limit)
    print(f"\none alone: p50 {p50:.0f} us; at most {limit:.0f} us = {ALONE_FACTOR_MAX} x (ceiling's p50 "
          f"{median_of(alone['discard'], 'p50_us'):.0f} us + write and fdatasync {sync:.0f} us)  {mark}")


def print_metrics_cost(options, results, verdicts):
    """What the instruments cost on the way of an append, measured alone in batches of the shapes that
    the loads had just now, as a share of the server's processor time an event in the same loads."""
    print()
    for key, text, arguments, _ in LOADS:
        graven = results[key]["graven"]
        events = max(1, round(median_of(graven, "batch_events")))
        each = int(arguments[arguments.index("--batch") + 1]) if "--batch" in arguments else 1
        batch_bytes = events * (EVENT_BYTES + BYTES_BESIDE_EVENT)
        shape = {"requests": max(1, events // each), "events": events,
                 "absorbs": 1 + batch_bytes // BYTES_PER_ABSORB}
        done = subprocess.run([str(options.build / "bench/bench_metrics_cost")] +
                              [word for name, value in shape.items() for word in (f"--{name}", str(value))],
                              capture_output=True, text=True, check=True)
        batch_ns = json.loads(done.stdout)["batch_ns"]
        server_us = median_of(graven, "server_cpu_us")
        share = batch_ns / 1000 / events / server_us
        mark = verdicts.judge(f"metrics, {text}: {share:.2%} of the server's time, at most {METRICS_SHARE_MAX:.0%}",
                              share <= METRICS_SHARE_MAX)
        print(f"metrics, {text + ':':39} {batch_ns:6,} ns a batch of {shape['requests']:,} requests, "
              f"{events:,} events: {share:.2%} of {server_us:.2f} us an event; at most "
              f"{METRICS_SHARE_MAX:.0%}  {mark}")


def print_disturbance(results):
    disturbed = sum(result["others"] > OTHERS_CPU_MAX for sides in results.values()
                    for side in sides.values() for result in side)
    if disturbed:
        print(f"note: other processes used more than {OTHERS_CPU_MAX} cores in {disturbed} measurements")


def sustained(options, graven, discard, verdicts):
    """The same load for so long that sealing has to keep up."""
    arguments = LOADS[-1][2]
    log(f"sustained, {options.sustained_seconds:g} s")
    ceilings = [measure(options.build, discard, ["--seconds", str(options.seconds), *arguments])]
    result = run_load(options.build, graven,
                      ["--seconds", str(options.sustained_seconds), *arguments])
    ceilings.append(measure(options.build, discard, ["--seconds", str(options.seconds), *arguments]))
    ceiling = statistics.mean(c["rate"] for c in ceilings)
    ratio = result["rate"] / ceiling
    mark = verdicts.judge(f"sustained: {ratio:.2f} of the ceiling, at least {SUSTAINED_MIN:.2f}",
                          ratio >= SUSTAINED_MIN)
    print(f"sustained, 100 a message for {result['seconds']:.0f} s: {result['rate']:,.0f} a second of "
          f"{ceiling:,.0f}: {ratio:.2f}; at least {SUSTAINED_MIN:.2f}  {mark}; "
          f"p50 / p99 {result['p50_us']:,.0f} / {result['p99_us']:,.0f} us, "
          f"{result['events']:,} events")
    return {"rate": result["rate"], "ceiling": ceiling, "seconds": result["seconds"]}


def loads(options, graven, discard, verdicts):
    """Each load on both servers in turn, and the last one for long."""
    kept = {}
    if options.only != "sustained":
        results, syncs = interleave(options, [graven, discard], options.rounds)
        print(f"median of {options.rounds} interleaved rounds of {options.seconds:g} s")
        print_loads(results, syncs, verdicts)
        print_metrics_cost(options, results, verdicts)
        print_disturbance(results)
        kept = {"loads": results, "sync_us": syncs}
    return kept | {"sustained": sustained(options, graven, discard, verdicts)}


def opening(options, make_graven, verdicts):
    """Memory and time to open of a log of so many records."""
    log(f"filling a log with {options.records:,} records")
    server = make_graven("records").start()
    try:
        run_load(options.build, server, ["--events", str(options.records), *LOADS[-1][2]])
        peak = resident_mib(server.pid, "VmHWM")
        server.settle()
        resident = resident_mib(server.pid)
        server.stop()
        clean = server.start().open_seconds
        opened = resident_mib(server.pid)
        # Killed in the middle of a load, so that the journal has something to recover.
        load = subprocess.Popen(
            load_command(options.build, server, ["--seconds", "30", *LOADS[-1][2]]),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2)
        server.kill()
        load.kill()
        load.wait()
        killed = server.start().open_seconds
        server.stop()
    finally:
        server.kill()
    for text, value, limit, unit in [
            ("resident at the peak", peak, RESIDENT_MIB_MAX, "MiB"),
            ("resident when idle", resident, RESIDENT_MIB_MAX, "MiB"),
            ("resident after opening", opened, RESIDENT_MIB_MAX, "MiB"),
            ("open after a clean stop", clean, OPEN_CLEAN_SECONDS_MAX, "s"),
            ("open after a kill under load", killed, OPEN_KILLED_SECONDS_MAX, "s")]:
        mark = verdicts.judge(f"{options.records:,} records, {text}: {value:.2f} {unit}, under {limit} {unit}",
                              value < limit)
        print(f"{options.records:,} records, {text}: {value:.2f} {unit}; under {limit} {unit}  {mark}")
    return {"records": options.records, "peak_mib": peak, "resident_mib": resident,
            "opened_mib": opened, "open_clean_s": clean, "open_killed_s": killed}


def monitor(options, make_graven, verdicts):
    """How fast a monitor that has seen nothing catches up, over gRPC and over tiles."""
    log(f"monitor, {options.records:,} records")
    binary = str(options.build / "graven")
    server = make_graven("records", "--http", "127.0.0.1:0").start()
    kept = {}
    try:
        run_load(options.build, server, ["--events", str(options.records), *LOADS[-1][2]])
        server.settle()
        key = subprocess.run([binary, "keys", "show", "--data", str(options.folder / "records")],
                             capture_output=True, text=True, check=True).stdout
        (options.folder / "log.vkey").write_text(key)
        tiles = server.ready["http"][0].rstrip("/") + "/logs/default"
        for way, flags in [("gRPC", ["--server", server.address]), ("tiles", ["--url", tiles])]:
            seen = options.folder / "seen"
            shutil.rmtree(seen, ignore_errors=True)
            begun = time.monotonic()
            done = subprocess.run([binary, "monitor", "--key", str(options.folder / "log.vkey"),
                                   "--data", str(seen), "--once", "--json", *flags],
                                  capture_output=True, text=True)
            seconds = time.monotonic() - begun
            if done.returncode != 0:
                raise Failed(f"monitor: {done.stdout}{done.stderr}")
            read = json.loads(done.stdout.splitlines()[-1])["records_read"]
            rate = read / seconds
            mark = verdicts.judge(
                f"monitor over {way}: {rate:,.0f} records a second, at least {MONITOR_RECORDS_MIN:,}",
                rate >= MONITOR_RECORDS_MIN)
            print(f"monitor over {way}: {read:,} records in {seconds:.2f} s: {rate:,.0f} a second; "
                  f"at least {MONITOR_RECORDS_MIN:,}  {mark}")
            kept[way] = {"records": read, "seconds": seconds}
        server.stop()
    finally:
        server.kill()
    return kept


def run(options):
    verdicts = Verdicts()
    kind = check_disk(options.folder)

    def make_graven(name, *flags):
        data = options.folder / name
        shutil.rmtree(data, ignore_errors=True)
        return Server("graven", [str(options.build / "graven"), "serve", "--data", str(data),
                                 "--listen", "127.0.0.1:0", *flags], options.folder)

    discard = Server("discard", [str(options.build / "bench/bench_discard_server")], options.folder)
    graven = make_graven("data")
    kept = {}
    try:
        print(f"{os.cpu_count()} processors, {kind}, client and server on one machine")
        if options.only in (None, "loads", "sustained"):
            kept |= loads(options, graven.start(), discard.start(), verdicts)
            graven.stop()
            shutil.rmtree(options.folder / "data", ignore_errors=True)
        if options.only in (None, "opening"):
            kept["opening"] = opening(options, make_graven, verdicts)
        if options.only in (None, "monitor"):
            kept["monitor"] = monitor(options, make_graven, verdicts)
    finally:
        graven.kill()
        discard.kill()
    (options.folder / "results.json").write_text(json.dumps(kept, indent=1) + "\n")
    samples = sum(r["samples"] for sides in kept.get("loads", {}).values() for r in sides["graven"])
    print(f"everything acknowledged is there: sizes compared after each load, {samples:,} records looked up")
    for text in verdicts.missed:
        print(f"missed: {text}")
    return 1 if verdicts.missed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_true", help="3 rounds of 0.7 s: a look, not a measurement")
    form.add_argument("--long", action="store_true", help="2 minutes sustained, 10 million records")
    parser.add_argument("--only", choices=["loads", "sustained", "opening", "monitor"],
                        help="a part: loads with sustained, sustained alone, memory and opening, a monitor")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="folder of the binaries")
    parser.add_argument("--folder", type=Path, default=None, help="where data goes; default build/bench")
    options = parser.parse_args()
    options.folder = (options.folder or ROOT / "build/bench").resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    options.rounds, options.seconds = (3, 0.7) if options.short else (5, 2.0)
    options.sustained_seconds = 10 if options.short else 120 if options.long else 30
    options.records = 300_000 if options.short else 10_000_000 if options.long else 1_000_000
    try:
        return run(options)
    except (Failed, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    finally:
        for name in ("data", "records", "seen"):
            shutil.rmtree(options.folder / name, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
