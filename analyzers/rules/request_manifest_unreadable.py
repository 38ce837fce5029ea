"""The manifest is no YAML or JSON that the client could read, or no Kubernetes object.

What you see
    error: error parsing web.yaml: error converting YAML to JSON: yaml: line 7: did not find expected key
    error: error validating "web.yaml": error validating data: [apiVersion not set, kind not set]
    error: unable to decode "web.yaml": Object 'Kind' is missing in '{"a":1}'

Why it happens
    Wrong indentation, a tab, an unquoted colon or a template that was not filled in; or the file is something else
    than a manifest.

What to do
    Correct the line that is named. A dry run shows whether it can be read.

References
    - https://kubernetes.io/docs/concepts/overview/working-with-objects/
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

_SAID = re.compile(
    r"error parsing (?P<file>[^\s:\"]+): |YAML parse error on (?P<chart>[^\s:]+): |error converting YAML to JSON: "
    r"|unable to decode \"(?P<decode>[^\"\n]*)\": |Object 'Kind' is missing in|Object 'apiVersion' is missing in"
    r"|error unmarshaling JSON: |MalformedYAMLError: |couldn't get version/kind; json parse error"
)
_LINE = re.compile(r"yaml: line (?P<line>\d+): (?P<why>[^\n]+)|(?P<missing>Object '\w+' is missing)")
# Of the document of another API, and of an answer.
_OTHER = re.compile(r"failed to download openapi|body was not decodable")


def check(facts: Facts) -> Finding | None:
    """What YAML and JSON readers say inside of kubectl and helm, of a manifest and not of a kubeconfig or a plugin."""
    text = printed(facts)
    found = _SAID.search(text)
    if found is None or "config file" in text or "getting credentials" in text or _OTHER.search(text):
        return None
    file = next(filter(None, found.groups()), "")
    at = _LINE.search(text)
    where = f" in line {at['line']}" if at is not None and at["line"] else ""
    what = (
        "is no Kubernetes object: it does not say its kind"
        if at is not None and at["missing"]
        else f"cannot be read{where}"
    )
    check_file = shlex.join(["kubectl", "create", "--dry-run=client", "-f", file or "FILE"])
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The manifest{f' {file}' if file and file != 'STDIN' else ''} {what}, so nothing was sent.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "render the chart and look at that line:"
                if found["chart"]
                else "correct it, and see whether it can be read:",
                commands=("helm template CHART --debug",) if found["chart"] else (check_file,),
            ),
        ),
    )


RULE = Rule(id="request-manifest-unreadable", category=Category.REQUEST, step=Step.COMMAND, check=check)
