"""resourceVersions: the one that an object carries, and those that a refusal names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from analyzers.decode import document
from analyzers.decode.untrusted import mapping, name

_TOO_OLD = re.compile(r"too old resource version: (?P<asked>\d{1,20})(?: \((?P<known>\d{1,20})\))?")
_TOO_LARGE = re.compile(r"Too large resource version: (?P<asked>\d{1,20}), current: (?P<known>\d{1,20})")
_PRECONDITION = re.compile(
    r"ResourceVersion in (?:the )?precondition(?:: | \()(?P<asked>\d{1,20})"
    r".{0,200}?(?:ResourceVersion in (?:object meta|record)(?:: | \())(?P<known>\d{1,20})",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """Two resourceVersions that do not go together: the one ``asked`` for and the one the server has.

    ``known`` is the oldest still there, the latest, or the object's own, depending on the message; "" when not said.
    """

    asked: str
    known: str = ""


def decode(body: bytes | None) -> str:
    """``metadata.resourceVersion`` of the object or list in a JSON or CBOR body, "" when there is none."""
    return name(mapping(mapping(document.decode(body)).get("metadata")).get("resourceVersion"))


def mismatch(message: str) -> Mismatch | None:
    """The two versions that a Status message names, None when it names none. A stale PUT's message does not."""
    for pattern in (_TOO_OLD, _TOO_LARGE, _PRECONDITION):
        if found := pattern.search(message):
            return Mismatch(asked=found["asked"], known=found["known"] or "")
    return None
