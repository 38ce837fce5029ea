"""The story of one command: look-alikes told from failures, retries counted, the cause named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from analyzers.command import CommandInfo, Story, display_argv
from analyzers.exchange import Connection, Exchange, Failure, Request, Response
from analyzers.finding import Category

type Told = Callable[[str], Story]
type Recorded = Callable[[str], tuple[Exchange, ...]]
type Known = Callable[[str], CommandInfo]

REFUSED = Failure(phase="dial", message="dial tcp 127.0.0.1:1: connect: connection refused")


def tunnel(number: int, *, failure: Failure | None = REFUSED) -> Exchange:
    request = Request(method="CONNECT", host="127.0.0.1", port=1, path="127.0.0.1:1")
    return Exchange(id=number, request=request, failure=failure)


# What failed


def test_refused_list_is_the_cause(story: Told) -> None:
    told = story("get_pods_forbidden")
    assert told.finding is not None
    assert told.finding.category is Category.RBAC
    assert told.cause is told.verdicts[-1]


def test_the_same_discovery_failure_five_times_is_one_row(story: Told) -> None:
    told = story("expired_certificate")
    assert [(row.kind, len(row.verdicts)) for row in told.rows] == [("repeated", 5)]
    assert told.finding is not None
    assert told.finding.category is Category.AUTH


def test_object_that_is_not_found_is_the_cause_although_a_later_request_succeeds(story: Told) -> None:
    told = story("get_pod_not_found")
    assert told.cause is not None
    assert told.cause.exchange.response is not None
    assert told.cause.exchange.response.status == 404
    assert told.cause is not told.verdicts[-1]


def test_existing_object_is_the_cause_when_the_command_fails(story: Told) -> None:
    told = story("create_exists")
    assert told.finding is not None
    assert told.finding.category is Category.CONFLICT


def test_discovery_failure_is_the_cause_only_where_nothing_else_failed(exchanges: Recorded) -> None:
    noise, refusal = exchanges("anonymous")[0], exchanges("get_pods_forbidden")[-1]
    told = Story.of([replace(refusal, id=1), replace(noise, id=2)], CommandInfo(exit_status=1))
    assert told.cause is not None
    assert told.cause.exchange.id == 1


def test_the_last_of_several_failures_is_the_cause_and_the_others_are_kept(exchanges: Recorded) -> None:
    first, last = exchanges("get_pods_forbidden")[-1], exchanges("replace_conflict")[-1]
    told = Story.of([replace(first, id=1), replace(last, id=2)], CommandInfo(exit_status=1))
    assert told.cause is not None
    assert told.cause.exchange.id == 2
    assert [verdict.exchange.id for verdict in told.others] == [1]


def test_failure_that_no_rule_knows_is_still_the_cause(exchanges: Recorded) -> None:
    strange = replace(exchanges("get_pods")[-1], response=Response(status=418, reason="I'm a teapot"))
    told = Story.of([strange], CommandInfo(exit_status=1), classified={strange.id: ()})
    assert told.cause is not None
    assert told.finding is None


def test_failing_command_without_a_failed_request_has_no_cause(story: Told) -> None:
    told = story("unknown_type")
    assert told.info.exit_status == 1
    assert told.cause is None
    assert told.failed


def test_refused_connection_is_the_cause_and_counted() -> None:
    told = Story.of([tunnel(number) for number in range(1, 6)], CommandInfo(exit_status=1))
    assert told.cause is not None
    assert [(row.kind, len(row.verdicts)) for row in told.rows] == [("repeated", 5)]


def test_failures_are_raised_while_the_outcome_is_unknown(exchanges: Recorded) -> None:
    assert Story.of(exchanges("get_pods_forbidden")).cause is not None


# Look-alikes


def test_get_before_a_create_is_noted_and_not_raised(story: Told) -> None:
    told = story("apply_creates")
    missed = next(v for v in told.verdicts if v.exchange.response is not None and v.exchange.response.status == 404)
    assert not missed.raised
    assert missed.noted
    assert "request 7 writes it" in missed.notes[0]


def test_get_that_nothing_writes_is_raised(exchanges: Recorded) -> None:
    without_the_create = [exchange for exchange in exchanges("apply_creates") if exchange.request.method == "GET"]
    assert Story.of(without_the_create, CommandInfo(exit_status=1)).cause is not None


def test_websocket_attempt_before_spdy_is_noted_and_the_spdy_refusal_decides(story: Told) -> None:
    told = story("exec_forbidden")
    attempt, decides = told.verdicts[-2:]
    assert attempt.exchange.request.headers.get("Upgrade") == "websocket"
    assert not attempt.raised
    assert attempt.noted
    assert told.cause is decides
    assert decides.exchange.request.method == "POST"


def test_websocket_attempt_that_nothing_follows_is_raised(exchanges: Recorded) -> None:
    told = Story.of(exchanges("exec_forbidden")[:-1], CommandInfo(exit_status=1))
    assert told.cause is not None
    assert told.cause.exchange.request.headers.get("Upgrade") == "websocket"


def test_expired_watch_that_is_listed_again_is_noted(exchanges: Recorded) -> None:
    watch, relist = exchanges("watch_expired_then_list")
    told = Story.of([watch, relist])
    assert told.cause is None
    assert told.verdicts[0].cured_by == relist.id
    assert told.verdicts[0].noted


def test_expired_watch_without_a_list_is_raised(exchanges: Recorded) -> None:
    told = Story.of(exchanges("watch_expired_then_list")[:1])
    assert told.finding is not None
    assert told.finding.category is Category.CONFLICT


def test_retries_that_the_last_one_cured_are_noted_and_one_row(exchanges: Recorded) -> None:
    told = Story.of(exchanges("eviction_retried"))
    assert told.cause is None
    assert [(row.kind, len(row.verdicts)) for row in told.rows] == [("retried", 4)]
    assert [verdict.cured_by for verdict in told.verdicts] == [4, 4, 4, 0]


def test_retries_without_an_end_are_raised(exchanges: Recorded) -> None:
    told = Story.of(exchanges("eviction_retried")[:3])
    assert told.cause is not None
    assert len(told.others) == 2


def test_create_of_what_exists_is_noted_when_it_is_updated_instead(exchanges: Recorded) -> None:
    told = Story.of(exchanges("create_exists_then_update"))
    assert told.cause is None
    assert "request 2 changes it instead" in told.verdicts[0].notes[0]


def test_any_failure_is_noted_when_the_command_succeeds(exchanges: Recorded) -> None:
    told = Story.of(exchanges("create_exists"), CommandInfo(exit_status=0))
    assert told.cause is None
    assert not told.failed
    assert told.verdicts[0].noted


def test_not_modified_is_noted_and_no_failure(exchanges: Recorded) -> None:
    kept = replace(exchanges("get_pods")[0], response=Response(status=304, reason="Not Modified"))
    told = Story.of([kept], CommandInfo(exit_status=1))
    assert told.cause is None
    assert told.verdicts[0].notes
    assert not told.verdicts[0].failed


def test_refused_connection_before_a_request_that_came_through_is_noted(exchanges: Recorded) -> None:
    answered = exchanges("get_pods")[-1]
    first = replace(tunnel(1), request=replace(tunnel(1).request, path=answered.request.authority))
    told = Story.of([first, replace(answered, id=2)])
    assert told.cause is None
    assert told.verdicts[0].cured_by == 2


def test_watch_that_a_signal_ends_is_no_failure(exchanges: Recorded) -> None:
    cut = replace(exchanges("watch_ends")[0], failure=Failure(phase="response", message="client disconnected"))
    assert Story.of([cut], CommandInfo(signal="SIGINT"), classified={cut.id: ()}).cause is None
    assert Story.of([cut], CommandInfo(exit_status=1), classified={cut.id: ()}).cause is not None


# Rows


def test_successful_discovery_is_one_row(story: Told) -> None:
    kinds = [row.kind for row in story("apply_creates").rows]
    assert kinds == ["discovery", "one", "one", "one"]


def test_interleaved_discovery_failures_share_their_rows(exchanges: Recorded) -> None:
    one, other = exchanges("anonymous")[0], exchanges("anonymous")[1]
    other = replace(other, request=replace(other.request, path="/apis?timeout=32s"))
    told = Story.of([replace(exchange, id=i) for i, exchange in enumerate([one, other, one, other, one], start=1)])
    assert [[verdict.exchange.id for verdict in row.verdicts] for row in told.rows] == [[1, 3, 5], [2, 4]]


def test_rows_hold_every_exchange_once(story: Told) -> None:
    for name in ("apply_creates", "exec_forbidden", "anonymous", "eviction_retried"):
        told = story(name)
        shown = sorted(verdict.exchange.id for row in told.rows for verdict in row.verdicts)
        assert shown == [verdict.exchange.id for verdict in told.verdicts]


def test_exchanges_are_told_in_the_order_of_their_ids(exchanges: Recorded) -> None:
    told = Story.of(reversed(exchanges("apply_creates")))
    assert [verdict.exchange.id for verdict in told.verdicts] == [1, 2, 3, 4, 5, 6, 7]


# The command


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("kubectl", "get", "pods", "-n", "prod"), "kubectl get"),
        (("/usr/bin/kubectl", "-n", "prod", "rollout", "status", "deploy/web"), "kubectl rollout status"),
        (("kubectl", "--context=dev", "delete", "pod", "web"), "kubectl delete"),
        (("kubectl", "--", "odd"), "kubectl"),
        (("helm", "--kube-context", "dev", "upgrade", "web", "./chart"), "helm upgrade"),
        (("terraform", "apply"), "terraform"),
        ((), ""),
    ],
)
def test_words_are_the_program_and_its_subcommand(argv: tuple[str, ...], words: str) -> None:
    assert CommandInfo(argv=argv).words == words


@pytest.mark.parametrize(
    "argv",
    [
        ("kubectl", "--token", "s3cr3t", "get", "pods"),
        ("kubectl", "--token=s3cr3t", "get", "pods"),
        ("kubectl", "--password", "s3cr3t", "get", "pods"),
        ("kubectl", "create", "secret", "generic", "a", "--from-literal=key=s3cr3t"),
        ("kubectl", "create", "secret", "generic", "a", "--from-literal", "key=s3cr3t"),
        ("kubectl", "create", "secret", "docker-registry", "a", "--docker-password=s3cr3t"),
        ("kubectl", "exec", "web", "--", "mysql", "-ps3cr3t"),
        ("kubectl", "--server", "https://jane:s3cr3t@host", "get", "pods"),
        ("helm", "install", "web", ".", "--set", "db.password=s3cr3t"),
        # In base64 a token ends like the name of an assignment.
        ("kubectl", "--token", "s3cr3t=", "get", "pods"),
        ("kubectl", "patch", "secret", "a", "-p", '{"data": {"a": "s3cr3t"}}'),
        ("kubectl", "patch", "secret", "a", "-p", "data: {a: s3cr3t}"),
        ("kubectl", "patch", "secret", "a", '--patch=[{"op": "add", "path": "/data", "value": "s3cr3t=x"}]'),
        ("kubectl", "run", "a", "--image=b", "--overrides", '{"spec": {"s3cr3t": 1}}'),
    ],
)
def test_what_grants_access_is_masked_in_the_command(argv: tuple[str, ...]) -> None:
    shown = display_argv(argv)
    assert "s3cr3t" not in " ".join(shown)
    assert shown[0] == argv[0]


def test_paths_and_names_stay_in_the_command() -> None:
    argv = ("kubectl", "--client-key", "/home/jane/key.pem", "create", "secret", "generic", "a", "--from-literal=key=x")
    assert display_argv(argv)[:-1] == argv[:-1]
    assert display_argv(argv)[-1].startswith("--from-literal=key=")


def test_repr_of_a_story_shows_no_body(story: Told) -> None:
    told = story("get_pods")
    assert isinstance(told.verdicts[-1].exchange.connection, Connection)
    assert "containerStatuses" not in repr(told)
