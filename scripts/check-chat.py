#!/usr/bin/env python3
"""Talks with `smolvlm chat` in a pseudo-terminal, as a person would: editing, completion, history, Ctrl-C, pictures.

    scripts/check-chat.py target/debug/smolvlm              # what went wrong, if anything did
    scripts/check-chat.py target/debug/smolvlm --show       # and what the terminal was sent
"""

import os
import pty
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from fcntl import ioctl
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = str(ROOT / "golden/idefics3-256m")
PHOTO = str(ROOT / "golden/images/photo.jpg")
PATIENCE = 60


class Talk:
    """The program in a terminal of 80x24."""

    def __init__(self, program, *words, **variables):
        self.read = self.seen = ""
        self.home = tempfile.mkdtemp()
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            keep = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
            os.environ.clear()
            os.environ.update(keep, TERM="xterm-256color", HOME=self.home, LC_ALL="C.UTF-8")
            os.environ.update(variables)
            os.chdir(ROOT / "golden/images")
            os.execv(program, [program, "chat", "-m", MODEL, *words])
        ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 640, 384))

    def type(self, keys):
        os.write(self.master, keys.encode())

    def until(self, pattern):
        """Reads until the pattern has come, and returns what came before its end."""
        end = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.read, re.DOTALL)):
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if ready:
                try:
                    piece = os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    piece = ""
                if not piece:
                    raise AssertionError(f"ended before {pattern!r}: {self.read[-600:]!r}")
                self.read += piece
                self.seen += piece
            elif time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} in {self.read[-600:]!r}")
        before, self.read = self.read[: found.end()], self.read[found.end() :]
        return before

    def prompt(self):
        return self.until(r"> (\r|\x1b\[[0-9;?]*[a-zA-Z])*$")

    def code(self):
        """How it ended."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    pass
        raise AssertionError("it does not end")

    def modes(self):
        """Whether lines are edited by the terminal itself, and shown."""
        flags = termios.tcgetattr(self.master)[3]
        return bool(flags & termios.ICANON), bool(flags & termios.ECHO)


def answers(program):
    talk = Talk(program, "-n", "8")
    assert "/help shows the commands" in talk.prompt()
    talk.type("What is this? wrong\x17\r")  # Ctrl-W takes the last word back
    said = talk.until(r" of prompt")
    assert re.search(r"\d+ tokens[^\n]*tokens/s", said), said
    talk.prompt()
    talk.type("/imag\t\x15/sys\t\x15/set tempe\t 0.5\r")
    talk.prompt()
    talk.type("/set\r")
    assert re.search(r"temperature +0\.5", talk.prompt())
    talk.type("dot.p\t What is this?\r")
    said = talk.until(r"dot\.png \(\d+x\d+, \d+ tiles?, \d+ tokens\)")
    assert "\x1b[38;5;" in said and "\u2580" in said, said
    talk.prompt()
    talk.type("one\\\rtwo\r")
    talk.prompt()
    talk.type("/show\r")
    assert re.search(r"one\\ntwo", talk.prompt())
    talk.type("\x04")
    assert talk.code() == 0
    history = Path(talk.home, ".local/state/smolvlm/history")
    lines = history.read_text().splitlines()
    assert lines[0] == "What is this? " and lines[-2:] == [r"one\\\ntwo", "/show"], lines
    assert history.stat().st_mode & 0o777 == 0o600
    return talk


def interrupts(program):
    talk = Talk(program, "-n", "4000", "--min-tokens", "4000", "--no-history")
    talk.prompt()
    talk.type("half a line\x03")
    talk.prompt()
    talk.type("Go on.\r")
    time.sleep(0.2)  # the tiny model makes thousands of tokens a second
    talk.type("\x03")
    talk.until(", stopped")
    talk.prompt()
    talk.type("/show\r")
    assert "(stopped)" in talk.prompt()
    talk.type("\x03")
    assert talk.code() == 130
    assert not Path(talk.home, ".local").exists()
    return talk


def ends(program):
    """A signal while a line is edited leaves the terminal as it was."""
    talk = Talk(program, "--no-history")
    ready = talk.modes()
    talk.prompt()
    assert talk.modes() == (False, False)
    slave = os.open(f"/proc/{talk.pid}/fd/0", os.O_RDWR | os.O_NOCTTY)
    os.kill(talk.pid, signal.SIGTERM)
    assert talk.code() == 130
    assert talk.modes() == ready == (True, True)
    os.close(slave)
    return talk


def graphics(program):
    for variables, begins in [
        ({"KITTY_WINDOW_ID": "1"}, "\x1b_Gf=100"),
        ({"TERM_PROGRAM": "iTerm.app"}, "\x1b]1337;File=inline=1"),
        ({"TERM": "foot"}, "\x1bP0;1q"),
        ({"COLORTERM": "truecolor"}, "\x1b[38;2;"),
    ]:
        talk = Talk(program, PHOTO, "--no-history", **variables)
        assert begins in talk.prompt(), (variables, talk.seen[:300])
        talk.type("/exit\r")
        assert talk.code() == 0
    for words, variables in [(["--no-pictures"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})]:
        talk = Talk(program, PHOTO, "--no-history", *words, **variables)
        said = talk.prompt()
        assert "\u2580" not in said and "1337" not in said, said
        talk.type("/exit\r")
        assert talk.code() == 0
    assert "\x1b" not in said, said
    return talk


def main():
    program = os.path.abspath(sys.argv[1])
    for check in (answers, interrupts, ends, graphics):
        talk = check(program)
        print(f"ok  {check.__name__}")
        if "--show" in sys.argv:
            print(talk.seen)


if __name__ == "__main__":
    main()
