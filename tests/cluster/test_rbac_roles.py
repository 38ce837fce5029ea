"""Roles made of traffic, on the real authorizer: what was asked for is refused before and allowed after, and what lies
beside it (another verb, name, subresource, namespace or path) is refused still."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from analyzers.command import Story
from analyzers.readers import wire_text
from tests.cluster import faults
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import Explain, MitmkubeRun, RunDirect
from tests.cluster.kubectl import Kubectl
from tests.cluster.record import Recorder
from tests.cluster.recordings.case import APPLY, CONFIGMAPS, MERGE, UPGRADE, deployment

RBAC = "/apis/rbac.authorization.k8s.io/v1"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"


@pytest.fixture(scope="module")
def recorder(cluster: Cluster) -> Recorder:
    return Recorder(cluster)


@pytest.fixture
def place(cluster: Cluster) -> Iterator[str]:
    """A namespace with the Deployment web and the ConfigMaps mine and other."""
    with faults.namespace(cluster, "roles") as name:
        cluster.arrange("POST", DEPLOYMENTS.format(name), deployment("web"))
        for config in ("mine", "other"):
            cluster.arrange("POST", CONFIGMAPS.format(name), {"metadata": {"name": config}})
        yield name


def rbac(*arguments: str | Path, stdin: str = "") -> tuple[str, str]:
    """stdout and stderr of ``mitmkube rbac``."""
    command = [sys.executable, "-m", "mitmkube", "rbac", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def apply(cluster: Cluster, kubectls: tuple[Kubectl, ...]) -> Iterator[Callable[[str], list[Any]]]:
    """``apply(YAML)`` as an administrator; what was made is deleted after the test. Returns the objects."""
    made: list[str] = []

    def kubectl(verb: str, manifest: str) -> None:
        command = [str(kubectls[-1].path), f"--kubeconfig={cluster.kubeconfig()}", verb, "-f", "-"]
        if verb == "delete":
            command += ["--ignore-not-found", "--wait=false"]
        done = subprocess.run(command, input=manifest, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{manifest}\n{done.stderr}"

    def applied(manifest: str) -> list[Any]:
        kubectl("apply", manifest)
        made.append(manifest)
        return list(yaml.safe_load_all(manifest))

    yield applied
    for manifest in made:
        kubectl("delete", manifest)


class Asking:
    """Asks the cluster directly as one identity."""

    def __init__(self, cluster: Cluster, identity: str = "jane") -> None:
        self._cluster = cluster
        self._identity = identity

    def status(self, asked: str) -> int:
        """The status code of ``METHOD path``; bodies are such that nothing is changed."""
        method, path = asked.split(" ")
        headers: dict[str, str] = {}
        body: object = None
        if method == "PATCH":
            headers, body = MERGE, {"metadata": {}}
        elif method == "APPLY":
            method, headers = "PATCH", APPLY
            name = path.partition("?")[0].rpartition("/")[2]
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        elif method in ("POST", "PUT"):
            body = {"metadata": {"name": "new"}}
        elif "/exec?" in path and method == "GET":
            headers = UPGRADE
        return self._cluster.call(method, path, body, identity=self._identity, headers=headers).status

    def until_allowed(self, asked: str) -> None:
        wait_until(f"{asked} is allowed", lambda: self.status(asked) != 403, 10)

    def check(self, allowed: Sequence[str], refused: Sequence[str]) -> None:
        """What is allowed by now, and what is not."""
        for asked in allowed:
            self.until_allowed(asked)
        assert {asked: self.status(asked) for asked in refused} == dict.fromkeys(refused, 403)

    def rules(self, namespace: str) -> list[Any]:
        """Everything that the authorizer says this user may do there."""
        path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
        asked = {"spec": {"namespace": namespace}}
        status = self._cluster.call("POST", path, asked, identity=self._identity).json["status"]
        found = [*status["resourceRules"], *status["nonResourceRules"]]
        return sorted(found, key=lambda rule: json.dumps(rule, sort_keys=True))


def story_fix(recorded: Sequence[Any]) -> tuple[str, ...]:
    """The commands of the grant that the deciding finding shows."""
    story = Story.of([wire_text.read(wire_text.write([one]))[0] for one in recorded])
    assert story.finding is not None
    return next(fix.commands for fix in story.finding.fix if "grant exactly" in fix.text)


def manifest_of(commands: Sequence[str]) -> str:
    """What stands in the here-document."""
    (command,) = commands
    head, _, rest = command.partition("\n")
    assert head == "kubectl apply -f - <<'EOF'"
    manifest, end, nothing = rest.rpartition("\nEOF")
    assert (end, nothing) == ("\nEOF", "")
    return manifest + "\n"


def test_one_grant_allows_all_that_a_command_was_refused_and_nothing_beside_it(
    explain: Explain, cluster: Cluster, place: str, tmp_path: Path, kubectls: tuple[Kubectl, ...]
) -> None:
    args = ["get", "configmaps/mine", "deployments/web", "node/n0", "-n", place]
    told = explain(args, "jane")
    found = told.check("rbac-denied", "api-server", "authorization")
    (grant,) = [fix for fix in found["fix"] if "permissions at once" in fix["text"]]
    assert grant["by"] == "a cluster administrator"
    (command,) = grant["commands"]
    assert command in told.report
    # As it is pasted: from the indented first line to the line that ends the document.
    pasted = told.report[told.report.index("           kubectl apply") :].partition("\nEOF\n")[0] + "\nEOF\n"
    undo = pasted.replace("kubectl apply", "kubectl delete", 1)
    (tmp_path / "kubectl").symlink_to(kubectls[-1].path)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "KUBECONFIG": str(cluster.kubeconfig())}

    def shell(script: str) -> None:
        done = subprocess.run(["sh"], input=script, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""

    shell(pasted)
    try:
        core, apps = f"/api/v1/namespaces/{place}", DEPLOYMENTS.format(place)
        Asking(cluster).check(
            [f"GET {core}/configmaps/mine", f"GET {apps}/web", "GET /api/v1/nodes/n0"],
            [f"GET {core}/configmaps/other", f"GET {core}/configmaps", f"DELETE {core}/configmaps/mine",
             f"GET {core}/secrets/mine", f"GET {apps}/web/scale", f"PATCH {apps}/web", "GET /api/v1/nodes",
             "GET /api/v1/namespaces/default/configmaps/mine", "GET /api/v1/nodes/n0/status"],
        )  # fmt: skip
        explain(args, "jane").check_works()
        checks = next(fix["commands"] for fix in found["fix"] if fix["text"].startswith("to see"))
        environment["KUBECONFIG"] = str(cluster.kubeconfig("jane"))
        shell("set -e\n" + "\n".join(f"test $({line} 2>/dev/null) = yes" for line in checks))
    finally:
        environment["KUBECONFIG"] = str(cluster.kubeconfig())
        shell(undo)


def test_apply_of_what_is_not_there_is_granted_with_its_create(
    cluster: Cluster, recorder: Recorder, place: str, apply: Callable[[str], list[Any]]
) -> None:
    path = CONFIGMAPS.format(place)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}
    asked = f"{path}/new?fieldManager=test&dryRun=All"
    refused = recorder.send("PATCH", asked, body, identity="jane", headers=APPLY)
    commands = story_fix([refused])
    assert "--verb=create,patch --resource=configmaps --resource-name=new" in commands[0]
    text, _ = rbac("-", stdin=wire_text.write([refused]))
    (role, _) = apply(text)
    assert role["rules"][0]["verbs"] == ["create", "patch"]
    Asking(cluster).check(
        [f"APPLY {asked}"],
        [f"APPLY {path}/mine?fieldManager=test", f"POST {path}?dryRun=All", f"DELETE {path}/new", f"GET {path}/new",
         f"APPLY {CONFIGMAPS.format('default')}/new?fieldManager=test"],
    )  # fmt: skip
    assert cluster.call("PATCH", asked, body, identity="jane", headers=APPLY).status == 201


def test_apply_of_what_was_seen_is_granted_without_a_create(recorder: Recorder, place: str) -> None:
    path = f"{CONFIGMAPS.format(place)}/mine"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}
    seen = recorder.send("GET", path)
    refused = recorder.send("PATCH", f"{path}?fieldManager=test", body, identity="jane", headers=APPLY)
    commands = story_fix([seen, refused])
    assert "--verb=patch --" in commands[0]


def test_names_that_yaml_could_take_for_numbers_stay_names(
    cluster: Cluster, recorder: Recorder, place: str, apply: Callable[[str], list[Any]]
) -> None:
    names = ["1e3", "0x1f", "0o7", "017", "y", "on", "null", "true", "123e4567", "2026-01-31", "1.5", "0"]
    path = CONFIGMAPS.format(place)
    refused = [recorder.send("GET", f"{path}/{name}", identity="jane") for name in names]
    text, _ = rbac("-", stdin=wire_text.write(refused))
    (role, _) = apply(text)
    assert role["rules"][0]["resourceNames"] == sorted(names)
    stored = cluster.arrange("GET", f"{RBAC}/namespaces/{place}/roles/{role['metadata']['name']}")
    assert stored["rules"][0]["resourceNames"] == sorted(names)
    Asking(cluster).check([f"GET {path}/{name}" for name in names], [f"GET {path}/1000", f"GET {path}/mine"])


def test_pasted_error_messages_become_the_role_that_allows_the_commands(
    cluster: Cluster,
    run_direct: RunDirect,
    kubectls: tuple[Kubectl, ...],
    place: str,
    apply: Callable[[str], list[Any]],
) -> None:
    objects = ["get", "configmap", "mine", "-n", place], ["get", "services", "-n", place]
    commands = [*objects, ["get", "--raw", "/metrics"]]
    outcomes = [run_direct(kubectls[-1], command, "jane") for command in commands]
    assert all(outcome.status for outcome in outcomes)
    text, _ = rbac("-", stdin="".join(outcome.stderr for outcome in outcomes))
    apply(text)
    path = f"/api/v1/namespaces/{place}"
    Asking(cluster).check(
        [f"GET {path}/configmaps/mine", f"GET {path}/services", "GET /metrics"],
        [f"GET {path}/configmaps/other", f"GET {path}/configmaps", f"GET {path}/services/x", f"DELETE {path}/services",
         "GET /metrics/slis", "POST /metrics", "GET /api/v1/services"],
    )  # fmt: skip
    assert [run_direct(kubectls[-1], command, "jane").status for command in commands] == [0, 0, 0]


MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: made}
data: {a: "%s"}
"""


