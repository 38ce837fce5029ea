"""What an answer proves of the API server's own steps: authentication to processing.

An API server does not check in the order in which the steps are numbered, nor in the same order for every verb: an
update compares resourceVersions before it validates, a read has no admission, a body is decoded after authorization.
So each state is derived from the order of the filters and handlers (k8s.io/apiserver, server/config.go and
endpoints/handlers), and what no evidence shows stays "not observable".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from analyzers import admission_diff
from analyzers.command import Verdict, is_failure
from analyzers.decode import document
from analyzers.decode.untrusted import mapping, text
from analyzers.exchange import Exchange
from analyzers.facts import Facts
from analyzers.finding import Hop, Step, StepState
from analyzers.identity import known_as

type Line = tuple[StepState, str]

PASSED, FAILED, NOT_REACHED = StepState.PASSED, StepState.FAILED, StepState.NOT_REACHED
NOT_APPLICABLE, NOT_OBSERVABLE = StepState.NOT_APPLICABLE, StepState.NOT_OBSERVABLE

_SERVER_STEPS = (
    Step.AUTHENTICATION,
    Step.FLOW_CONTROL,
    Step.AUTHORIZATION,
    Step.ADMISSION,
    Step.VALIDATION,
    Step.STORAGE,
    Step.PROCESSING,
)
_STREAMED = frozenset({"exec", "attach", "portforward", "proxy", "log"})
_CONNECTS = frozenset({"exec", "attach", "portforward", "proxy"})
# Created to be answered, never stored.
_NOT_STORED = frozenset({"token", "eviction", "binding"})
_VALIDATING_PLUGINS = (
    "exceeded quota",
    "failed quota",
    "insufficient quota",
    "violates PodSecurity",
    "ValidatingAdmissionPolicy '",
    "limit reached on type",
    "cannot set an ownerRef",
    "cannot set blockOwnerDeletion",
    "user not permitted to",
    "system:masters group is not allowed",
    "only dynamically provisioned pvc",
    "Only bound persistent volume claims",
)
_MUTATING_PLUGINS = (
    "because it is being terminated",
    "is being terminated",
    "error looking up service account",
    "is not allowed to modify node",
    "while custom resource definition is terminating",
)
_MUTATING_POLICY = "policy '"
_ESCALATION = "attempting to grant RBAC permissions not currently held"


class ServerSteps:
    """The API server's steps of one exchange."""

    def __init__(self, verdict: Verdict) -> None:
        self.exchange, self.facts, self.response = verdict.exchange, verdict.facts, verdict.exchange.response
        self.finding = verdict.deciding
        self.query = query(self.exchange)
        self.body = document.decode(self.response.body if self.response is not None else None)

    def lines(self) -> dict[Step, Line]:
        if self.exchange.tunnel or never_sent(self.exchange):
            return dict.fromkeys(_SERVER_STEPS, (NOT_REACHED, ""))
        if self.response is None:
            waiting = "no answer yet" if self.exchange.failure is None else "no answer came"
            return dict.fromkeys(_SERVER_STEPS, (NOT_OBSERVABLE, waiting))
        if not self._from_api_server():
            return dict.fromkeys(_SERVER_STEPS, (NOT_OBSERVABLE, "the answer did not come from the API server"))
        lines = self._answered() if not is_failure(self.exchange) else self._refused()
        lines[Step.FLOW_CONTROL] = self._flow_control(lines[Step.AUTHORIZATION][0])
        return lines

    def _from_api_server(self) -> bool:
        assert self.response is not None
        if self.finding is not None and self.finding.hop in (Hop.FORWARD_PROXY, Hop.MIDDLEBOX, Hop.MITMKUBE):
            return False
        return bool(self.facts.audit_id or self.facts.status is not None or self.facts.flow_control) or (
            self.response.status < 400 and isinstance(self.body, dict) and "kind" in self.body
        )

    def _flow_control(self, authorization: StepState) -> Line:
        found = self.facts.flow_control
        if found is not None:
            return PASSED, f"FlowSchema uid {found.flow_schema_uid[:8]}…" if found.flow_schema_uid else ""
        info = self.facts.request_info
        if info is not None and (info.subresource in _STREAMED or info.verb == "proxy"):
            return NOT_APPLICABLE, "long-running requests skip it"
        if self.response is not None and self.response.status == 401:
            return NOT_REACHED, ""
        if authorization is FAILED and "impersonat" in self._message():
            return NOT_REACHED, "impersonation is checked before it"
        return NOT_OBSERVABLE, "the answer has no X-Kubernetes-PF headers"

    def _answered(self) -> dict[Step, Line]:
        who = known_as(self.facts)
        lines: dict[Step, Line] = {
            Step.AUTHENTICATION: (PASSED, who),
            Step.AUTHORIZATION: (PASSED, ""),
        }
        verb, info = self._verb(), self.facts.request_info
        if verb in ("create", "update", "patch"):
            made = admission_diff.of(self.exchange, self.facts) or admission_diff.AdmissionDiff()
            lines[Step.ADMISSION] = (PASSED, _joined(_warned(self.facts), made.said))
            lines[Step.VALIDATION] = (PASSED, "")
            lines[Step.STORAGE] = self._stored()
            written = (NOT_APPLICABLE, "dry run") if self._dry_run() else self._written(verb)
            lines[Step.PROCESSING] = (written[0], _joined(written[1], made.filled_in_words))
        elif verb in ("delete", "deletecollection"):
            lines[Step.ADMISSION] = (PASSED, _warned(self.facts))
            lines[Step.VALIDATION] = (NOT_APPLICABLE, "a delete has no new object")
            lines[Step.STORAGE] = (NOT_APPLICABLE, "dry run") if self._dry_run() else (PASSED, "")
            lines[Step.PROCESSING] = self._deleted()
        elif verb == "connect":
            lines[Step.ADMISSION] = (PASSED, "")
            lines[Step.VALIDATION] = (NOT_APPLICABLE, "")
            lines[Step.STORAGE] = (NOT_OBSERVABLE, "")
            lines[Step.PROCESSING] = (PASSED, f"{info.subresource} opened" if info is not None else "")
        elif verb == "read":
            lines[Step.ADMISSION] = (NOT_APPLICABLE, "a read has none")
            lines[Step.VALIDATION] = (NOT_APPLICABLE, "a read has none")
            lines[Step.STORAGE] = self._read()
            lines[Step.PROCESSING] = self._watched()
        else:
            for step in (Step.ADMISSION, Step.VALIDATION, Step.STORAGE, Step.PROCESSING):
                lines[step] = (NOT_APPLICABLE, "no resource was asked for")
        return lines

    def _refused(self) -> dict[Step, Line]:
        """Passed up to where the failure lies in the handlers' order, not reached behind it, else open."""
        lines: dict[Step, Line] = dict.fromkeys(_SERVER_STEPS, (NOT_OBSERVABLE, ""))
        step = self._failed_step()
        verb = self._verb()
        if step is None or (self._status_code() >= 500 and step in (Step.AUTHENTICATION, Step.FLOW_CONTROL)):
            # The filter that answers for a slow or stopping server stands before all others: only headers prove more.
            if self.facts.flow_control is not None:
                lines[Step.AUTHENTICATION] = (PASSED, "")
            return self._without_the_inapplicable(lines, verb)
        lines[Step.AUTHENTICATION] = (PASSED, known_as(self.facts))
        if step is Step.AUTHENTICATION:
            lines = dict.fromkeys(_SERVER_STEPS, (NOT_REACHED, ""))
            lines[Step.AUTHENTICATION] = (FAILED, self._message())
            if self._status_code() == 403:
                # Nobody logged in, and the request went on as system:anonymous to the authorizer.
                lines[Step.AUTHORIZATION] = (FAILED, self._message())
        elif step is Step.FLOW_CONTROL:
            for behind in _SERVER_STEPS[2:]:
                lines[behind] = (NOT_REACHED, "")
        elif step is Step.AUTHORIZATION:
            self._refused_by_authorizer(lines)
        else:
            lines[Step.AUTHORIZATION] = (PASSED, "")
            _BEHIND_AUTHORIZATION.get(step, ServerSteps._unknown_order)(self, lines, verb)
        return self._without_the_inapplicable(lines, verb)

    def _refused_by_authorizer(self, lines: dict[Step, Line]) -> None:
        for behind in (Step.ADMISSION, Step.VALIDATION, Step.STORAGE, Step.PROCESSING):
            lines[behind] = (NOT_REACHED, "")
        lines[Step.AUTHORIZATION] = (FAILED, self._message())
        if _ESCALATION in self._message():
            lines[Step.ADMISSION] = (PASSED, "mutating part passed")

    def _refused_request(self, lines: dict[Step, Line], verb: str) -> None:
        """Decoding of options and body: after authorization, before admission; a 404 of the type likewise."""
        if self._status_code() == 404 and verb in ("update", "patch", "delete", "deletecollection", "read", "connect"):
            self._not_found(lines, verb)
            return
        for behind in (Step.ADMISSION, Step.VALIDATION, Step.STORAGE, Step.PROCESSING):
            lines[behind] = (NOT_REACHED, "")

    def _not_found(self, lines: dict[Step, Line], verb: str) -> None:
        status = self.facts.status
        named = status is not None and bool(status.details.name)
        if not named:
            for behind in (Step.ADMISSION, Step.VALIDATION, Step.STORAGE, Step.PROCESSING):
                lines[behind] = (NOT_REACHED, "no such type is served")
            return
        # Whether mutating admission saw the object before it was missed depends on the kind of write: not claimed.
        lines[Step.ADMISSION] = (NOT_OBSERVABLE, "")
        lines[Step.VALIDATION] = (NOT_REACHED, "")
        lines[Step.STORAGE] = (PASSED, "looked up, not there")
        lines[Step.PROCESSING] = (NOT_REACHED, "")

    def _refused_by_admission(self, lines: dict[Step, Line], _: str) -> None:
        message = self._message()
        lines[Step.ADMISSION] = (FAILED, message)
        if any(words in message for words in _VALIDATING_PLUGINS):
            lines[Step.VALIDATION] = (PASSED, "")
        elif message.startswith(_MUTATING_POLICY) or any(words in message for words in _MUTATING_PLUGINS):
            lines[Step.VALIDATION] = (NOT_REACHED, "")
        else:
            lines[Step.VALIDATION] = (NOT_OBSERVABLE, "it stands between mutating and validating admission")
        for behind in (Step.STORAGE, Step.PROCESSING):
            lines[behind] = (NOT_REACHED, "")

    def _refused_by_validation(self, lines: dict[Step, Line], _: str) -> None:
        status = self.facts.status
        kind = status.details.kind if status is not None else ""
        if kind.endswith("Options"):
            lines[Step.ADMISSION] = (NOT_REACHED, "the options were refused first")
        else:
            lines[Step.ADMISSION] = (PASSED, "mutating part passed, validating part not reached")
        lines[Step.VALIDATION] = (FAILED, self._message())
        for behind in (Step.STORAGE, Step.PROCESSING):
            lines[behind] = (NOT_REACHED, "")

    def _refused_by_storage(self, lines: dict[Step, Line], verb: str) -> None:
        info = self.facts.request_info
        lines[Step.STORAGE] = (FAILED, self._message())
        lines[Step.PROCESSING] = (NOT_REACHED, "")
        code, plain = self._status_code(), info is not None and not info.subresource
        if code == 403 and (_ESCALATION in self._message() or "the aggregationRule" in self._message()):
            # The storage of RBAC's own types compares permissions before it does anything else.
            lines[Step.ADMISSION] = (PASSED, "mutating part passed")
            lines[Step.VALIDATION] = (NOT_REACHED, "")
        if code == 409 and verb == "create" and plain:
            lines[Step.ADMISSION] = lines[Step.VALIDATION] = (PASSED, "")
        elif code == 409 and verb in ("update", "patch"):
            if any(cause == "FieldManagerConflict" for cause in self._causes()):
                lines[Step.ADMISSION] = (NOT_REACHED, "fields are merged before it")
                lines[Step.VALIDATION] = (NOT_REACHED, "fields are merged before it")
            else:
                lines[Step.ADMISSION] = (PASSED, "mutating part passed")
                lines[Step.VALIDATION] = (NOT_REACHED, "the version is checked first")

    def _failed_behind_storage(self, lines: dict[Step, Line], verb: str) -> None:
        lines[Step.PROCESSING] = (FAILED, self._message())
        if verb == "connect" and self.finding is not None and self.finding.hop is Hop.KUBELET:
            lines[Step.ADMISSION] = (PASSED, "")

    def _unknown_order(self, lines: dict[Step, Line], _: str) -> None:
        """A failure at a step that is none of the API server's: what lies behind authorization stays open."""

    def _without_the_inapplicable(self, lines: dict[Step, Line], verb: str) -> dict[Step, Line]:
        applicable = {
            "read": {Step.STORAGE, Step.PROCESSING},
            "connect": {Step.ADMISSION, Step.STORAGE, Step.PROCESSING},
            "delete": {Step.ADMISSION, Step.STORAGE, Step.PROCESSING},
            "deletecollection": {Step.ADMISSION, Step.STORAGE, Step.PROCESSING},
            "path": set[Step](),
        }.get(verb)
        if applicable is None:
            return lines
        for step in (Step.ADMISSION, Step.VALIDATION, Step.STORAGE, Step.PROCESSING):
            if step not in applicable and lines[step][0] is not FAILED:
                lines[step] = (NOT_APPLICABLE, "")
        return lines

    def _failed_step(self) -> Step | None:
        if self.finding is not None:
            return self.finding.step
        return {401: Step.AUTHENTICATION, 429: None, 404: Step.REQUEST, 422: Step.VALIDATION}.get(self._status_code())

    # What was stored

    def _stored(self) -> Line:
        info = self.facts.request_info
        if self._dry_run():
            return NOT_APPLICABLE, "dry run, nothing was stored"
        if info is not None and (info.resource.endswith("reviews") or info.subresource in _NOT_STORED):
            return NOT_APPLICABLE, "answered without storing anything"
        sent = _resource_version(document.decode(self.exchange.request.body))
        kept = _resource_version(self.body)
        if sent and kept:
            return PASSED, f"resourceVersion {sent} before, {kept} after"
        return PASSED, f"resourceVersion {kept}" if kept else ""

    def _read(self) -> Line:
        version = _resource_version(self.body)
        if self.response is not None and self.response.status == 304:
            return PASSED, "not modified"
        return PASSED, f"read at resourceVersion {version}" if version else ""

    def _written(self, verb: str) -> Line:
        found = metadata(self.body)
        if not found:
            return NOT_OBSERVABLE, ""
        said = {"create": "created", "update": "updated", "patch": "patched"}[verb]
        if generation := found.get("generation"):
            said += f", generation {generation}"
        if found.get("deletionTimestamp"):
            said += ", it is being deleted"
        return PASSED, said

    def _deleted(self) -> Line:
        found = metadata(self.body)
        finalizers = found.get("finalizers")
        if found.get("deletionTimestamp") and isinstance(finalizers, list) and finalizers:
            return PASSED, f"marked for deletion, waits for {', '.join(map(str, finalizers))}"
        if found.get("deletionTimestamp"):
            return PASSED, "marked for deletion"
        return PASSED, "deleted"

    def _watched(self) -> Line:
        info = self.facts.request_info
        if info is None or info.verb != "watch":
            return NOT_APPLICABLE, "a read changes nothing"
        return PASSED, "events are still coming" if self.exchange.live else "the watch has ended"

    # Small questions

    def _verb(self) -> str:
        """ "create", "update", "patch", "delete", "deletecollection", "connect", "read", or "path" for no resource."""
        info = self.facts.request_info
        if info is None or not info.is_resource_request:
            return "path"
        if info.subresource in _CONNECTS:
            return "connect"
        return info.verb if info.verb in ("create", "update", "patch", "delete", "deletecollection") else "read"

    def _dry_run(self) -> bool:
        return bool(self.query.get("dryRun"))

    def _message(self) -> str:
        return self.facts.status.message if self.facts.status is not None else self.facts.text

    def _causes(self) -> tuple[str, ...]:
        status = self.facts.status
        return tuple(cause.reason for cause in status.details.causes) if status is not None else ()

    def _status_code(self) -> int:
        status, response = self.facts.status, self.response
        if response is not None and response.status >= 400:
            return response.status
        return status.code if status is not None and status.code else (response.status if response is not None else 0)


