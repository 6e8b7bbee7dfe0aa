#!/usr/bin/env python3
"""What happens on this machine as audit events: processes that start and end, and how busy it is.

    host_events.py                                  JSON Lines on standard output
    host_events.py --graven BINARY --server ADDR    into a log, by one `graven append` that runs on

Looks into /proc once a second, so what lives shorter may be missed: a demonstration. Says the program
and the user, never arguments: those hold secrets. Ids come from boot, pid and start, so that a second
one beside it makes the same events. Ends with SIGTERM, SIGINT, the one that reads, or --parent PID."""
import argparse
import datetime
import json
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import sys
import threading

TICKS = os.sysconf("SC_CLK_TCK")
KERNEL_THREAD = 0x00200000  # PF_KTHREAD of the flags in /proc/PID/stat
MEASURE_EVERY = 5  # looks
PROC = pathlib.Path("/proc")


class Machine:
    def __init__(self):
        self.name = socket.gethostname()[:100] or "localhost"
        self.boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()[:13]
        lines = (PROC / "stat").read_text().splitlines()
        self.booted = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
        self.users = {}

    def user(self, uid):
        if uid not in self.users:
            try:
                self.users[uid] = pwd.getpwuid(uid).pw_name
            except KeyError:
                self.users[uid] = str(uid)
        return self.users[uid]

    def processes(self):
        """{(pid, start in ticks): program, user}; without kernel threads and what ends meanwhile."""
        found = {}
        for entry in os.scandir(PROC):
            if not entry.name.isdigit():
                continue
            try:
                text = (PROC / entry.name / "stat").read_bytes()
                uid = os.stat(PROC / entry.name).st_uid
            except OSError:
                continue
            # The name stands in parentheses and may hold anything.
            name = text[text.index(b"(") + 1:text.rindex(b")")]
            program = name.decode("utf-8", "replace")
            rest = text[text.rindex(b")") + 2:].split()
            if int(rest[6]) & KERNEL_THREAD == 0:
                found[int(entry.name), int(rest[19])] = (program or "?", self.user(uid))
        return found

    def event(self, action, actor, target, occurred, identity):
        time = occurred.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
        return {"event_id": f"host-{self.boot}-{identity}", "actor": actor, "action": action,
                "targets": [target], "outcome": "OUTCOME_SUCCESS", "occurred_at": time,
                "source": {"service": self.name}}

    def process(self, action, key, what, occurred):
        (pid, start), (program, user) = key, what
        event = self.event(action, {"type": "user", "id": user}, {"type": "program", "id": program},
                           occurred, f"{pid}-{start}-{action.rpartition('.')[2]}")
        event["labels"] = [{"key": "pid", "value": str(pid)}]
        event["correlation_id"] = f"process-{self.boot}-{pid}-{start}"
        return event

    def started(self, key, what):
        seconds = self.booted + key[1] / TICKS
        return self.process("process.started", key, what,
                            datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc))

    def ended(self, key, what):
        event = self.process("process.ended", key, what, datetime.datetime.now(datetime.timezone.utc))
        del event["outcome"]  # the exit code is for its parent alone
        return event

    def measured(self, count):
        now = datetime.datetime.now(datetime.timezone.utc)
        lines = (PROC / "meminfo").read_text().splitlines()
        memory = dict(line.split(":") for line in lines)
        machine = {"type": "machine", "id": self.name}
        event = self.event("machine.measured", machine, machine, now,
                           f"measured-{now.timestamp():.0f}")
        event["details_struct"] = {"load_1_min": os.getloadavg()[0], "processes": count,
                                   "memory_available_mib": int(memory["MemAvailable"].split()[0]) // 1024}
        return event


def look(machine, known, number):
    """What is new since the last look."""
    now = machine.processes()
    events = [machine.ended(key, known[key]) for key in known if key not in now]
    events += [machine.started(key, what) for key, what in now.items() if key not in known]
    if number % MEASURE_EVERY == 0:
        events.append(machine.measured(len(now)))
    return now, events


def follow(output, ended, parent):
    machine, number = Machine(), 0
    known = machine.processes()  # what runs already is no news
    while not ended.wait(0 if number == 0 else 1) and (parent is None or os.getppid() == parent):
        known, events = look(machine, known, number)
        number += 1
        if events:
            output.write("".join(json.dumps(event) + "\n" for event in events))
            output.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graven", help="the binary; without it, events go to standard output")
    parser.add_argument("--server", help="HOST:PORT of the server")
    parser.add_argument("--log", default="default")
    parser.add_argument("--parent", type=int, help="end when it does")
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    appender, output = None, sys.stdout
    if options.graven:
        # A group of its own: Ctrl-C is ours to hand on, by the end of its input.
        command = [options.graven, "append", "-", "--count-refused", "--log", options.log]
        if options.server:
            command += ["--server", options.server]
        appender = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                    text=True, start_new_session=True)
        output = appender.stdin
    try:
        follow(output, ended, options.parent)
        if appender is not None:
            output.close()
    except BrokenPipeError:
        # The reader is gone; what Python has kept for it must not make a noise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
    if appender is not None:
        try:
            sys.exit(appender.wait(10))
        except subprocess.TimeoutExpired:
            appender.kill()
            sys.exit(appender.wait())


if __name__ == "__main__":
    main()
