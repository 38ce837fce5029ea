"""Values that an API server writes in another way than they were sent, and that mean the same."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

# k8s.io/apimachinery, pkg/api/resource: a number, and a binary or decimal suffix, or an exponent.
_QUANTITY = re.compile(r"([+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30}))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?")
_SUFFIXES = {
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("num", start=-3)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}
_DURATION = re.compile(r"-?(?:\d{1,12}(?:\.\d{1,9})?(?:h|m|s|ms|us|µs|ns))+")
_DURATION_PART = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(h|ms|us|µs|ns|m|s)")
_UNITS = {"h": "3600", "m": "60", "s": "1", "ms": "1e-3", "us": "1e-6", "µs": "1e-6", "ns": "1e-9"}


def same_value(sent: object, stored: object) -> bool:
    """Whether two scalars mean the same: equal, or one quantity (1000m, 1), duration (60m, 1h0m0s) or time."""
    if sent == stored:
        return isinstance(sent, bool) == isinstance(stored, bool)
    if isinstance(sent, bool) or isinstance(stored, bool):
        return False
    for read in (_quantity, _duration, _moment):
        first, second = read(sent), read(stored)
        if first is not None and second is not None:
            return first == second
    return False


def _quantity(value: object) -> Decimal | None:
    if isinstance(value, int | float):
        value = repr(value)
    if not isinstance(value, str) or not (found := _QUANTITY.fullmatch(value)):
        return None
    number, suffix, exponent = found.groups()
    if exponent:
        return Decimal(number) * Decimal(10) ** int(exponent)
    return Decimal(number) * _SUFFIXES.get(suffix or "", Decimal(1))


def _duration(value: object) -> Decimal | None:
    if not isinstance(value, str) or len(value) > 64 or not _DURATION.fullmatch(value):
        return None
    seconds = sum((Decimal(n) * Decimal(_UNITS[unit]) for n, unit in _DURATION_PART.findall(value)), Decimal(0))
    return -seconds if value.startswith("-") else seconds


def _moment(value: object) -> dt.datetime | None:
    """Seconds are what a metav1.Time keeps."""
    if not isinstance(value, str) or len(value) > 40 or "T" not in value:
        return None
    try:
        found = dt.datetime.fromisoformat(value)
        return found.astimezone(dt.UTC).replace(microsecond=0) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
