"""Runs the rules over an exchange. Rules are discovered, so that adding one is adding a file."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from functools import lru_cache

from analyzers import rules as catalogue
from analyzers.exchange import Exchange
from analyzers.facts import Facts
from analyzers.finding import Finding, Rule, Step

logger = logging.getLogger("mitmkube")

_ORDER = {step: place for place, step in enumerate(Step)}
_reported: set[str] = set()


def classify(exchange: Exchange) -> tuple[Finding, ...]:
    """What went wrong, the deciding finding first: that of the earliest step. Empty when nothing did."""
    if not worth_classifying(exchange):
        return ()
    facts = Facts.of(exchange)
    return tuple(finding for rule in rules() if (finding := _checked(rule, facts)) is not None)


def worth_classifying(exchange: Exchange) -> bool:
    """Whether anything in the exchange may be a failure; cheap, because nearly every exchange is none."""
    if exchange.foreign:
        return False
    if exchange.failure is not None:
        return True
    response = exchange.response
    if response is None:
        return False
    if response.status >= 400 or response.error_event is not None:
        return True
    if response.status == 304 or response.status < 200:
        return False
    if response.status >= 300:
        return True
    content_type = response.headers.get("Content-Type")
    # A login page in front of the server is a 200 too; and discovery tells of a dead aggregated server inside a 200.
    return content_type.startswith("text/html") or (
        "APIGroupDiscoveryList" in content_type and response.body is not None and b'"Stale"' in response.body
    )


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """Every rule, sorted by step, then by id."""
    found = [rule for module in pkgutil.iter_modules(catalogue.__path__) if (rule := _rule(module.name)) is not None]
    return tuple(sorted(found, key=lambda rule: (_ORDER[rule.step], rule.id)))


def _rule(module_name: str) -> Rule | None:
    try:
        rule = importlib.import_module(f"{catalogue.__name__}.{module_name}").RULE
    except Exception:
        _report(module_name.replace("_", "-"), "could not be loaded")
        return None
    return rule if isinstance(rule, Rule) else None


def _checked(rule: Rule, facts: Facts) -> Finding | None:
    try:
        return rule.check(facts)
    except Exception:
        _report(rule.id, "failed")
        return None


def _report(rule_id: str, what: str) -> None:
    """Once a rule: it would fail on every retry, and the log is not what the user came for."""
    if rule_id not in _reported:
        _reported.add(rule_id)
        logger.exception("rule %s %s", rule_id, what)
