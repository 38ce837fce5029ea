"""What only the whole story can add to a finding.

A rule sees one exchange. Which kubeconfig user a credential came from, what another request of the session had read,
and what else was refused stands elsewhere: in what is known of the command and in its other requests. A module here
takes the finding of a rule and returns it with more evidence, a fuller summary or better fixes; it never makes a
finding of nothing, and never changes the rule, the category or the step.

To add one: write ``def detailed(finding, verdict, seen) -> Finding`` in a module of this package and name it in
``_DETAILS``, for a whole category. It may return the finding as it came. ``seen`` holds everything the session showed,
what was asked after the command (``run --ask``) too. An answer that proves nothing adds nothing: what was not seen is
said to be so, with the command that shows it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analyzers.finding import Category, Finding
from analyzers.story_details import credentials, flow_schemas, grants, nearest, quotas, retries, versions

if TYPE_CHECKING:
    from analyzers.command import CommandInfo, Verdict

logger = logging.getLogger("mitmkube")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything a session showed. ``verdicts`` are the command's own requests, judged, in the order of their ids;
    ``asked`` what mitmkube asked after the command had ended, which is no part of it."""

    info: CommandInfo
    verdicts: tuple[Verdict, ...] = ()
    asked: tuple[Verdict, ...] = ()

    @property
    def everything(self) -> tuple[Verdict, ...]:
        """The command's requests, then what was asked."""
        return (*self.verdicts, *self.asked)


type Detail = Callable[[Finding, Verdict, Seen], Finding]

_DETAILS: Mapping[Category, tuple[Detail, ...]] = {
    Category.AUTH: (credentials.detailed,),
    Category.CONFLICT: (versions.detailed,),
    Category.HEALTH: (flow_schemas.detailed, retries.detailed),
    Category.RBAC: (grants.detailed,),
    Category.REQUEST: (quotas.detailed, nearest.detailed),
}
_reported: set[str] = set()


def details_of(category: Category) -> tuple[Detail, ...]:
    """What is asked for more about findings of ``category``, in this order."""
    return _DETAILS.get(category, ())


def detailed(verdict: Verdict, seen: Seen) -> Verdict:
    """``verdict`` with its raised findings as the story tells them; a detail that fails is logged and left out."""
    if not verdict.findings:
        return verdict
    return replace(verdict, findings=tuple(_detailed(finding, verdict, seen) for finding in verdict.findings))


def _detailed(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    for detail in details_of(finding.category):
        try:
            finding = detail(finding, verdict, seen)
        except Exception:
            if finding.rule not in _reported:
                _reported.add(finding.rule)
                logger.exception("the details of %s failed", finding.rule)
    return finding
