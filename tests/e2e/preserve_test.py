"""`graven preserve` on the worst day: a running server, traps in the folder, no room, no right, an early end."""
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import threading
import time
import unittest

import serving

CONFIG = "[limits]\njournal_file_bytes = 16777216\njournal_files = 4\n"


def append(address, count, prefix="e"):
    lines = "".join(json.dumps({"eventId": f"{prefix}-{i}", "actor": {"id": f"user-{i % 7}"},
                                "action": "invoice.approve",
                                "occurredAt": "2026-01-02T03:04:05Z"}) + "\n"
                    for i in range(count))
    serving.run("append", "-", "--server", address, input=lines)


def sums_hold(out):
    """By what every machine has, without Graven."""
    done = subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS"], cwd=out,
                          capture_output=True, text=True)
    return done.returncode == 0 and done.stderr == ""


def listing(folder):
    """All that a look at the folder could tell: names, sizes, times, modes."""
    return {path: (found.st_size, found.st_mtime_ns, found.st_mode) for path in sorted(folder.rglob("*"))
            for found in [path.lstat()]}


class Preserve(unittest.TestCase):
    def setUp(self):
        self.folder = serving.make_folder("preserve")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.config = self.folder / "graven.toml"
        self.config.write_text(CONFIG)
        self.data = self.folder / "data"
        self.out = self.folder / "evidence"

    def serve(self):
        return serving.Server(self.folder, "--config", self.config)

    def fill(self, count=300):
        with self.serve() as server:
            append(server.address, count)
            self.key = server.ready["logs"]["default"]["vkey"]
            self.assertEqual(server.stop(), 0)

    def preserve(self, *arguments, check=0, out=None, **options):
        done = serving.run("preserve", out or self.out, "--data", self.data, "--json", *arguments, check=check,
                           timeout=60, **options)
        return json.loads(done.stdout) if done.stdout else done.stderr

    def test_nothing_in_the_folder_is_touched_and_the_copy_verifies(self):
        self.fill()
        before = listing(self.data)
        taken = self.preserve()
        self.assertEqual(listing(self.data), before)
        self.assertEqual([taken[name] for name in ("left_out", "unreadable", "changed_meanwhile")], [[], [], []])
        self.assertTrue(sums_hold(self.out))
        for path in self.out.rglob("*"):
            # Nor may anybody else read what only the server could.
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o400 if path.is_file() else 0o700, path)
        verdict = json.loads(serving.run("verify", "--data", self.out / "data", "--key", self.key, "--json").stdout)
        self.assertEqual(verdict["logs"][0]["records"], 300)
        serving.run("preserve", self.out, "--check")
        self.assertTrue(sums_hold(self.out), "verifying the copy changed it")

    def test_a_server_that_is_written_to_meanwhile_goes_on_and_the_copy_holds(self):
        with self.serve() as server:
            key = server.ready["logs"]["default"]["vkey"]
            append(server.address, 3000, "before")
            # The first of a start is kept behind the publisher's back; from then on a copy holds against the key.
            kept = self.data / "logs" / "default" / "checkpoints"
            end = time.monotonic() + 60
            while not (kept.exists() and kept.stat().st_size > 0):
                self.assertLess(time.monotonic(), end, "no checkpoint was kept")
                time.sleep(0.02)
            ended = threading.Event()
            appended = []

            def keep_writing():
                while not ended.is_set():
                    append(server.address, 200, f"during-{len(appended)}")
                    appended.append(200)

            writer = threading.Thread(target=keep_writing)
            writer.start()
            try:
                for number in range(4):
                    self.preserve(out=self.folder / f"evidence-{number}")
            finally:
                ended.set()
                writer.join()
            self.assertTrue(appended)
            self.assertEqual(server.stop(), 0)
        for number in range(4):
            out = self.folder / f"evidence-{number}"
            self.assertTrue(sums_hold(out))
            verdict = json.loads(serving.run("verify", "--data", out / "data", "--key", key, "--json").stdout)
            self.assertGreaterEqual(verdict["logs"][0]["records"], 3000)

    def test_traps_in_the_folder_neither_stop_it_nor_lead_it_elsewhere(self):
        self.fill()
        secret = self.folder / "secret"
        secret.write_text("of somebody else")
        traps = {"logs/default/key": "../../keys/default", "up": "..", "loop": ".", "nowhere": "/nonexistent/x",
                 "zero": "/dev/zero", "out": self.folder}
        if os.geteuid() == 0:
            os.chown(secret, 65534, 65534)
            traps["other"] = secret
        for name, target in traps.items():
            (self.data / name).symlink_to(target)
        os.mkfifo(self.data / "pipe")
        (self.data / "logs" / "default" / "a\nb\\c").write_text("a name that would break a line")
        taken = self.preserve(check=1)
        left = dict(one.split(": ", 1) for one in taken["left_out"])
        self.assertEqual(set(left), {f"data/{name}" for name in (*traps, "pipe")})
        self.assertEqual(left["data/pipe"], "a pipe")
        self.assertIn("where the keys are", left["data/logs/default/key"])
        self.assertIn("copied in its own place", left["data/loop"])
        self.assertIn("holds what is copied", left["data/up"])
        self.assertIn("a device", left["data/zero"])
        self.assertIn("leads nowhere", left["data/nowhere"])
        if "other" in traps:
            self.assertIn("belongs to another user", left["data/other"])
        self.assertTrue(sums_hold(self.out))
        self.assertIn("left out: data/pipe: a pipe\n", (self.out / "preserved.txt").read_text())
        private = (self.data / "keys" / "default").read_bytes()
        for path in self.out.rglob("*"):
            self.assertFalse(path.is_symlink(), path)
            if path.is_file():
                self.assertNotIn(private, path.read_bytes(), path)
        self.assertEqual((self.out / "data/logs/default/a\nb\\c").read_text(), "a name that would break a line")
        serving.run("preserve", self.out, "--check")
        # In the copy a link or a pipe is a change, and is not opened.
        (self.out / "data" / "clean").unlink()
        os.mkfifo(self.out / "data" / "clean")
        done = serving.run("preserve", self.out, "--check", "--json", check=1, timeout=60)
        self.assertEqual(json.loads(done.stdout)["differences"], ["data/clean: a pipe"])

    def test_a_link_by_which_the_operator_moved_a_part_elsewhere_is_followed(self):
        self.fill()
        elsewhere = self.folder / "fast-disk"
        (self.data / "journal").rename(elsewhere)
        (self.data / "journal").symlink_to(elsewhere)
        (self.folder / "link-to-data").symlink_to(self.data)
        self.data = self.folder / "link-to-data"
        taken = self.preserve()
        self.assertEqual(taken["links_followed"], [f"data/journal: a link to {elsewhere}"])
        serving.run("verify", "--data", self.out / "data", "--key", self.key)

    def test_keys_are_not_copied_by_any_way(self):
        self.fill()
        for named in (self.data / "keys", self.data / "keys" / "default"):
            self.assertIn("the keys are never copied", self.preserve("--also", named, check=2))
            self.assertFalse(self.out.exists())
        elsewhere = self.folder / "keys-elsewhere"
        (self.data / "keys").rename(elsewhere)
        (self.data / "keys").symlink_to(elsewhere)
        (self.data / "again").symlink_to(elsewhere)
        taken = self.preserve(check=1)
        self.assertEqual(taken["left_out"], [f"data/again: a link to {elsewhere}, where the keys are"])
        self.assertFalse((self.out / "data" / "keys").exists())
        # Nor by another name of the same file.
        os.link(elsewhere / "default", self.data / "logs" / "default" / "name")
        taken = self.preserve(out=self.folder / "by-name", check=1)
        self.assertIn("data/logs/default/name: one of the keys, by another name", taken["left_out"])
        private = (elsewhere / "default").read_bytes()
        for path in (self.folder / "by-name").rglob("*"):
            if path.is_file():
                self.assertNotIn(private, path.read_bytes(), path)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("strace"),
                         "skipped: only root can make a file of somebody else, and strace the copy slow")
    def test_what_is_put_in_place_of_a_file_or_folder_while_it_is_copied_leads_nowhere(self):
        self.fill()
        secret = self.folder / "secret"
        secret.mkdir()
        (secret / "x").write_text("of somebody else")
        for path in (secret / "x", secret):
            os.chown(path, 65534, 65534)
        place = self.data / "logs" / "default"
        names = range(30)
        for name in names:
            (place / f"folder-{name}").mkdir()
            (place / f"folder-{name}" / "x").write_text("ours")
        ended = threading.Event()
        swaps = []

        def put(make):
            for name in names:
                make(place / "new")
                os.replace(place / "new", place / f"file-{name}")
            time.sleep(0.003)

        def swap():
            while not ended.is_set():
                put(lambda path: path.write_text("ours"))
                put(lambda path: path.symlink_to(secret / "x"))
                put(lambda path: path.write_text("ours"))
                put(os.mkfifo)
                for name in names:
                    (place / f"folder-{name}").rename(self.folder / f"aside-{name}")
                    (place / f"folder-{name}").symlink_to(secret)
                time.sleep(0.003)
                for name in names:
                    (place / f"folder-{name}").unlink()
                    (self.folder / f"aside-{name}").rename(place / f"folder-{name}")
                swaps.append(1)

        swapper = threading.Thread(target=swap)
        swapper.start()
        try:
            for number in range(4):
                out = self.folder / f"evidence-{number}"
                # Between the look at a name and its being opened lies time enough to put something else there.
                done = subprocess.run(["strace", "-f", "-o", self.folder / "trace", "-e", "trace=openat",
                                       "-e", "inject=openat:delay_enter=4000", serving.BINARY, "preserve", out,
                                       "--data", self.data], capture_output=True, text=True, timeout=60)
                self.assertIn(done.returncode, (0, 1), done.stderr)
                self.assertIn("DELAYED", (self.folder / "trace").read_text())
                self.assertTrue(sums_hold(out))
                for path in out.rglob("*"):
                    if path.is_file() and path.name != "preserved.txt":
                        self.assertNotIn(b"of somebody else", path.read_bytes(), path)
        finally:
            ended.set()
            swapper.join()
        self.assertGreater(len(swaps), 10)

    def test_wrong_targets_are_refused_with_their_reason_before_anything_is_made(self):
        self.fill()
        self.out.mkdir()
        self.assertIn("exists; a copy is made in a folder of its own", self.preserve(check=2))
        self.assertEqual(list(self.out.iterdir()), [])
        (self.folder / "dangling").symlink_to("nowhere")
        self.assertIn("exists", self.preserve(out=self.folder / "dangling", check=2))
        (self.folder / "link").symlink_to(self.data)
        for inside in (self.data / "inside", self.folder / "link" / "inside", self.data / ".." / "data" / "inside"):
            self.assertIn("lies inside", self.preserve(out=inside, check=2))
            self.assertFalse(inside.exists())
        self.assertIn("No such file", self.preserve(out=self.folder / "no" / "parent", check=3))
        out = self.folder / "other"
        self.assertIn("absent", self.preserve("--also", self.folder / "absent", out=out, check=3))
        self.assertFalse(out.exists())
        done = serving.run("preserve", out, "--data", self.out, check=3)
        self.assertIn("no data folder", done.stderr)
        os.mkfifo(self.out / "version")  # it is not waited for
        self.assertIn("no data folder", serving.run("preserve", out, "--data", self.out, check=3, timeout=60).stderr)
        self.assertIn("--data", serving.run("preserve", out, check=2).stderr)
        self.assertFalse(out.exists())

    def test_a_damaged_version_file_is_preserved_with_the_rest(self):
        self.fill()
        (self.data / "version").write_bytes(b"spoilt")
        self.preserve()
        self.assertEqual((self.out / "data" / "version").read_bytes(), b"spoilt")

    @unittest.skipUnless(os.geteuid() == 0, "skipped: only root can become somebody else")
    def test_without_the_right_to_read_it_says_what_it_could_not(self):
        self.fill()
        somebody = {"user": 65534, "group": 65534, "extra_groups": []}
        self.folder.chmod(0o755)
        self.assertIn("Permission denied", self.preserve(check=3, **somebody))
        self.assertFalse(self.out.exists())
        # The folder may be read, one file in it may not.
        for path in (self.data, *self.data.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        (self.data / "guard").chmod(0o600)
        (self.data / "logs" / "_system").chmod(0o700)
        open_to_all = self.folder / "open"
        open_to_all.mkdir()
        open_to_all.chmod(0o777)
        self.assertIn("Permission denied", self.preserve(check=3, **somebody))
        taken = self.preserve(out=open_to_all / "evidence", check=1, **somebody)
        self.assertEqual(sorted(one.split(": ")[0] for one in taken["unreadable"]), ["data/guard", "data/logs/_system"])
        self.assertTrue(sums_hold(open_to_all / "evidence"))

    @unittest.skipUnless(shutil.which("strace"), "skipped: strace is not installed")
    def test_one_that_was_interrupted_has_no_sums_and_says_so(self):
        self.fill()
        before = listing(self.data)
        for number, call in enumerate(("pwrite64:signal=INT:when=2", "fdatasync:signal=KILL:when=3")):
            out = self.folder / f"evidence-{number}"
            trace = self.folder / f"trace-{number}"
            done = subprocess.run(["strace", "-f", "-o", trace, "-e", f"inject={call}", serving.BINARY, "preserve", out,
                                   "--data", self.data], capture_output=True, timeout=60)
            self.assertIn(-done.returncode, (signal.SIGINT, signal.SIGKILL))
            self.assertIn("+++ killed by SIG", trace.read_text())
            self.assertTrue((out / "data").is_dir())
            self.assertFalse((out / "SHA256SUMS").exists())
            self.assertIn("never finished", serving.run("preserve", out, "--check", check=3).stderr)
        self.assertEqual(listing(self.data), before)
        self.preserve()

    def test_a_full_disk_leaves_what_nobody_takes_for_a_copy(self):
        small = self.folder / "small"
        small.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("skipped: a small file system cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", small])
        self.fill()
        said = self.preserve(out=small / "evidence", check=3)
        self.assertIn("No space left on device", said)
        self.assertIn("is not finished and has no SHA256SUMS", said)
        self.assertFalse((small / "evidence" / "SHA256SUMS").exists())


if __name__ == "__main__":
    unittest.main()
