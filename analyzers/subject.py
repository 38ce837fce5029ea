"""What an answer is about, in its own words: for a message whose request is not known.

The Status says it in its details. A pasted line has no details, but nearly every message begins with the resource and
the name in quotes, and what client-go made up ends with them in parentheses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from analyzers.attributes import Attributes, thing, unquote

if TYPE_CHECKING:
    from analyzers.decode.status import Status

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_RESOURCE = r"[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*"
_TYPE, _NAME = rf"(?P<type>{_RESOURCE})", rf"(?P<name>{_QUOTED})"
# In the API server's own words; kubectl may have put what it was doing before them, ended by a colon.
_BEGINNINGS = tuple(
    re.compile(rf"(?:^|[:;]\s){words}")
    for words in (
        rf"{_TYPE} {_NAME} (?:is forbidden|is invalid|not found|already exists)",
        rf"Operation cannot be fulfilled on (?:(?P<kind>[A-Z]\w*)|{_TYPE})(?P<sub>/\w+)? {_NAME}",
        rf"{_TYPE} is forbidden:",
        rf"(?:The )?(?P<kind>[A-Z]\w*)(?P<group>\.[a-z][\w.-]*)? {_NAME} is invalid",
        rf"[Tt]he \S+ operation against {_TYPE} could not be completed",
    )
)
# client-go ends what it made up with " (get pods web)"; the verb is the HTTP method.
_ENDING = re.compile(
    rf"\((?:get|post|put|patch|delete|head|options) (?P<type>{_RESOURCE})(?: (?P<name>[^\s()]+))?\)\s*$", re.IGNORECASE
)
_NAMESPACE = re.compile(r'in (?:the namespace|project) "(?P<namespace>[a-z0-9-]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An object, or the objects of a type; "" for what the answer does not say.

    ``kind`` is set instead of ``resource`` where only the Kind is known: validation names that.
    """

    group: str = ""
    resource: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""

    @classmethod
    def of(cls, status: Status | None, message: str) -> Self | None:
        """What ``status`` is about, or else ``message``; None when neither says it."""
        if status is not None and (found := cls._of_details(status)) is not None:
            return found
        return cls._of_refusal(message) or cls._of_text(message)

    @classmethod
    def _of_details(cls, status: Status) -> Self | None:
        details = status.details
        if not details.kind:
            return None
        # The time-out of the storage has the operation where the name is otherwise.
        name = "" if status.reason == "ServerTimeout" or details.name == "Unknown" else details.name
        place = _NAMESPACE.search(status.message)
        kind = details.kind if details.kind[:1].isupper() else ""
        return cls(
            group=details.group,
            resource="" if kind else details.kind,
            kind=kind,
            name=name,
            namespace=place["namespace"] if place else "",
        )

    @classmethod
    def _of_refusal(cls, message: str) -> Self | None:
        asked = Attributes.of_refusal(message)
        if asked is None or not asked.resource:
            return None
        named = _beginning(message).get("name")
        return cls(
            group=asked.group, resource=asked.resource, name=unquote(named) if named else "", namespace=asked.namespace
        )

    @classmethod
    def _of_text(cls, message: str) -> Self | None:
        found = _beginning(message)
        if kind := found.get("kind"):
            return cls(group=(found.get("group") or "").lstrip("."), kind=kind, name=unquote(found["name"] or ""))
        if not found and (ending := _ENDING.search(message)) is not None:
            found = ending.groupdict()
        if not found:
            return None
        resource, _, group = (found["type"] or "").partition(".")
        name = unquote(found.get("name") or "")
        return cls(group=group, resource=resource, name="" if name == "Unknown" else name)

    @property
    def thing(self) -> str:
        """``pod web``, ``deployments``, ``Deployment web``."""
        if self.kind:
            return f"{self.kind} {self.name}".strip()
        if self.name or self.namespace:
            return thing(self.group, self.resource, self.name, self.namespace)
        return (
            thing(self.group, self.resource, "", "")
            .partition(" in all namespaces")[0]
            .removesuffix(" at the cluster scope")
        )

    @property
    def typed(self) -> str:
        """RESOURCE[.GROUP] or KIND[.GROUP] in lower case, as kubectl takes it."""
        what = self.resource or self.kind.lower()
        return f"{what}.{self.group}" if self.group else what


def _beginning(message: str) -> dict[str, str | None]:
    for pattern in _BEGINNINGS:
        if (found := pattern.search(message)) is not None:
            return found.groupdict()
    return {}
