"""Sizes, durations and days as a report prints them: short, rounded, always with their unit."""

from __future__ import annotations

import datetime as dt

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def size(count: int) -> str:
    """Bytes as ``412 B``, ``19 KB``, ``3.1 MB``; a K is 1000 as in HTTP tools."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("KB", "MB", "GB"):
        value /= 1000
        if value < 999.5 or unit == "GB":
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return ""


def duration(seconds: float) -> str:
    """``0.4 ms``, ``12 ms``, ``1.3 s``, ``4 min``, ``2 h``, ``3 days``."""
    seconds = abs(seconds)
    if seconds < 0.00095:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / _DAY:.0f} days"


def day(when: float, now: float = 0.0) -> str:
    """``3 Jan 2027`` in UTC, without the year where it is that of ``now``. Unix seconds; total for any number."""
    try:
        moment = dt.datetime.fromtimestamp(when, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return "a day that no calendar has"
    text = f"{moment.day} {_MONTHS[moment.month - 1]}"
    try:
        same_year = now > 0 and dt.datetime.fromtimestamp(now, dt.UTC).year == moment.year
    except (OverflowError, ValueError, OSError):
        same_year = False
    return text if same_year else f"{text} {moment.year}"


def until(when: float, now: float = 0.0) -> str:
    """``52 min left``, ``expired 3 h ago``, else ``until 3 Jan``; by the day alone where ``now`` is unknown (0)."""
    if now <= 0:
        return f"until {day(when)}"
    left = when - now
    if left <= 0:
        return f"expired {duration(-left)} ago"
    if left < 2 * _DAY:
        return f"{duration(left)} left"
    return f"until {day(when, now)}"


# Not strftime: a report does not change with the machine's language.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
