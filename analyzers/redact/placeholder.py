"""What stands in the place of a secret: that there was one, how long it was, and whether it was the same as another.

    [redacted:3f9a1c2e,len=36]

The eight digits are of an HMAC whose key is made anew in each process and never written, so that equal values can be
recognised within one report, not across two, and nobody can try out what the value was. ``len`` counts bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from analyzers.redact.canary import SEEN

MASK = "[redacted]"
"""For what is hidden without being looked at."""
URL_MASK = "REDACTED"
"""The same in URLs, where brackets mean an IPv6 address."""
ANY_MASK = r"\[redacted(?::[0-9a-f]{8},len=[0-9]+)?\]"
"""A pattern: what has been redacted is not redacted again."""
ANY_URL_MASK = r"REDACTED(?:-[0-9a-f]{8}-[0-9]+)?"

_IS_MASK = re.compile(ANY_MASK)
IS_URL_MASK = re.compile(ANY_URL_MASK)
_KEY = secrets.token_bytes(32)


def mask(secret: str | bytes, *, grants: bool = True) -> str:
    """The placeholder for a value; "" stays "", and what is a placeholder already stays as it is.

    From then on a value that ``grants`` access may stand nowhere in the report. That of a ConfigMap need not.
    """
    if not secret or (isinstance(secret, str) and _IS_MASK.fullmatch(secret)):
        return secret if isinstance(secret, str) else ""
    digits, length = _digits(secret, grants=grants)
    return f"[redacted:{digits},len={length}]"


def url_mask(secret: str, *, grants: bool = True) -> str:
    """The placeholder for a part of a URL, given as it stands there."""
    if not secret or IS_URL_MASK.fullmatch(secret):
        return secret
    digits, length = _digits(secret, grants=grants)
    return f"{URL_MASK}-{digits}-{length}"


def is_mask(value: object) -> bool:
    """Whether ``value`` stands for something that was hidden."""
    return isinstance(value, str) and _IS_MASK.fullmatch(value) is not None


def _digits(secret: str | bytes, *, grants: bool) -> tuple[str, int]:
    content = secret.encode("utf-8", "replace") if isinstance(secret, str) else secret
    if grants:
        SEEN.add(content)
    return hmac.digest(_KEY, content, hashlib.sha256).hex()[:8], len(content)
