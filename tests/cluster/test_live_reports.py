"""What a report claims and what it leaves open: look-alikes, the fifteen steps, what was not seen, and silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster import faults, servers
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import Explain, MitmkubeRun
from tests.cluster.explained import Explained
from tests.cluster.kubeconfigs import for_server
from tests.cluster.kubectl import Kubectl
from tests.cluster.recordings.case import MERGE, deployment

CLIENT = ("command", "credentials", "request", "connection", "transmission")
ANSWER = ("response", "delivery")


def states_of(told: Explained, *steps: str) -> dict[str, str]:
    return {step: state for step, state in told.states().items() if step in steps}


def check_client_and_answer(told: Explained) -> None:
    """Whatever the API server did: the client's steps and the answer are seen."""
    assert set(states_of(told, *CLIENT, *ANSWER).values()) == {"passed"}
    assert told.step("display")[0] == "passed"


def server_states(told: Explained) -> tuple[str, ...]:
    """Authentication to processing, in the order of the steps."""
    names = ("authentication", "flow-control", "authorization", "admission", "validation", "storage", "processing")
    return tuple(told.step(name)[0] for name in names)


def check_steps_are_printed(told: Explained) -> None:
    """``--steps`` prints the JSON's fifteen steps and flow control, in order, each with its state in words."""
    shown = [line for line in told.report.splitlines() if line[:4].strip().isdigit() or line.startswith("    flow")]
    lines = [line for line in shown if any(state in line for state in ("passed", "failed", "not "))]
    printed = [(line[4:].split()[0], line[20:34].strip()) for line in lines]
    assert printed == [(line["step"], line["state"].replace("-", " ")) for line in told.story["steps"]]


def test_steps_of_a_read_that_is_refused_claim_nothing_behind_the_authorizer(explain: Explain) -> None:
    told = explain(["get", "pods", "-n", "default"], "jane", options=["--steps"])
    check_client_and_answer(told)
    check_steps_are_printed(told)
    # A read has no admission and no validation at all.
    assert server_states(told) == (
        "passed", "passed", "failed", "not-applicable", "not-applicable", "not-reached", "not-reached",
    )  # fmt: skip
    assert "jane" in told.step("authentication")[1]


def test_steps_of_a_stale_update_do_not_claim_validation(explain: Explain, cluster: Cluster, tmp_path: Path) -> None:
    with faults.namespace(cluster, "steps") as name:
        path = f"/apis/apps/v1/namespaces/{name}/deployments"
        cluster.arrange("POST", path, deployment("web"))
        old = cluster.arrange("GET", f"{path}/web")
        cluster.arrange("PATCH", f"{path}/web", {"spec": {"paused": True}}, headers=MERGE)
        (tmp_path / "web.json").write_text(json.dumps(old))
        told = explain(["replace", "-f", tmp_path / "web.json"], options=["--steps"])
    check_client_and_answer(told)
    check_steps_are_printed(told)
    assert server_states(told) == (
        "passed", "passed", "passed", "passed", "not-reached", "failed", "not-reached",
    )  # fmt: skip
    assert told.step("admission")[1] == "mutating part passed"


def test_steps_of_an_invalid_create_stop_at_validation(explain: Explain, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps(deployment("bad", replicas=-1)))
    told = explain(["create", "-n", "default", "-f", tmp_path / "bad.json"], options=["--steps"])
    check_client_and_answer(told)
    check_steps_are_printed(told)
    assert server_states(told) == (
        "passed", "passed", "passed", "passed", "failed", "not-reached", "not-reached",
    )  # fmt: skip
    assert "mutating part passed" in told.step("admission")[1]
    # The name of a file is no part of the subcommand.
    assert told.step("command")[1].startswith("kubectl create, context admin")


def test_steps_of_a_401_claim_nothing_behind_authentication(explain: Explain) -> None:
    told = explain(["get", "pods", "-n", "default"], "expired", options=["--steps"])
    check_client_and_answer(told)
    check_steps_are_printed(told)
    authentication, *behind = server_states(told)
    assert authentication == "failed"
    assert set(behind) <= {"not-reached", "not-applicable"}


def test_steps_of_a_success_show_where_it_was_stored(explain: Explain, cluster: Cluster, kubectl: Kubectl) -> None:
    with faults.namespace(cluster, "steps") as name:
        args = ["create", "configmap", "new", "-n", name, "-o", "json"]
        told = explain(args, program=kubectl, options=["--steps"])
    told.check_works()
    check_client_and_answer(told)
    check_steps_are_printed(told)
    *until_storage, processing = server_states(told)
    assert set(until_storage) == {"passed"}
    if "protobuf" in told.step("response")[1]:  # what newer ones ask for, and what is not looked into
        assert processing == "not-observable"
    else:
        version = json.loads(told.outcome.stdout)["metadata"]["resourceVersion"]
        assert told.step("storage")[1] == f"resourceVersion {version}"
        assert told.step("processing") == ("passed", "created")
    assert told.step("output") == ("passed", "json")
    assert told.step("display") == ("passed", "exit 0")


def test_steps_of_a_read_that_works_say_what_a_read_has_not(explain: Explain) -> None:
    told = explain(["get", "pods", "-n", "default"], options=["--steps"])
    told.check_works()
    assert server_states(told) == (
        "passed", "passed", "passed", "not-applicable", "not-applicable", "passed", "not-applicable",
    )  # fmt: skip
    # Who the server took the user for, an answer that grants does not say.
    assert told.step("authentication") == ("passed", "")


