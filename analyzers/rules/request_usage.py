"""The command line itself is wrong, so the client sent nothing.

What you see
    error: unknown flag: --foo
    error: unknown command "gett" for "kubectl"
    error: resource name may not be empty

Why it happens
    A flag, command or argument that this version does not have, a missing argument, or a shell variable that is empty.

What to do
    Look at the command's help, and at what the shell made of the line.

References
    - https://kubernetes.io/docs/reference/kubectl/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_USAGE = re.compile(
    r"^[ \t]*(?:error|Error|ERROR): (?:(?P<said>unknown (?:shorthand )?(?:flag|command)\b[^\n]*"
    r"|flag needs an argument[^\n]*"
    r"|required flag\(s\) [^\n]* not set|resource name may not be empty|invalid argument [^\n]*"
    r"|there is no need to specify a resource type as a separate argument[^\n]*"
    r"|(?:Required resource|resource\(s\)|exactly one NAME|at least \d+ arg|accepts \d+ arg|\"[\w ]+\" requires)[^\n]*"
    r"|you must specify (?:one or more resources|at least|two)[^\n]*|unable to match a printer suitable[^\n]*"
    r"|name cannot be provided when a selector is specified|error parsing jsonpath [^\n]*"
    r"|one of src or dest must be a (?:local|remote) file specification[^\n]*|filespec must match[^\n]*"
    r"|exec \[POD\] \[COMMAND\][^\n]*|TYPE/NAME and list of ports[^\n]*|expected '[^'\n]*'[^\n]*"
    r"|unexpected (?:args|arguments?)\b[^\n]*|arguments in resource/name form[^\n]*|cannot set --[^\n]*))",
    re.MULTILINE,
)


def check(facts: Facts) -> Finding | None:
    """kubectl's and helm's words for a command line that they do not take."""
    found = _USAGE.search(printed(facts))
    if found is None:
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The command line is wrong, so nothing was sent: {_short(found['said'])}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "see the command's help, and which version of the client this is:",
                commands=("kubectl version --client",),
            ),
        ),
    )


def _short(said: str) -> str:
    return said.partition(", allowed formats are")[0].strip().rstrip(".")[:160]


RULE = Rule(id="request-usage", category=Category.REQUEST, step=Step.COMMAND, check=check)
