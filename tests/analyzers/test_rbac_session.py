"""What a session asked of the authorizer, from recordings: who asked for what, and what no role is shown for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analyzers import rbac_asked
from analyzers.attributes import Attributes
from analyzers.decode import audit_event
from analyzers.decode.credential import Credential
from analyzers.exchange import Exchange, Failure
from analyzers.facts import Facts
from analyzers.rbac_session import Session
from analyzers.readers import wire_text

HERE = Path(__file__).parent


def recorded(name: str) -> tuple[Exchange, ...]:
    """A recording of grants/, or RULE/CASE of rules/, or STORY of stories/."""
    for folder in ("grants", "rules", "stories"):
        path = HERE / folder / f"{name}.http"
        if path.exists():
            return wire_text.read(path.read_text("utf-8"))
    raise FileNotFoundError(name)


def session(*stories: tuple[Exchange, ...] | list[Exchange]) -> Session:
    taken = Session()
    for story in stories:
        taken.take(story)
    return taken


def asked(taken: Session) -> dict[str, list[tuple[str, int, int]]]:
    """By user: what, how many requests, how many of them refused."""
    return {
        user: [(use.asked.phrase, use.requests, use.refused) for use in uses] for user, uses in taken.uses().items()
    }


SETTINGS = "configmap settings in namespace prod"
NEW = "configmap new in namespace prod"


def test_apply_that_created_needs_patch_and_create() -> None:
    assert asked(session(recorded("apply_created"))) == {"admin": [(f"patch {NEW}", 1, 0), (f"create {NEW}", 1, 0)]}


def test_apply_that_changed_needs_patch_alone() -> None:
    assert asked(session(recorded("apply_changed"))) == {"admin": [(f"patch {NEW}", 1, 0)]}


def test_apply_that_was_refused_needs_patch_and_perhaps_create() -> None:
    assert asked(session(recorded("apply_refused"))) == {"jane": [(f"patch {NEW}", 1, 1), (f"create {NEW}", 1, 1)]}


def test_apply_whose_create_was_refused_had_its_patch_allowed() -> None:
    assert asked(session(recorded("apply_create_refused"))) == {
        "bob": [(f"patch {NEW}", 1, 0), (f"create {NEW}", 1, 1)]
    }


def test_apply_of_an_object_that_is_there_is_no_create() -> None:
    (refusal,) = (one for one in recorded("apply_of_what_was_seen") if one.request.method == "PATCH")
    assert [one.verb for one in rbac_asked.refused(Facts.of(refusal), exists=True)] == ["patch"]


def test_exec_whose_create_was_refused_is_asked_once() -> None:
    assert asked(session(recorded("rbac_exec_create/hit"))) == {
        "dave": [("exec into pod p0 in namespace default", 1, 1)]
    }


def test_what_everybody_may_ask_is_counted_and_left_out() -> None:
    taken = session(recorded("open_to_all"), recorded("several_refused"))
    assert taken.open == {"jane": 3}
    assert [phrase for phrase, _, _ in asked(taken)["jane"]] == [
        f"get {SETTINGS}", f"list {SETTINGS}", "get the path /metrics", "list deployments in namespace prod",
    ]  # fmt: skip


def test_what_everybody_may_ask_is_granted_where_it_was_refused() -> None:
    (refusal,) = (one for one in recorded("several_refused") if one.request.path == "/metrics")
    assert refusal.response is not None
    body = (refusal.response.body or b"").replace(b"/metrics", b"/version")
    version = replace(
        refusal, request=replace(refusal.request, path="/version"), response=replace(refusal.response, body=body)
    )
    assert asked(session([version])) == {"jane": [("get the path /version", 1, 1)]}


def test_token_that_says_nothing_is_whose_the_refusal_beside_it_says() -> None:
    allowed, refusal = recorded("opaque_token")
    allowed = replace(allowed, request=replace(allowed.request, path="/logs"))
    assert list(asked(session([allowed, refusal]))) == ["bob"]
    assert list(asked(session([allowed], [refusal]))) == ["", "bob"]


def test_name_of_the_server_wins_over_the_name_of_the_credential() -> None:
    allowed, refusal = recorded("opaque_token")
    allowed = replace(allowed, request=replace(allowed.request, path="/logs"))
    token = Credential(kind="jwt", subject="4711", username="bob@example.com")
    with_token = [replace(one, credential=token) for one in (allowed, refusal)]
    assert list(asked(session(with_token[:1]))) == ["bob@example.com"]
    assert list(asked(session(with_token[:1], with_token[1:]))) == ["bob"]


def test_same_question_is_counted() -> None:
    twice = recorded("rbac_denied/hit_namespace")
    assert asked(session(twice, twice)) == {"jane": [("list pods in namespace prod", 2, 2)]}


def test_namespace_that_the_session_made_is_remembered() -> None:
    taken = session(recorded("makes_a_namespace"))
    assert taken.made == {"made"}
    assert ("create configmaps in namespace made", 1, 0) in asked(taken)["admin"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rbac_impersonation/hit_user", "act as somebody else"),
        ("rbac_impersonation/hit_old_user", "act as somebody else"),
        ("rbac_node_authorizer/hit", "what a node may do"),
        ("rbac_path_filter/hit", "a filter in front of the API server"),
        ("auth_anonymous/hit", "without a credential"),
        ("auth_token_expired/hit", "answered 401"),
        ("network_foreign_answer/hit_login", "not answered by an API server"),
        ("network_refused/hit", "without an answer"),
    ],
)
def test_what_no_role_is_shown_for_is_said_with_the_reason(name: str, words: str) -> None:
    taken = session(recorded(name))
    assert taken.uses() == {}
    ((_, reason),) = taken.notes
    assert words in reason


@pytest.mark.parametrize(
    ("name", "words"),
    [("rbac_escalation/hit_role", "escalate and bind"), ("rbac_kubelet_forbidden/hit", "refused by the kubelet")],
)
def test_refusal_behind_the_authorizer_is_remarked_and_the_request_granted(name: str, words: str) -> None:
    taken = session(recorded(name))
    assert len(taken.uses()) == 1
    ((_, reason),) = taken.remarks
    assert words in reason


def test_admission_refusal_is_a_request_that_was_allowed() -> None:
    (uses,) = session(recorded("create_pod_security")).uses().values()
    assert all(not use.refused for use in uses)


def test_watch_that_is_still_open_counts_and_a_tunnel_does_not() -> None:
    (watch,) = recorded("apply_changed")
    request = replace(watch.request, method="GET", path="/api/v1/pods?watch=1")
    watch = replace(watch, request=request, live=True)
    tunnel = replace(watch, request=replace(request, method="CONNECT", path="cluster:443"))
    mine = replace(watch, asked=True)
    assert asked(session([watch, tunnel, mine])) == {"admin": [("watch pods in all namespaces", 1, 0)]}


def test_answer_that_broke_off_counts() -> None:
    (one,) = recorded("apply_changed")
    broken = replace(one, failure=Failure(phase="response", message="unexpected EOF"))
    assert asked(session([broken])) == {"admin": [(f"patch {NEW}", 1, 0)]}


def test_any_exchange_of_the_recordings_is_taken_without_an_exception() -> None:
    taken = Session()
    for path in sorted(HERE.glob("*/**/*.http")):
        taken.take(wire_text.read(path.read_text("utf-8")))
    assert len(taken.uses()) > 3
    assert all(isinstance(use.asked, Attributes) for uses in taken.uses().values() for use in uses)


AUDIT = [json.loads(line) for line in (HERE / "readers" / "audit" / "audit.log").read_text().splitlines() if line]


def test_audit_log_says_who_asked_and_is_counted_once_a_request() -> None:
    taken = Session()
    expected: dict[str, set[str]] = {}
    for document in AUDIT:
        event = audit_event.decode(document)
        assert event is not None
        taken.take_event(event)
        if event.decision:
            expected.setdefault(event.acting, set()).add(event.audit_id)
    found = {user: sum(use.requests for use in uses) for user, uses in taken.uses().items()}
    assert found
    assert all(found[user] <= len(expected[user]) for user in found if user in expected)


def event(**changes: Any) -> Any:
    """A watch by jane, as an API server 1.36 logs it with audit level Metadata."""
    document = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "a-1",
        "stage": "ResponseStarted", "requestURI": "/api/v1/namespaces/prod/pods?watch=true", "verb": "watch",
        "user": {"username": "jane", "groups": ["dev", "system:authenticated"]}, "sourceIPs": ["127.0.0.1"],
        "objectRef": {"resource": "pods", "namespace": "prod", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 200},
        "annotations": {"authorization.k8s.io/decision": "allow"},
    }  # fmt: skip
    return audit_event.decode({**document, **changes})


def test_long_request_of_an_audit_log_is_one_request() -> None:
    taken = Session()
    for stage in ("RequestReceived", "ResponseStarted", "ResponseComplete"):
        status = {} if stage == "RequestReceived" else {"code": 200}
        taken.take_event(event(stage=stage, responseStatus=status))
    assert asked(taken) == {"jane": [("watch pods in namespace prod", 1, 0)]}


def test_impersonated_user_of_an_audit_log_is_who_asked() -> None:
    taken = Session()
    taken.take_event(event(impersonatedUser={"username": "system:serviceaccount:ci:deployer"}))
    assert list(taken.uses()) == ["system:serviceaccount:ci:deployer"]
