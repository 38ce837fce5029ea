"""The page of all rules, made from their docstrings: ``python -m analyzers.output.rules_page > docs/rules.md``."""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from dataclasses import dataclass
from functools import lru_cache

from analyzers import rules as catalogue
from analyzers.classify import rules
from analyzers.finding import Category, Rule

_PART = re.compile(r"^(?P<title>[A-Z][^\n]*)\n(?P<text>(?:(?: {4}[^\n]*)?\n)+)", re.MULTILINE)
_HEAD = """# Rules

What mitmkube recognises, by category. Each rule is one module of `analyzers/rules/`; this page is made from their
docstrings by `python -m analyzers.output.rules_page` and tested to be current. `mitmkube rule NAME` prints one.
"""
_CATEGORIES = {
    Category.AUTH: "Who is asking: certificates, tokens, kubeconfig.",
    Category.RBAC: "What the user may do.",
    Category.NETWORK: "The way to the API server: names, firewalls, proxies, TLS that does not come about.",
    Category.HEALTH: "The API server, and what it depends on: etcd, webhooks, aggregated APIs, kubelets.",
    Category.CONFLICT: "Others changed the same thing, or the version asked for is gone.",
    Category.REQUEST: "None of the five: the request itself was refused on its content.",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A rule's docstring: its first line, and its parts as (title, text), the text without indentation."""

    title: str
    parts: tuple[tuple[str, str], ...]


@lru_cache
def page(rule_id: str) -> Page:
    """The page of one rule. Raises KeyError for an id that is none."""
    if rule_id not in {rule.id for rule in rules()}:
        raise KeyError(rule_id)
    text = importlib.import_module(f"{catalogue.__name__}.{rule_id.replace('-', '_')}").__doc__ or ""
    title, _, rest = text.strip("\n").partition("\n")
    parts = tuple((found["title"], textwrap.dedent(found["text"]).strip("\n")) for found in _PART.finditer(rest + "\n"))
    return Page(title, parts)


def render() -> str:
    """The whole page, in Markdown."""
    sections = [_HEAD]
    for category, about in _CATEGORIES.items():
        members = sorted((rule for rule in rules() if rule.category is category), key=lambda rule: rule.id)
        listed = "\n".join(f"- [{rule.id}](#{rule.id}): {page(rule.id).title}" for rule in members)
        sections.append(f"## {category}\n\n{about}\n\n{listed}\n")
        sections += [_section(rule) for rule in members]
    return "\n".join(sections)


def catalogue_text() -> str:
    """Every rule in a line, by category, for a terminal."""
    lines: list[str] = []
    width = max(len(rule.id) for rule in rules()) + 2
    for category, about in _CATEGORIES.items():
        lines.append(f"{category}: {about}")
        members = sorted((rule for rule in rules() if rule.category is category), key=lambda rule: rule.id)
        lines += [f"  {rule.id:{width}}{page(rule.id).title}" for rule in members]
        lines.append("")
    return "\n".join((*lines, "mitmkube rule ID shows the page of one.\n"))


def page_text(rule_id: str) -> str:
    """The page of one rule for a terminal. Raises KeyError for an id that is none."""
    rule = next(rule for rule in rules() if rule.id == rule_id)
    shown = page(rule_id)
    lines = [rule.id, shown.title, f"Category {rule.category}, {rule.step.label}."]
    for title, text in shown.parts:
        lines += ["", title, textwrap.indent(text, "    ")]
    return "\n".join(lines) + "\n"


def _section(rule: Rule) -> str:
    shown = page(rule.id)
    lines = [f"### {rule.id}\n", f"{shown.title} Category {rule.category}, {rule.step.label}.\n"]
    for title, text in shown.parts:
        body = f"```text\n{text}\n```" if title == "What you see" else text
        lines.append(f"**{title}**\n\n{body}\n")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(render())
