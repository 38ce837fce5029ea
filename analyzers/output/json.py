"""The report as JSON: a small schema of its own with a version, described in docs/json.md; no dump of internal types.

Fields may be added within a version; a field is renamed or taken away only with a new one. What is unknown is null.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from analyzers import admission_diff, redact
from analyzers.command import CommandInfo, Story, Verdict
from analyzers.identity import claimed, known_as
from analyzers.output import last_look
from analyzers.steps import StepLine, steps_of
from analyzers.streams import stream

if TYPE_CHECKING:
    from analyzers.admission_diff import AdmissionDiff
    from analyzers.decode.credential import Credential
    from analyzers.decode.request_info import RequestInfo
    from analyzers.finding import Finding
    from analyzers.kubeconfig.credential_source import CredentialSource

SCHEMA = "mitmkube/v1"


def render(story: Story) -> str:
    """The story as one JSON document, indented, ended by a newline."""
    return json.dumps(document(story), indent=2, ensure_ascii=False) + "\n"


def document(story: Story) -> dict[str, Any]:
    """The story as the schema's objects."""
    found: dict[str, Any] = last_look.document(_document(story), story)
    return found


def _document(story: Story) -> dict[str, Any]:
    deciding = story.finding
    return {
        "schema": SCHEMA,
        "command": command_object(story.info) | {"notices": [redact.text(notice) for notice in story.notices]},
        "requests": [request_object(verdict) for verdict in story.verdicts],
        "left_out": [{"first": span.first, "last": span.last, "count": span.count} for span in story.left_out.spans],
        "totals": _totals(story),
        "findings": [
            finding_object(finding) | {"request": verdict.exchange.id}
            for verdict in story.failures
            for finding in verdict.findings
        ],
        "cause": None
        if story.cause is None
        else {"request": story.cause.exchange.id, "rule": None if deciding is None else deciding.rule},
        "notes": [
            *(
                {"request": verdict.exchange.id, "text": note, "rules": [finding.rule for finding in verdict.noted]}
                for verdict in story.verdicts
                for note in verdict.notes
            ),
            *({"request": None, "text": redact.text(note), "rules": []} for note in story.notes),
        ],
        "steps": [step_object(line) for line in steps_of(story)],
        "asked": [request_object(verdict) for verdict in story.asked],
    }


def _totals(story: Story) -> dict[str, int]:
    """Of all requests of the command, those that are left out too."""
    exchanges = [verdict.exchange for verdict in story.verdicts]
    received = sum(exchange.response.body_bytes for exchange in exchanges if exchange.response is not None)
    return {
        "requests": len(exchanges) + story.left_out.requests,
        "failed": sum(verdict.failed for verdict in story.verdicts) + story.left_out.failures,
        "request_bytes": sum(one.request.body_bytes for one in exchanges) + story.left_out.request_bytes,
        "response_bytes": received + story.left_out.response_bytes,
    }


def finding_object(finding: Finding) -> dict[str, Any]:
    """A finding as every JSON-like output of mitmkube writes it, the HAR's ``_mitmkube`` too."""
    return {
        "rule": finding.rule,
        "category": finding.category.value,
        "hop": finding.hop.value,
        "step": finding.step.value,
        "summary": redact.text(finding.summary),
        "evidence": [{"text": redact.text(evidence.text), "where": evidence.where} for evidence in finding.evidence],
        "fix": [
            {"text": fix.text, "by": fix.by, "commands": [redact.text(command) for command in fix.commands]}
            for fix in finding.fix
        ],
    }


def step_object(line: StepLine) -> dict[str, Any]:
    """A line of the steps table; ``number`` is null for flow control."""
    return {"step": line.step.value, "number": line.step.number, "state": line.state.value, "text": line.text}


