"""What stands above a body in mitmweb's "Kubernetes" view: the finding, then the request as the API server reads it."""

from __future__ import annotations

from collections.abc import Sequence

from analyzers import admission_diff
from analyzers.exchange import Exchange
from analyzers.facts import Facts
from analyzers.finding import Finding
from analyzers.identity import claimed
from analyzers.output.finding_text import finding_text
from analyzers.phrase import phrase


def above_body(exchange: Exchange, findings: Sequence[Finding] = ()) -> str:
    """Plain text, no final newline. Every line is a comment or a ``name: value`` pair, so YAML colouring fits it."""
    facts = Facts.of(exchange)
    blocks = [_commented(finding_text(finding, exchange.id)) for finding in findings]
    fields = [
        ("request", f"{exchange.id}: {phrase(exchange, facts.request_info)}"),
        *_request_info(facts),
        ("asked by", claimed(facts)),
        ("audit id", facts.audit_id),
        ("cluster", exchange.cluster),
        *(("warning", warning) for warning in facts.warnings),
        ("admission", _admission(exchange, facts)),
    ]
    blocks.append("\n".join(f"{name}: {value}" for name, value in fields if value))
    if exchange.response is not None and exchange.response.stream is not None:
        blocks.append(_commented("\n".join(exchange.response.stream.lines())))
    return "\n\n".join(blocks)


def _admission(exchange: Exchange, facts: Facts) -> str:
    found = admission_diff.of(exchange, facts)
    return found.summary if found is not None else ""


def _request_info(facts: Facts) -> list[tuple[str, str]]:
    info = facts.request_info
    if info is None or not info.is_resource_request:
        return []
    return [
        ("verb", info.verb),
        ("group version", f"{info.api_group}/{info.api_version}" if info.api_group else info.api_version),
        ("resource", f"{info.resource}/{info.subresource}" if info.subresource else info.resource),
        ("namespace", info.namespace),
        ("name", info.name),
    ]


def _commented(text: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines())