def test_steps_of_a_refused_connection_reach_no_server(explain: Explain, cluster: Cluster, tmp_path: Path) -> None:
    with servers.refused() as server:
        told = explain(["get", "pods"], for_server(cluster, tmp_path, server), options=["--steps"])
    check_steps_are_printed(told)
    assert set(server_states(told)) == {"not-reached"}
    assert told.step("credentials")[0] == "not-observable"
    assert told.step("connection")[0] == "failed"


def test_404_before_a_create_is_noted_and_not_raised(
    explain: Explain, kubectl: Kubectl, cluster: Cluster, tmp_path: Path
) -> None:
    with faults.namespace(cluster, "apply") as name:
        (tmp_path / "new.json").write_text(json.dumps(deployment("new")))
        told = explain(["apply", "-n", name, "-f", tmp_path / "new.json"], program=kubectl)
    told.check_works()
    assert "it was not there yet" in told.noted["request-not-found"]
    # Any HAR viewer shows the note in place of a finding.
    looked = next(one for one in told.story["requests"] if one["status"] == 404)
    assert told.entry(looked["id"])["_mitmkube"]["findings"] == []
    assert "it was not there yet" in told.entry(looked["id"])["_mitmkube"]["notes"][0]


def test_websocket_before_spdy_is_noted_and_not_raised(
    explain: Explain, kubectls: tuple[Kubectl, ...], cluster: Cluster
) -> None:
    """A role from the days of SPDY: create on pods/exec, without the get that a WebSocket needs."""
    with faults.namespace(cluster, "spdy") as name:
        cluster.run_pod(name, "p1")
        roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}"
        rules = [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
        ]
        cluster.arrange("POST", f"{roles}/roles", {"metadata": {"name": "exec"}, "rules": rules})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "exec"}
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}
        binding = {"metadata": {"name": "exec"}, "roleRef": reference, "subjects": [subject]}
        cluster.arrange("POST", f"{roles}/rolebindings", binding)
        path = f"/api/v1/namespaces/{name}/pods/p1/exec?command=true&stdout=true"
        wait_until("jane may exec", lambda: cluster.call("POST", path, identity="jane").status != 403)
        told = explain(["exec", "p1", "-n", name, "--", "echo", "hello"], "jane", program=kubectls[-1])
    told.check_works()
    assert told.outcome.stdout == "hello\n"
    assert "asks for SPDY instead and decides" in told.noted["rbac-denied"]
    assert [one["status"] for one in told.story["requests"]][-2:] == [403, 101]


def test_not_modified_is_noted_and_not_raised(explain: Explain, kubectls: tuple[Kubectl, ...]) -> None:
    """The second command in the same home asks whether the documents that it kept are still good."""
    types = f"{kubectls[-1].path} api-resources -o name >/dev/null"
    told = explain(["-c", f"{types} && {types}"], program=["sh"])
    told.check_works()
    assert 304 in {one["status"] for one in told.story["requests"]}
    assert "not modified" in told.noted[""]


def test_command_that_works_says_nothing_with_quiet(mitmkube_run: MitmkubeRun, kubectl: Kubectl) -> None:
    outcome = mitmkube_run(["--quiet", "--", kubectl.path, "get", "pods", "-n", "default", "-o", "name"])
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "pod/p0\n", "")


def test_command_that_fails_reports_with_quiet(mitmkube_run: MitmkubeRun, kubectl: Kubectl) -> None:
    outcome = mitmkube_run(["--quiet", "--", kubectl.path, "get", "pods", "-n", "default"], "jane")
    assert outcome.status == 1
    assert outcome.stderr.startswith("Error from server (Forbidden): pods is forbidden")
    assert "failed: rbac, at step 7 authorization" in outcome.stderr


def test_command_without_a_request_says_so(explain: Explain, kubectl: Kubectl) -> None:
    told = explain(["config", "current-context"], program=kubectl)
    assert told.outcome.stdout == "admin\n"
    assert "sent no request through the proxy" in told.report
    assert set(server_states(told)) == {"not-reached"}


def test_last_failure_decides_and_the_others_stand_beside_it(explain: Explain, kubectl: Kubectl) -> None:
    told = explain(["get", "pods,secrets,configmaps", "-n", "default"], "jane", program=kubectl)
    found = told.check("rbac-denied", "api-server", "authorization")
    assert "configmaps" in found["summary"]
    assert [finding["rule"] for finding in told.story["findings"]] == ["rbac-denied"] * 3
    also = " ".join(told.report.split())
    assert "also rbac at authorization: jane may not list pods in namespace default." in also
    assert "jane may not list secrets in namespace default." in also


@pytest.mark.parametrize("identity", ["jane", "expired", "token", "deployer"])
def test_report_holds_no_key_and_no_token(explain: Explain, cluster: Cluster, identity: str) -> None:
    told = explain(["get", "--raw", "/api/v1/namespaces/default/secrets"], identity)
    written = told.report + json.dumps(told.story) + json.dumps(told.har)
    config = json.loads(cluster.kubeconfig(identity).read_text())
    for secret in config["users"][0]["user"].values():
        assert str(secret) not in written
