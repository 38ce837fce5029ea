"""What a process used: CPU time and memory, read from outside."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

# A proxy that works off what it put aside is at rest when it used no more than this share of a processor.
_REST_SECONDS, _REST_SHARE, _LONGEST_REST = 0.1, 0.2, 30.0


def cpu_seconds(pid: int | None) -> float:
    """The CPU time that a process has used so far, all of its threads and none of its children; 0 without a pid."""
    if pid is None:
        return 0.0
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    # macOS
    total = 0.0
    for part in _ps("cputime", pid).split(":"):
        total = total * 60 + float(part or 0)
    return total


def megabytes(pid: int | None, *, peak: bool = False) -> float:
    """The memory that a process has (resident), or the most that it ever had; 0 without a pid, or when it has ended.

    Without /proc, where nobody kept the peak, it is what the process has.
    """
    if pid is None:
        return 0.0
    if not Path("/proc/self").exists():
        return float(_ps("rss", pid) or 0) * 1024 / 1_000_000
    name = "VmHWM:" if peak else "VmRSS:"
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    kilobytes = next((line.split()[1] for line in lines if line.startswith(name)), "0")
    return int(kilobytes) * 1024 / 1_000_000


def until_at_rest(pid: int | None) -> float:
    """Wait until what was queued is done, so that the next turn does not pay for it: how many seconds that took."""
    started = time.monotonic()
    while pid is not None and time.monotonic() - started < _LONGEST_REST:
        begun, before = time.monotonic(), cpu_seconds(pid)
        time.sleep(_REST_SECONDS)
        if cpu_seconds(pid) - before <= _REST_SECONDS * _REST_SHARE:
            return begun - started
    return time.monotonic() - started


def _ps(column: str, pid: int) -> str:
    said = subprocess.run(["ps", "-o", f"{column}=", "-p", str(pid)], stdout=subprocess.PIPE, text=True, check=False)
    return said.stdout.strip()
