"""The words of the taxonomy as types: category, hop, step, and the finding a rule makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzers.facts import Facts


class Category(StrEnum):
    """The five debug categories, and ``request`` for what is none of them."""

    AUTH = "auth"
    RBAC = "rbac"
    NETWORK = "network"
    HEALTH = "health"
    CONFLICT = "conflict"
    REQUEST = "request"


class Hop(StrEnum):
    """Who answered, or failed to."""

    CLIENT = "client"
    FORWARD_PROXY = "forward-proxy"
    MIDDLEBOX = "middlebox"
    API_SERVER = "api-server"
    AGGREGATED_SERVER = "aggregated-server"
    WEBHOOK = "webhook"
    KUBELET = "kubelet"
    ETCD = "etcd"
    MITMKUBE = "mitmkube"


class Step(Enum):
    """The fifteen steps from command to display, and flow control, which has no number of its own.

    Members are in the order in which a report shows them; the value is the id.
    """

    COMMAND = "command"
    CREDENTIALS = "credentials"
    REQUEST = "request"
    CONNECTION = "connection"
    TRANSMISSION = "transmission"
    AUTHENTICATION = "authentication"
    FLOW_CONTROL = "flow-control"
    AUTHORIZATION = "authorization"
    ADMISSION = "admission"
    VALIDATION = "validation"
    STORAGE = "storage"
    PROCESSING = "processing"
    RESPONSE = "response"
    DELIVERY = "delivery"
    OUTPUT = "output"
    DISPLAY = "display"

    @property
    def number(self) -> int | None:
        """1 to 15 as in the taxonomy; None for flow control."""
        return _NUMBERS.get(self)

    @property
    def label(self) -> str:
        """``step 7 authorization``, or ``flow-control``."""
        return self.value if self.number is None else f"step {self.number} {self.value}"


_NUMBERS: dict[Step, int] = {
    step: no for no, step in enumerate((s for s in Step if s is not Step.FLOW_CONTROL), start=1)
}


class StepState(StrEnum):
    """What the traffic proves of a step; never more than that."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not-reached"
    NOT_APPLICABLE = "not-applicable"
    NOT_OBSERVABLE = "not-observable"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact and where it stands: ``where`` is a place a reader can find, such as "response body, message"."""

    text: str = field(repr=False)
    where: str


@dataclass(frozen=True, slots=True)
class Fix:
    """One way out. ``by`` names who can do it ("you", "an administrator of namespace prod"); ``text`` is the action
    in words, ``commands`` lines to paste, possibly none."""

    text: str
    by: str = "you"
    commands: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What failed, where, why, and what to do. ``summary`` is one plain sentence that a person can repeat."""

    rule: str
    category: Category
    hop: Hop
    step: Step
    summary: str = field(repr=False)
    evidence: tuple[Evidence, ...]
    fix: tuple[Fix, ...]

    @property
    def comment(self) -> str:
        """One line: ``rbac at authorization: jane may not list pods in namespace prod.``"""
        return f"{self.category} at {self.step.value}: {self.summary}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One cause and how to recognise it. ``id`` is the module's name with dashes; its first word is the category.

    ``check`` returns a Finding or None and must not raise; one that does is logged with its id and survived.
    """

    id: str
    category: Category
    step: Step
    check: Callable[[Facts], Finding | None]