def request_object(verdict: Verdict) -> dict[str, Any]:
    """One exchange: what was asked, of whom, by whom, and what came of it. Nothing that grants access."""
    exchange, facts = verdict.exchange, verdict.facts
    request, response, failure = exchange.request, exchange.response, exchange.failure
    return {
        "id": exchange.id,
        "phrase": verdict.phrase,
        "method": request.method,
        "url": request.path if exchange.tunnel else redact.url(request.url),
        "cluster": exchange.cluster or None,
        "request_info": request_info_object(facts.request_info),
        "status": response.status if response is not None else None,
        "reason": facts.status.reason or None if facts.status is not None else None,
        "failure": {"phase": failure.phase, "message": redact.text(failure.message)} if failure is not None else None,
        "live": exchange.live,
        "started": timestamp(exchange.timing.started),
        "seconds": round(exchange.timing.total, 6),
        "request_bytes": request.body_bytes,
        "response_bytes": response.body_bytes if response is not None else 0,
        "stream": stream.document(response.stream) if response is not None and response.stream is not None else None,
        "identity": {
            "claimed": claimed(facts, exchange.timing.started) or None,
            "known_as": known_as(facts) or None,
            "credential": credential_object(facts.credential),
        },
        "audit_id": facts.audit_id or None,
        "retry_after_seconds": facts.retry_after,
        "warnings": [redact.text(warning) for warning in facts.warnings],
        "admission": admission_object(admission_diff.of(exchange, facts)),
        "rules": [finding.rule for finding in verdict.findings],
        "raised": verdict.raised,
        "cured_by": verdict.cured_by or None,
    }


def admission_object(found: AdmissionDiff | None) -> dict[str, Any] | None:
    """What the API server made of the object that it was sent; null where there are no two objects to compare."""
    if found is None:
        return None
    return {
        "summary": found.summary,
        "changes": [
            {"path": change.path, "change": change.change, "sent": change.sent, "stored": change.stored}
            for change in found.changes
        ],
    }


def request_info_object(info: RequestInfo | None) -> dict[str, Any] | None:
    """The API server's reading of a path, under the API server's names; null for a CONNECT."""
    if info is None:
        return None
    return {
        "is_resource_request": info.is_resource_request,
        "verb": info.verb,
        "api_group": info.api_group,
        "api_version": info.api_version,
        "resource": info.resource,
        "subresource": info.subresource,
        "namespace": info.namespace,
        "name": info.name,
        "path": redact.path(info.path),
    }


def credential_object(credential: Credential | None) -> dict[str, Any] | None:
    """The safe claims of a credential, never its value. Times are Unix seconds."""
    if credential is None:
        return None
    return {
        "kind": credential.kind,
        "scheme": credential.scheme,
        "subject": credential.subject,
        "username": credential.username,
        "issuer": credential.issuer,
        "audiences": list(credential.audiences),
        "groups": list(credential.groups),
        "not_before": credential.not_before,
        "expires": credential.expires,
        "namespace": credential.namespace,
        "pod": credential.pod,
        "node": credential.node,
        "ignored": credential.ignored,
    }


def timestamp(seconds: float) -> str | None:
    """RFC 3339 with milliseconds, in UTC; None for 0 and for a time that no calendar has."""
    if not seconds:
        return None
    try:
        moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _credential_source(source: CredentialSource | None) -> dict[str, Any] | None:
    """Where the command took its credential from; no value of it."""
    if source is None:
        return None
    return {
        "user": source.user or None,
        "file": source.file or None,
        "kinds": list(source.kinds),
        "paths": list(source.paths),
        "plugin": list(source.plugin),
        "options": dict(source.options),
        "auth_provider": source.auth_provider or None,
        "empty": list(source.empty),
    }


def command_object(info: CommandInfo) -> dict[str, Any]:
    """What is known of a command, also for the HAR; ``readers.command_info`` reads it again."""
    return {
        "argv": list(info.argv),
        "context": info.context or None,
        "cluster": info.cluster or None,
        "server": redact.url(info.server) or None,
        "user": info.user or None,
        "credential": _credential_source(info.credential),
        "namespace": info.namespace or None,
        "kubeconfig": list(info.kubeconfig),
        "exit_status": info.exit_status,
        "signal": info.signal or None,
        "started": timestamp(info.started),
        "ended": timestamp(info.ended),
        "notices": [redact.text(notice) for notice in info.notices],
    }
