"""The API server refused the request on its content, and no other rule knows the reason.

What you see
    Error from server (BadRequest): the name of the object (web) does not match the name on the URL (app)
    Error from server (BadRequest): container nginx is not valid for pod web

Why it happens
    The request contradicts itself or the object it is about: names or namespaces that differ, a container that the pod
    does not have, a query that cannot be read, a pod that is not scheduled yet. The message says which.

What to do
    Correct what the message names.

References
    - https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import (
    auth_unauthorized,
    conflict_expired,
    conflict_future_version,
    conflict_other,
    health_throttled,
    health_webhook,
    network_foreign_answer,
    network_https_expected,
    network_proxy_refused,
    network_upgrade_stripped,
    rbac_kubelet_forbidden,
    rbac_path_filter,
    request_decoding,
    request_disruption_budget,
    request_namespace_missing,
    request_no_such_type,
    request_not_found,
    request_policy_denied,
    request_webhook_denied,
)

if TYPE_CHECKING:
    from analyzers.facts import Facts

# Codes that have rules of their own down to the last case.
_SETTLED = frozenset({401, 403, 405, 406, 409, 413, 415, 422, 429})
_NARROWER = (
    auth_unauthorized.check,
    conflict_expired.check,
    conflict_future_version.check,
    conflict_other.check,
    health_throttled.check,
    health_webhook.check,
    network_foreign_answer.check,
    network_https_expected.check,
    network_proxy_refused.check,
    network_upgrade_stripped.check,
    rbac_kubelet_forbidden.check,
    rbac_path_filter.check,
    request_decoding.check,
    request_disruption_budget.check,
    request_namespace_missing.check,
    request_no_such_type.check,
    request_not_found.check,
    request_policy_denied.check,
    request_webhook_denied.check,
)
# The API server answers 500 to these, and nothing in it failed.
_OWN_FAULT = re.compile(
    r"resourceVersion should not be set on objects to be created|^resourceVersion: Invalid value"
    r"|failed to create RequestInfo|unable to determine kind and namespace from url"
)
_CONTAINER = re.compile(r"a container name must be specified for pod|container \S+ is not valid for pod|choose one of")
_WAITING = re.compile(r"waiting to start|does not have a host assigned|is not available")


def check(facts: Facts) -> Finding | None:
    """Every other 4xx of an API server, most of them 400, and the 500s that are the request's own fault."""
    code = answer.code(facts)
    own_fault = code == 500 and bool(_OWN_FAULT.search(answer.said(facts)))
    if not own_fault and (not 400 <= code < 500 or code in _SETTLED or any(rule(facts) for rule in _NARROWER)):
        return None
    if facts.exchange.tunnel or answer.from_policy(facts):
        return None
    why = " ".join(answer.said(facts).split()).rstrip(".")
    about = "The request" if facts.request_info is None else f"The request for {answer.thing(facts)}"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{about} was refused{f': {why}' if 0 < len(why) <= 200 else f' ({code})'}.",
        evidence=tuple(found for found in evidence.refused(facts) if found.text),
        fix=(_fix(facts, why),),
    )


def _fix(facts: Facts, why: str) -> Fix:
    info = facts.request_info
    if info is not None and info.resource == "pods" and _CONTAINER.search(why):
        names = "jsonpath={.spec.containers[*].name}"
        get = ["kubectl", "get", "pod", info.name, *answer.scope(facts).split(), "-o", names]
        return Fix("name one of the pod's containers with -c:", commands=(shlex.join(get),))
    if info is not None and info.resource == "pods" and _WAITING.search(why):
        describe = ["kubectl", "describe", "pod", info.name, *answer.scope(facts).split()]
        return Fix("the pod does not run yet; see what it waits for:", commands=(shlex.join(describe),))
    return Fix("correct what the message names")


RULE = Rule(id="request-refused", category=Category.REQUEST, step=Step.REQUEST, check=check)
