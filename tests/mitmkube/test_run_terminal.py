"""The terminal belongs to the command: at a keyboard nothing tells ``mitmkube run -- COMMAND`` from ``COMMAND``."""

from __future__ import annotations

import sys

from tests.mitmkube.commands import MITMKUBE, Place, python
from tests.mitmkube.terminal import terminal

RUN = (*MITMKUBE, "run", "--quiet", "--")
REPORT = (*MITMKUBE, "run", "--")
READY = b"ready\r\n"
RED_FAILED = "\x1b[1;31m✗ failed".encode()

COUNTS_INTERRUPTS = """
import os, signal, sys
count = 0
def interrupted(*_):
    global count
    count += 1
    os.write(1, f"interrupted {count}\\n".encode())
signal.signal(signal.SIGINT, interrupted)
os.write(1, b"ready\\n")
sys.stdin.readline()
print("in all", count)
sys.exit(6)
"""


def test_command_has_the_terminal_on_all_three(no_cluster: Place) -> None:
    command = python("import os; print([os.isatty(fd) for fd in (0, 1, 2)])")
    with terminal([*RUN, *command], no_cluster.environ, no_cluster.work) as screen:
        screen.wait_for(b"[True, True, True]")
        assert screen.wait() == 0


def test_command_is_in_the_foreground(no_cluster: Place) -> None:
    command = python("import os; print(os.getpgrp() == os.tcgetpgrp(0))")
    with terminal([*RUN, *command], no_cluster.environ, no_cluster.work) as screen:
        screen.wait_for(b"True")
        assert screen.wait() == 0


def test_command_sees_the_size_of_the_window(no_cluster: Place) -> None:
    command = python("import os; print(os.get_terminal_size())")
    with terminal([*RUN, *command], no_cluster.environ, no_cluster.work, size=(31, 97)) as screen:
        screen.wait_for(b"columns=97, lines=31")
        assert screen.wait() == 0


def test_full_screen_program_draws_and_reads_keys(no_cluster: Place) -> None:
    program = """
import curses
def main(screen):
    screen.addstr(5, 5, "press q")
    screen.refresh()
    assert screen.getkey() == "q"
    return screen.getmaxyx()
print("size", curses.wrapper(main))
"""
    with terminal([*RUN, *python(program)], no_cluster.environ, no_cluster.work, size=(30, 90)) as screen:
        screen.wait_for(b"press q")
        screen.type(b"q")
        screen.wait_for(b"size (30, 90)")
        assert screen.wait() == 0


def test_what_is_typed_reaches_the_command(no_cluster: Place) -> None:
    with terminal([*RUN, "cat"], no_cluster.environ, no_cluster.work) as screen:
        screen.type(b"hello\n\x04")
        screen.wait_for(b"hello\r\nhello\r\n")
        assert screen.wait() == 0


def test_report_for_a_terminal_has_marks_and_colour(no_cluster: Place) -> None:
    with terminal([*REPORT, "sh", "-c", "exit 3"], no_cluster.environ, no_cluster.work) as screen:
        assert screen.wait() == 3
        assert RED_FAILED in screen.seen


def test_report_has_no_colour_where_it_is_not_wanted(no_cluster: Place) -> None:
    environ = {**no_cluster.environ, "NO_COLOR": "1"}
    with terminal([*REPORT, "sh", "-c", "exit 3"], environ, no_cluster.work) as screen:
        assert screen.wait() == 3
        assert "✗".encode() in screen.seen
        assert RED_FAILED not in screen.seen


def test_interrupt_key_reaches_the_command_once_and_the_report_follows(no_cluster: Place) -> None:
    with terminal([*REPORT, *python(COUNTS_INTERRUPTS)], no_cluster.environ, no_cluster.work) as screen:
        screen.wait_for(READY)
        for count in (1, 2, 3):
            screen.type(b"\x03")
            screen.wait_for(b"interrupted %d\r\n" % count)
        screen.type(b"\n")
        screen.wait_for(b"in all 3\r\n")
        screen.wait_for(b" mitmkube ")
        screen.wait_for(b"exited 6")
        assert screen.wait() == 6


