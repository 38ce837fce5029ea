"""Runs a credential plugin in its own place: same arguments, environment, terminal and exit status, and prints what it
printed. A key pair in there is shown to the proxy first.

kubectl runs this file with Python alone (``-I -S``) and waits for it before every command, so it imports next to
nothing: contextlib and signal would double what it adds. What goes wrong between it and the proxy is not told here:
stderr is the plugin's.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what signal wraps in enums
import os
import sys

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as a shell has them
_PATIENCE_SECONDS = 10
_KEY = b"clientKeyData"


def main(arguments: list[str]) -> int:
    """``SOCKET PROGRAM ARGV0 ARGUMENT…``; returns the exit status, or ends by the signal that ended the plugin."""
    socket_path, program, *argv = arguments
    status, said = _run(program, argv)
    if _KEY in said:
        _show_proxy(socket_path, said)
    _print(said)
    if status < 0:
        _end_by(-status)
    return status


def _run(program: str, argv: list[str]) -> tuple[int, bytes]:
    """The exit status, minus the signal where one ended it, and what was written to stdout."""
    _leave_signals_to_plugin()
    read_end, write_end = os.pipe()
    start = os.posix_spawn if os.sep in program else os.posix_spawnp
    reset = [_signal.SIGPIPE, _signal.SIGXFSZ]  # Python ignores them
    try:
        pid = start(program, argv, _environ(), file_actions=[(os.POSIX_SPAWN_DUP2, write_end, 1)], setsigdef=reset)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {(error.strerror or str(error)).lower()}\n")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE, b""
    os.close(write_end)
    pieces = []
    while piece := os.read(read_end, 65536):
        pieces.append(piece)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), b"".join(pieces)


def _leave_signals_to_plugin() -> None:
    """The terminal sends these to both; the plugin may ask whether it was meant, and its end is ours."""
    for number in (_signal.SIGINT, _signal.SIGQUIT):
        if _signal.getsignal(number) is not _signal.SIG_IGN:
            _signal.signal(number, lambda *_: None)  # not SIG_IGN, which the plugin would inherit


def _environ() -> dict[bytes, bytes]:
    """As it was handed over: under the C locale Python sets LC_CTYPE, and the plugin would see."""
    environ = dict(os.environb)
    try:
        with open("/proc/self/environ", "rb") as given:  # noqa: PTH123 - pathlib costs 10 ms
            entries = given.read().split(b"\0")
    except OSError:
        return environ
    if not any(entry.startswith(b"LC_CTYPE=") for entry in entries):
        environ.pop(b"LC_CTYPE", None)
    return environ


def _show_proxy(path: str, said: bytes) -> None:
    """Hand over what the plugin printed and wait until the proxy has looked at it: kubectl will connect at once."""
    import socket

    folder, name = os.path.split(path)
    try:
        with socket.socket(socket.AF_UNIX) as proxy:
            proxy.settimeout(_PATIENCE_SECONDS)
            os.chdir(folder)  # the name of a socket may have a hundred characters, its folder more
            proxy.connect(name)
            proxy.sendall(said)
            proxy.shutdown(socket.SHUT_WR)
            proxy.recv(1)
    except OSError:
        return  # then the proxy refuses the certificate, and says why


def _print(said: bytes) -> None:
    rest = memoryview(said)
    try:
        while rest:
            rest = rest[os.write(1, rest) :]
    except BrokenPipeError:
        return


def _end_by(number: int) -> None:
    if number != _signal.SIGKILL:  # which nobody handles
        _signal.signal(number, _signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
