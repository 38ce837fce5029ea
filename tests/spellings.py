"""How a secret could stand in a file: what tests look for when nothing of it may be there."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus


def spellings(secret: str) -> set[str]:
    """The ways in which ``secret`` could stand in a file, each long enough not to be there by chance."""
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), secret.encode().hex()}
    for ascii_only in (False, True):
        escaped = secret
        for _ in range(3):
            escaped = json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]
            found.add(escaped)
    for text in (secret, json.dumps(secret)[1:-1]):
        for shift in range(3):
            # What surrounds it decides how its ends are written, so they are left out.
            whole = base64.b64encode(b"x" * shift + text.encode())
            inner = whole[4 if shift else 0 :].rstrip(b"=")[:-1].decode()
            found |= {inner, inner.replace("+", "-").replace("/", "_"), quote(inner, safe="")}
    return {spelling for spelling in found if len(spelling) >= 12}