def test_command_that_ignores_the_interrupt_key_goes_on(no_cluster: Place) -> None:
    command = ("sh", "-c", "trap '' INT; echo ready; read line; echo got $line")
    with terminal([*RUN, *command], no_cluster.environ, no_cluster.work) as screen:
        screen.wait_for(READY)
        screen.type(b"\x03\x03more\n")
        screen.wait_for(b"got more\r\n")
        assert screen.wait() == 0


def test_command_ended_by_the_interrupt_key_is_reported(no_cluster: Place) -> None:
    with terminal([*REPORT, "sh", "-c", "echo ready; exec sleep 600"], no_cluster.environ, no_cluster.work) as screen:
        screen.wait_for(READY)
        screen.type(b"\x03")
        screen.wait_for(b"ended by SIGINT")
        assert screen.wait() == 130
    assert list(no_cluster.runtime.iterdir()) == []


def test_quit_key_is_left_to_the_command(no_cluster: Place) -> None:
    command = ("sh", "-c", "ulimit -c 0; echo ready; exec sleep 600")
    with terminal([*REPORT, *command], no_cluster.environ, no_cluster.work) as screen:
        screen.wait_for(READY)
        screen.type(b"\x1c")
        screen.wait_for(b"ended by SIGQUIT")
        assert screen.wait() == 131


def shell(place: Place, script: str) -> tuple[list[str], dict[str, str]]:
    """A shell with job control, and a prompt to wait for; ``./job`` runs ``script`` through mitmkube."""
    (place.work / "script").write_text(script)
    words = " ".join(f"'{word}'" for word in RUN)
    (place.work / "job").write_text(f"#!/bin/sh\nexec {words} {sys.executable} script\n")
    (place.work / "job").chmod(0o755)
    return ["bash", "--norc", "--noprofile", "--noediting", "-i"], {**place.environ, "PS1": "$ ", "HISTFILE": ""}


# Not by input(): a signal between its check for signals and its read would be lost.
SAYS_WHEN_CONTINUED = """
import os, select, signal, sys
signal.signal(signal.SIGCONT, lambda *_: os.write(1, b"continued\\n"))
os.write(1, b"ready\\n")
while not select.select([0], [], [], 0.05)[0]:
    pass
print("got", sys.stdin.readline())
sys.exit(4)
"""


def test_suspend_key_stops_the_command_and_fg_continues_it(no_cluster: Place) -> None:
    argv, environ = shell(no_cluster, SAYS_WHEN_CONTINUED)
    with terminal(argv, environ, no_cluster.work) as screen:
        screen.wait_for(b"$ ")
        screen.type(b"./job\n")
        screen.wait_for(READY)
        for _ in range(3):
            screen.type(b"\x1a")
            screen.wait_for(b"Stopped")
            screen.wait_for(b"$ ")
            screen.type(b"fg\n")
            screen.wait_for(b"continued\r\n")
        screen.type(b"more\n")
        screen.wait_for(b"got more\r\n")
        screen.type(b"echo status $?; exit\n")
        screen.wait_for(b"status 4\r\n")
        screen.wait()


def test_command_that_suspends_itself_alone_gives_the_terminal_back_to_the_shell(no_cluster: Place) -> None:
    suspends = 'os.kill(os.getpid(), signal.SIGTSTP)\nprint("got", sys.stdin.readline())\n'
    argv, environ = shell(no_cluster, f"import os, signal, sys\n{suspends}{suspends}")
    with terminal(argv, environ, no_cluster.work) as screen:
        screen.wait_for(b"$ ")
        screen.type(b"./job\n")
        for word in (b"one", b"two"):
            screen.wait_for(b"Stopped")
            screen.wait_for(b"$ ")
            screen.type(b"fg\n")
            screen.wait_for(b"./job\r\n")
            screen.type(word + b"\n")
            screen.wait_for(b"got " + word + b"\r\n")
        screen.type(b"exit\n")
        assert screen.wait() == 0


def test_job_in_the_background_is_not_interrupted(no_cluster: Place) -> None:
    argv, environ = shell(no_cluster, 'import time\nprint("ready", flush=True)\ntime.sleep(1)\nprint("done")\n')
    with terminal(argv, environ, no_cluster.work) as screen:
        screen.wait_for(b"$ ")
        screen.type(b"./job &\n")
        screen.wait_for(READY)
        screen.type(b"\x03")
        screen.wait_for(b"done\r\n")
        screen.type(b"wait; exit\n")
        screen.wait()