_BEHIND_AUTHORIZATION: Mapping[Step, Callable[[ServerSteps, dict[Step, Line], str], None]] = {
    Step.COMMAND: ServerSteps._refused_request,
    Step.REQUEST: ServerSteps._refused_request,
    Step.TRANSMISSION: ServerSteps._refused_request,
    Step.ADMISSION: ServerSteps._refused_by_admission,
    Step.VALIDATION: ServerSteps._refused_by_validation,
    Step.STORAGE: ServerSteps._refused_by_storage,
    Step.PROCESSING: ServerSteps._failed_behind_storage,
}


def never_sent(exchange: Exchange) -> bool:
    """True when it failed before a byte of the request could leave."""
    failure = exchange.failure
    return failure is not None and failure.phase in ("dns", "dial", "tls", "mitmkube")


def _joined(*said: str) -> str:
    return "; ".join(filter(None, said))


def _warned(facts: Facts) -> str:
    count = len(facts.warnings)
    return "" if not count else f"with {count} warning" + ("" if count == 1 else "s")


def query(exchange: Exchange) -> dict[str, str]:
    """The request's query, the first value of each name."""
    try:
        return {
            name: values[0]
            for name, values in parse_qs(exchange.request.path.partition("?")[2], keep_blank_values=True).items()
        }
    except ValueError:
        return {}


def metadata(document: object) -> Mapping[str, Any]:
    """``metadata`` of a parsed object, empty where there is none."""
    return mapping(mapping(document).get("metadata"))


def _resource_version(document: object) -> str:
    return text(metadata(document).get("resourceVersion"))
