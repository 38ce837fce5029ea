"""An object in a body, in whichever of the self-describing forms it is: JSON or CBOR.

The form is read off the bytes. What a Content-Type says of a body is not always true of it.
"""

from __future__ import annotations

from typing import Any

from analyzers.decode import cbor
from analyzers.decode.untrusted import parse_json


def decode(body: bytes | None) -> Any:
    """The document as JSON knows it, None where there is none: another form, cut off, nested too deep."""
    if body is not None and body.startswith(cbor.MAGIC):
        return cbor.decode(body)
    return parse_json(body)
