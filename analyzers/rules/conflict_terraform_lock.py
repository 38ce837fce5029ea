"""Terraform's lock on its state, kept as a Lease in the cluster, is held by another run.

What you see
    Error: Error acquiring the state lock
    Error message: the state is already locked by another terraform client

Why it happens
    Terraform's kubernetes backend keeps its state in a Secret and locks it with a Lease. Another run is at work, or one
    was killed and left its lock behind.

What to do
    Wait for the other run. If there is none, take the lock away by the ID that is printed.

References
    - https://developer.hashicorp.com/terraform/language/backend/kubernetes
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_LOCKED = re.compile(r"the state is already locked by another terraform client")
_ID = re.compile(r"\bID:\s+(?P<id>[0-9a-f-]{8,40})")


def check(facts: Facts) -> Finding | None:
    """The kubernetes backend's words; other backends do not lock in the cluster."""
    text = printed(facts)
    if not _LOCKED.search(text):
        return None
    lock = _ID.search(text)
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary="Another Terraform run holds the lock on this state, or was cut off and left it.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("see who holds it, and since when:", commands=("kubectl get leases -A -o wide",)),
            Fix(
                "if no other run is at work, take the lock away:",
                commands=(shlex.join(["terraform", "force-unlock", lock["id"] if lock is not None else "LOCK_ID"]),),
            ),
        ),
    )


RULE = Rule(id="conflict-terraform-lock", category=Category.CONFLICT, step=Step.STORAGE, check=check)
