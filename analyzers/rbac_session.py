"""What the users of a whole session asked for, counted: the ground for a role that allows what a program really did.

Held in memory is what was asked for, not how often: a log of any length may be read.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from analyzers import answer, rbac_asked
from analyzers.attributes import Attributes
from analyzers.classify import classify
from analyzers.decode import audit_event
from analyzers.decode.audit_event import AuditEvent
from analyzers.exchange import Exchange
from analyzers.facts import Facts
from analyzers.rbac_rules import why_not

_MOST_STARTED = 10_000
_IMPERSONATION = re.compile(r"^impersonate(?:-on)?(?::|$)")
# system:discovery, system:basic-user and system:public-info-viewer, which Kubernetes binds to every authenticated user:
# k8s.io/kubernetes, plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go.
_OPEN_PATHS = frozenset({
    "/livez", "/readyz", "/healthz", "/version", "/version/", "/openapi", "/api", "/apis",
})  # fmt: skip
_OPEN_PREFIXES = ("/openapi/", "/api/", "/apis/")
_OPEN_CREATES = frozenset({
    ("authorization.k8s.io", "selfsubjectaccessreviews"), ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
})  # fmt: skip
# Refusals that come after the authorizer has let the request pass, and that no role for the request cures.
_OTHER_REFUSALS = {
    "rbac-escalation": "refused because its author does not hold what it grants: that takes the permissions "
    "themselves, or the verbs escalate and bind, and no role is shown for it",
    "rbac-kubelet-forbidden": "refused by the kubelet to the API server's own user, which a role for others does not "
    "change",
}
# Of these the authorizer was never asked.
_NEVER_ASKED = {
    "rbac-path-filter": "refused by a filter in front of the API server, which no role changes",
    "auth-anonymous": "sent without a credential: whoever meant to ask has to log in first",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One question of one user: how many requests asked it, and how many of those were refused."""

    asked: Attributes
    requests: int
    refused: int


@dataclass(slots=True)
class Session:
    """Takes in traffic, story by story.

    ``notes`` counts, by user ("" unknown) and reason, what cannot be granted, and ``remarks`` what was granted and
    refused nonetheless; ``open`` counts, by user, the requests that every authenticated user may make; ``made`` holds
    the namespaces that the session made itself.
    """

    open: Counter[str] = field(default_factory=Counter)
    notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    remarks: Counter[tuple[str, str]] = field(default_factory=Counter)
    made: set[str] = field(default_factory=set)
    _counts: dict[Attributes, list[int]] = field(default_factory=dict)
    _known_as: dict[str, str] = field(default_factory=dict)
    _started: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def take(self, exchanges: Iterable[Exchange]) -> None:
        """The exchanges of one story: one user, as long as nothing speaks against it."""
        self._count(exchanges)

    def take_event(self, event: AuditEvent) -> None:
        """One event of an audit log, which knows who asked. A long request may be logged at its start and its end."""
        if not event.code or event.audit_id in self._started:
            return
        if event.stage == "ResponseStarted":
            self._started[event.audit_id] = None
            if len(self._started) > _MOST_STARTED:
                self._started.popitem(last=False)
        self._count((audit_event.exchange(event),), event.acting)

    def _count(self, exchanges: Iterable[Exchange], user: str = "") -> None:
        found: list[tuple[Attributes, bool]] = []
        for exchange in exchanges:
            found += self._asked(exchange, user)
        refused_users = {asked.user for asked, refused in found if refused and asked.user}
        only = refused_users.pop() if len(refused_users) == 1 else ""
        for asked, refused in found:
            # A token may say nothing of its bearer; then the server's word for a request beside it has to do.
            counts = self._counts.setdefault(replace(asked, user=user or asked.user or only), [0, 0])
            counts[0] += 1
            counts[1] += refused

    def uses(self) -> Mapping[str, tuple[Use, ...]]:
        """By user, "" where unknown. The name that the server used wins over what a credential claimed."""
        merged: dict[str, dict[Attributes, list[int]]] = {}
        for asked, (requests, refused) in self._counts.items():
            user = self._known_as.get(asked.user, asked.user)
            counts = merged.setdefault(user, {}).setdefault(replace(asked, user=user), [0, 0])
            counts[0] += requests
            counts[1] += refused
        return {
            user: tuple(Use(asked=asked, requests=one, refused=other) for asked, (one, other) in counts.items())
            for user, counts in sorted(merged.items())
        }

    def _asked(self, exchange: Exchange, user: str) -> Iterator[tuple[Attributes, bool]]:
        """Every question and whether it was refused; what is none is noted."""
        if exchange.tunnel or exchange.asked:
            return
        facts = Facts.of(exchange)
        user = user or facts.user
        denied = rbac_asked.refused(facts)
        passed = rbac_asked.allowed(facts)
        other = next((finding.rule for finding in classify(exchange)), "") if not denied or not passed else ""
        if reason := _NEVER_ASKED.get(other):
            self.notes[user, reason] += 1
            return
        if reason := _OTHER_REFUSALS.get(other):
            self.remarks[user, reason] += 1
        if not denied and not passed:
            if exchange.request.known:
                self.notes[user, _unanswered(exchange)] += 1
            return
        self._learn(exchange, denied)
        for asked in passed:
            if _is_open(asked):
                self.open[user] += 1
            elif self._grantable(asked, user):
                yield _plain(asked), False
            if asked.verb == "create" and asked.resource == "namespaces":
                self._note_namespace(facts)
        for asked in denied:
            if self._grantable(asked, user):
                yield _plain(asked), True

    def _grantable(self, asked: Attributes, user: str) -> bool:
        reason = why_not(asked)
        if _IMPERSONATION.match(asked.verb):
            reason = "refused to act as somebody else: that gives all that they may do, and is no part of such a role"
        if reason:
            self.notes[user, reason] += 1
        return not reason

    def _learn(self, exchange: Exchange, denied: Iterable[Attributes]) -> None:
        """What the server calls the user who claimed to be another: an OIDC prefix, a mapped name."""
        said = next((asked.user for asked in denied if asked.user and not _IMPERSONATION.match(asked.verb)), "")
        claimed = Facts.of(replace(exchange, response=None)).user if said else ""
        if claimed and said != claimed:
            self._known_as[claimed] = said

    def _note_namespace(self, facts: Facts) -> None:
        response = facts.exchange.response
        if response is not None and response.status == 201:
            self.made.add(answer.thing(facts).rpartition(" ")[2])


def _plain(asked: Attributes) -> Attributes:
    return replace(asked, reason="")


def _is_open(asked: Attributes) -> bool:
    """Whether every authenticated user may do it, unless an administrator took that away."""
    if asked.path:
        return asked.verb == "get" and (asked.path in _OPEN_PATHS or asked.path.startswith(_OPEN_PREFIXES))
    return asked.verb == "create" and (asked.group, asked.resource) in _OPEN_CREATES and not asked.subresource


def _unanswered(exchange: Exchange) -> str:
    response = exchange.response
    if response is None:
        return "left without an answer, so nobody knows whether it would be allowed"
    if response.status == 401:
        return "answered 401: who asked is not known to the server"
    return "not answered by an API server"
