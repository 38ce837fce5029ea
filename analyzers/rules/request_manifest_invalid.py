"""kubectl compared the manifest with the API server's schema, and did not send it.

What you see
    error: error validating "web.yaml": error validating data: [ValidationError(Deployment.spec): unknown field
    "replica" in io.k8s.api.apps.v1.DeploymentSpec]; if you choose to ignore these errors, turn validation off
    with --validate=false

Why it happens
    A field name is misspelled or in the wrong place, a required field is missing, or a value has the wrong type.

What to do
    Correct the fields named below; kubectl explain shows names and types. Turning validation off only moves the error
    to the server, or loses the field.

References
    - https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation
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

_SAID = re.compile(r"error validating \\?\"[^\"\n]*\\?\"|error validating data|ValidationError\(")
_FIELD = re.compile(
    r"unknown field \\?\"(?P<unknown>[^\"\\]+)|missing required field \\?\"(?P<missing>[^\"\\]+)"
    r"|invalid type for (?P<type>[\w.]+)|\b(?P<unset>\w+) not set"
)
_PATH = re.compile(r"ValidationError\((?P<path>[\w.\[\]]+)\)")


def check(facts: Facts) -> Finding | None:
    """kubectl's and helm's words of a schema that does not fit, where the schema itself was had."""
    text = printed(facts)
    if not _SAID.search(text) or "failed to download openapi" in text:
        return None
    wrong = list(dict.fromkeys(_said(found) for found in _FIELD.finditer(text)))
    named = f": {', '.join(wrong[:4])}{' …' if len(wrong) > 4 else ''}" if wrong else ""
    path = _PATH.search(text)
    explain = re.sub(r"\[\d*\]", "", path["path"]) if path is not None else ""
    kind, dot, rest = explain.partition(".")
    explain = f"{kind.lower()}{dot}{rest}"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The client did not send the manifest, because it does not fit its type{named}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "correct the manifest; what belongs there:",
                commands=(shlex.join(["kubectl", "explain", explain or "TYPE"]),),
            ),
        ),
    )


def _said(found: re.Match[str]) -> str:
    if found["unknown"]:
        return f"unknown field {found['unknown']}"
    if found["missing"]:
        return f"field {found['missing']} is missing"
    return f"{found['unset']} is missing" if found["unset"] else f"wrong type at {found['type']}"


RULE = Rule(id="request-manifest-invalid", category=Category.REQUEST, step=Step.REQUEST, check=check)
