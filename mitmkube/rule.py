"""``mitmkube rule [ID]``: the catalogue of what is recognised, and the page of one rule."""

from __future__ import annotations

import difflib

from analyzers.classify import rules
from analyzers.output import rules_page
from mitmkube import stdout
from mitmkube.errors import UserError


def show(rule_id: str | None) -> int:
    """Print it on stdout. Raises UserError for an id that is none, with the nearest one."""
    if rule_id is None:
        text = rules_page.catalogue_text()
    else:
        known = [rule.id for rule in rules()]
        wanted = rule_id.strip().lower().replace("_", "-")
        if wanted not in known:
            near = difflib.get_close_matches(wanted, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "mitmkube rule lists them"
            raise UserError(f"there is no rule {rule_id}; {hint}")
        text = rules_page.page_text(wanted)
    with stdout.writing() as out:
        out.write(text)
    return 0