def test_session_repeated_under_its_role_succeeds_and_nothing_more_is_granted(
    cluster: Cluster,
    run_direct: RunDirect,
    mitmkube_run: MitmkubeRun,
    kubectls: tuple[Kubectl, ...],
    place: str,
    apply: Callable[[str], list[Any]],
    tmp_path: Path,
) -> None:
    cluster.run_pod(place, "p1")
    commands: list[tuple[list[str], str | None]] = [
        (["apply", "-n", place, "-f", "-"], MANIFEST % 1),
        (["apply", "-n", place, "-f", "-"], MANIFEST % 2),
        (["apply", "-n", place, "--server-side", "-f", "-"], (MANIFEST % 3).replace("made", "applied")),
        (["get", "pods", "-n", place], None),
        (["get", "nodes"], None),
        (["logs", "p1", "-n", place], None),
        (["exec", "p1", "-n", place, "--", "true"], None),
        (["scale", "deployment", "web", "--replicas=0", "-n", place], None),
        (["rollout", "status", "deployment", "web", "-n", place, "--timeout=20s"], None),
        (["auth", "can-i", "list", "pods", "-n", place], None),
        (["get", "--raw", "/metrics"], None),
        (["delete", "configmap", "made", "applied", "-n", place], None),
    ]
    jane = Asking(cluster)
    before = {namespace: jane.rules(namespace) for namespace in (place, "default")}

    def session(identity: str) -> list[int]:
        # The oldest kubectl execs over SPDY, the newest over a WebSocket.
        newest = [run_direct(kubectls[-1], args, identity, stdin=stdin).status for args, stdin in commands]
        return newest + [run_direct(kubectls[0], args, identity, stdin=stdin).status for args, stdin in commands[6:7]]

    refused = session("jane")
    assert 0 not in refused
    mark = cluster.audit_log.stat().st_size
    archives = [tmp_path / f"{number}.har" for number in range(len(commands))]
    for (args, stdin), archive in zip(commands, archives, strict=True):
        through = mitmkube_run([f"--har={archive}", "--", kubectls[-1].path, *args], "token", stdin=stdin)
        assert through.status == 0, through.stderr
    log = tmp_path / "audit.log"
    log.write_bytes(cluster.audit_log.read_bytes()[mark:])
    text, notes = rbac(log, "--user=token-admin", "--for=jane", "--name=session")
    assert "every authenticated user may make them" in notes
    # What the server wrote down and what mitmkube recorded give the same roles. The token does not say whose it is.
    from_archives, _ = rbac(*archives, "--for=jane", "--name=session")
    assert list(yaml.safe_load_all(from_archives)) == list(yaml.safe_load_all(text))
    objects = apply(text)
    assert [(one["kind"], one["metadata"].get("namespace", "")) for one in objects] == [
        ("ClusterRole", ""), ("ClusterRoleBinding", ""), ("Role", place), ("RoleBinding", place)
    ]  # fmt: skip
    assert {one["metadata"]["name"] for one in objects} == {"session"}
    core, apps = f"/api/v1/namespaces/{place}", DEPLOYMENTS.format(place)
    jane.check(
        ["GET /metrics", "GET /api/v1/nodes", f"GET {core}/pods", f"GET {core}/pods/p1/log"],
        ["GET /metrics/slis", "GET /api/v1/nodes/n0", "GET /api/v1/pods", "GET /api/v1/namespaces/default/pods",
         f"DELETE {core}/pods", f"GET {core}/pods/p2/log", f"DELETE {core}/pods/p1", f"GET {core}/pods/p1/status",
         f"POST {core}/pods/p1/attach?stdout=true", f"POST {core}/pods/p2/exec?command=true&stdout=true",
         f"GET {core}/pods/p2/exec?command=true&stdout=true", f"GET {core}/configmaps/mine",
         f"PATCH {core}/configmaps/mine", f"DELETE {core}/configmaps/mine", f"DELETE {core}/configmaps",
         f"PATCH {apps}/web", f"PATCH {apps}/other/scale", f"DELETE {apps}/web", f"POST {apps}"],
    )  # fmt: skip
    assert set(session("jane")) == {0}

    # The authorizer itself says that these rules, and no others, have been added.
    rules = [rule for one in objects for rule in one.get("rules", [])]
    added = [rule for rule in jane.rules(place) if rule not in before[place]]
    assert sorted(map(normal, added)) == sorted(map(normal, rules))
    everywhere = [rule for rule in jane.rules("default") if rule not in before["default"]]
    assert sorted(map(normal, everywhere)) == sorted(map(normal, objects[0]["rules"]))


def normal(rule: dict[str, list[str]]) -> str:
    return json.dumps({key: sorted(values) for key, values in rule.items() if values}, sort_keys=True)
