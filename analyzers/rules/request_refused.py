"""The API server refused the request on its content, and no other rule knows the reason.

What you see
    Error from server (BadRequest): the name of the object (web) does not match the name on the URL (app)
    Error from server (BadRequest): field label not supported: spec.image
    Error from server (BadRequest): the namespace of the provided object does not match the namespace sent on the
    request

Why it happens
    The request contradicts itself or the object it is about: names or namespaces that differ, a selector, time-out or
    version that cannot be read, a group to act as without a user. The message says which.

What to do
    Correct what the message names.

References
    - https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import re
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
    request_container,
    request_decoding,
    request_disruption_budget,
    request_exec_target,
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
    request_container.check,
    request_decoding.check,
    request_disruption_budget.check,
    request_exec_target.check,
    request_namespace_missing.check,
    request_no_such_type.check,
    request_not_found.check,
    request_policy_denied.check,
    request_webhook_denied.check,
)
# The API server answers 500 to these, and nothing in it failed.
_OWN_FAULT = re.compile(
    r"resourceVersion should not be set on objects to be created|^resourceVersion: Invalid value"
    r"|failed to create RequestInfo|unable to determine kind and namespace from url|without impersonating a user"
    r"|^Testing value \S+ failed"  # of a JSON Patch, until Kubernetes 1.11
)
_CLIENT_WORDS = "the server rejected our request for an unknown reason"
_FIXES = (
    (
        r"the name of the object \(.*\) does not match|name in URL does not match|doesn't match requested name",
        "give the object the name that the request asks for, or ask for the object's name",
    ),
    (
        r"namespace of the (?:provided )?object.* does not match|resourceAttributes\.namespace must match",
        "leave out metadata.namespace, or ask in that namespace with -n",
    ),
    (
        r"field label not supported|is not a known field selector|not supported for field selector",
        "select by metadata.name, metadata.namespace or another field that the type offers (status.phase and "
        "spec.nodeName of pods); filter by any other field afterwards, with -o jsonpath or jq",
    ),
    (
        r"unable to parse requirement|invalid label|couldn't parse the selector|found '.*', expected",
        "write the selector as KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY or !KEY, joined by commas",
    ),
    (r"continue (?:token|key)|when using continue", "list again from the start, without continue and resourceVersion"),
    (
        r"invalid resource version|resourceVersion: Invalid value|resourceVersion should not be set",
        "leave out resourceVersion: it is the server's, and only a number that the server gave can be sent back",
    ),
    (
        r"without impersonating a user",
        "add --as (as: in the kubeconfig) beside --as-group, --as-uid or --as-user-extra, or leave those out too",
    ),
    (
        r"metadata\.managedFields must be nil",
        "take metadata.managedFields out of what is applied: the server keeps them",
    ),
    (r"invalid timeout specified", "write the time-out as a duration with a unit, such as 30s or 5m"),
    (
        r"Upgrade request required",
        "use kubectl exec, attach or port-forward: a plain request cannot become the stream that this needs",
    ),
    (r"Name parameter invalid|name must be provided|Name parameter required", "name an object that can exist"),
    (r"strconv\.ParseInt", "write a whole number there (limit, timeoutSeconds, tailLines, sinceSeconds …)"),
    (
        r"the server rejected our request for an unknown reason",
        "see what answered, and what it said: kubectl shows no more of it. Most often the kubeconfig's server begins "
        "with http:// where https:// belongs, or a gateway on the way refuses the request",
    ),
)


def check(facts: Facts) -> Finding | None:
    """Every other 4xx of an API server, most of them 400, and the 500s that are the request's own fault."""
    code = answer.code(facts)
    own_fault = code == 500 and bool(_OWN_FAULT.search(answer.said(facts)))
    if not own_fault and (not 400 <= code < 500 or code in _SETTLED or any(rule(facts) for rule in _NARROWER)):
        return None
    if facts.exchange.tunnel or answer.from_policy(facts):
        return None
    why = " ".join(answer.said(facts).split()).rstrip(". ")
    known = facts.exchange.request.known
    about = f"The request for {answer.thing(facts)}" if known else "The request"
    if "without impersonating a user" in why:  # quotes a Go struct
        why = "it asks to act as a member of a group, or with an extra field, and not as whom"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{about} was refused{f': {why}' if 0 < len(why) <= 200 else f' ({code})'}.",
        evidence=tuple(found for found in evidence.refused(facts) if found.text),
        fix=(_fix(facts),),
    )


def _fix(facts: Facts) -> Fix:
    text = answer.said(facts)
    ways = (way for words, way in _FIXES if re.search(words, text))
    commands = ("kubectl config view --minify", "kubectl get --raw /version -v=8") if _CLIENT_WORDS in text else ()
    return Fix(next(ways, "correct what the message names"), commands=commands)


RULE = Rule(id="request-refused", category=Category.REQUEST, step=Step.REQUEST, check=check)
