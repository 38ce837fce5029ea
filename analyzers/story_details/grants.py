"""One grant for everything that a command was refused: who grants one request at a time is asked again and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from analyzers import rbac_asked, rbac_grant
from analyzers.finding import Fix
from analyzers.phrase import is_discovery, path_of
from analyzers.rbac_rules import PolicyRule, Role, needed, scope, why_not

if TYPE_CHECKING:
    from analyzers.attributes import Attributes
    from analyzers.command import Verdict
    from analyzers.finding import Finding
    from analyzers.story_details import Seen

_GRANTED = ("rbac-denied", "rbac-exec-create")
_MOST_CHECKS = 4


def detailed(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    """The finding with a grant for all that this user was refused, where it is the one that the others lead up to."""
    if finding.rule not in _GRANTED:
        return finding
    alike = [other for other in seen.verdicts if _is_refused(other) and _same(verdict, other)]
    if verdict is not max(alike, key=lambda other: (not is_discovery(other.exchange), other.exchange.id)):
        return finding
    user = next((user for other in (verdict, *alike) if (user := other.facts.user)), "")
    asked: dict[Attributes, list[Verdict]] = {}
    for other in alike:
        for one in rbac_asked.refused(other.facts, exists=_is_there(other, seen)):
            one = replace(one, user=user, reason="")
            if not why_not(one):
                asked.setdefault(one, []).append(other)
    own = rbac_asked.refused(verdict.facts, exists=True)
    if not own or len(asked) < 2:
        return finding
    return replace(finding, fix=tuple(_fixes(finding, own[0], asked)))


def _fixes(finding: Finding, own: Attributes, asked: dict[Attributes, list[Verdict]]) -> Iterator[Fix]:
    """The fixes of the rule, its grant and its check replaced by those for everything."""

    def comment(role: Role, rule: PolicyRule) -> list[str]:
        found = {
            verdict.exchange.id
            for one, verdicts in asked.items()
            for verdict in verdicts
            if verdict.exchange.request.known
            and role.namespace in ("", scope(one))
            and any(map(rule.allows, needed(one)))
        }
        numbers = ", ".join(map(str, sorted(found)))
        return [f"request{'s' if len(found) > 1 else ''} {numbers}"] if found else []

    for fix in finding.fix:
        if fix.commands == rbac_grant.lines([own]):
            text = f"grant exactly what was refused, {len(asked)} permissions at once:"
            yield Fix(text, by=rbac_grant.administrators(asked), commands=rbac_grant.lines(list(asked), comment))
        elif fix.commands == (rbac_grant.can_i(own),):
            yield replace(fix, commands=tuple(dict.fromkeys(map(rbac_grant.can_i, asked)))[:_MOST_CHECKS])
        else:
            yield fix


def _is_refused(verdict: Verdict) -> bool:
    return any(finding.rule in _GRANTED for finding in verdict.findings)


def _same(verdict: Verdict, other: Verdict) -> bool:
    """Whether the same user asked the same server, as far as known."""
    users = {verdict.facts.user, other.facts.user} - {""}
    return len(users) < 2 and verdict.exchange.request.authority == other.exchange.request.authority


def _is_there(verdict: Verdict, seen: Seen) -> bool:
    """Whether the object was seen."""
    path = path_of(verdict.exchange)
    return any(
        other.exchange.response is not None
        and 200 <= other.exchange.response.status < 300
        and path_of(other.exchange) == path
        for other in seen.everything
    )
