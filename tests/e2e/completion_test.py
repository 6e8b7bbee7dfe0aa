"""Completion in the shells themselves: `graven ta` and the key that completes give `graven tail`."""
import os
import pty
import re
import select
import shutil
import subprocess
import time
import unittest

import serving

FOLDER = f'export PATH="{serving.BINARY.parent}:$PATH"'


def typed(shell, setup, keys, added):
    """What stands on the line of an interactive `shell` after `setup` was run, `keys` and the key that completes were
    typed, and `added` was shown behind them."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", PS1="$ ")
        os.execvp(shell[0], shell)
    said = ""

    def read_until(pattern, seconds, start=0):
        nonlocal said
        end = time.monotonic() + seconds
        while time.monotonic() < end and not re.search(pattern, said[start:]):
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    said += os.read(terminal, 65536).decode(errors="replace")
                except OSError:
                    break
        return re.search(pattern, said[start:])

    try:
        for line in setup:
            os.write(terminal, f"{line}\n".encode())
        # The halves are put together by the shell only, so the echo of what was typed does not match.
        os.write(terminal, b"echo rea''dy\n")
        assert read_until(r"ready", 60), said
        before = len(said)
        os.write(terminal, keys.encode())
        assert read_until(re.escape(keys[-2:]), 60, before), said
        before = len(said)
        os.write(terminal, b"\t")
        # What is typed ahead of a completion that is under way would be lost.
        assert read_until(re.escape(added), 60, before), said
        os.write(terminal, b"\x01echo now'':\x20\n")
        found = read_until(r"now: ([^\r\n]*)", 60)
        assert found, said
        return found.group(1).strip()
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


class Completion(unittest.TestCase):
    def test_bash(self):
        line = typed(["bash", "--norc", "--noprofile", "-i"],
                     [FOLDER, "source <(graven completion bash)"], "graven ta", "il")
        self.assertEqual(line, "graven tail")

    @unittest.skipUnless(shutil.which("zsh"), "skipped: there is no zsh on this machine")
    def test_zsh(self):
        setup = [FOLDER, "autoload -Uz compinit && compinit -u -D", "source <(graven completion zsh)"]
        self.assertEqual(typed(["zsh", "-f", "-i"], setup, "graven ta", "il"), "graven tail")
        self.assertEqual(typed(["zsh", "-f", "-i"], setup, "graven logs cr", "eate"),
                         "graven logs create")
        self.assertEqual(typed(["zsh", "-f", "-i"], setup, "graven view --po", "licy"),
                         "graven view --policy")
        self.assertEqual(typed(["zsh", "-f", "-i"], setup, "graven tail --fol", "low"),
                         "graven tail --follow")

    @unittest.skipUnless(shutil.which("fish"), "skipped: there is no fish on this machine")
    def test_fish(self):
        def offered(line):
            script = f'set -x PATH "{serving.BINARY.parent}" $PATH\ngraven completion fish | source\n'
            done = subprocess.run(["fish", "--no-config", "-c", f"{script}complete -C '{line}'"],
                                  capture_output=True, text=True, timeout=60, check=True)
            self.assertEqual(done.stderr, "")
            return [offer.split("\t")[0] for offer in done.stdout.splitlines()]

        self.assertEqual(offered("graven ta"), ["tail"])
        self.assertEqual(offered("graven logs cr"), ["create"])
        self.assertEqual(offered("graven vie"), ["view"])
        self.assertIn("--policy", offered("graven view --po"))
        self.assertIn("--follow", offered("graven tail --fo"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
