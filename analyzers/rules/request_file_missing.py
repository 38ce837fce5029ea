"""The manifest that the command names is not there.

What you see
    error: the path "web.yaml" does not exist
    error: unable to read URL "https://example.com/web.yaml", server reported 404 Not Found, status code=404

Why it happens
    The path or the address is misspelled, or the command runs in another folder.

What to do
    See where the file is.

References
    - https://kubernetes.io/docs/reference/kubectl/generated/kubectl_apply/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_MISSING = re.compile(
    r"the path \"(?P<path>[^\"\n]*)\" (?:does not exist|cannot be accessed)|unable to read URL \"(?P<url>[^\"\n]*)\""
    r"|error reading \[(?P<folder>[^\]\n]*)\]: recognized file extensions|(?P<none>no objects passed to \w+)"
    r"|(?P<must>must specify one of -f and -k)"
)


def check(facts: Facts) -> Finding | None:
    """kubectl's words for a file, folder or address without a manifest."""
    found = _MISSING.search(printed(facts))
    if found is None:
        return None
    if found["path"] is not None:
        what = f"There is no file {found['path']}, or it may not be read"
    elif found["url"] is not None:
        what = f"No manifest could be had from {found['url']}"
    elif found["folder"] is not None:
        what = f"There is no manifest in {found['folder']}"
    else:
        what = "The command was given no manifest"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"{what}, so nothing was sent.",
        evidence=evidence.refused(facts),
        fix=(Fix("correct the path or address after -f"),),
    )


RULE = Rule(id="request-file-missing", category=Category.REQUEST, step=Step.COMMAND, check=check)
