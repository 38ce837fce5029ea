"""Nothing that grants access leaves mitmkube: canaries pass through it in every way there is, and are looked for."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests import har_schema
from tests.cluster import faults
from tests.cluster.cluster import Cluster
from tests.cluster.command import Outcome, run
from tests.cluster.kubectl import Kubectl
from tests.spellings import spellings

# With signs that JSON, URLs, shells and YAML each write in a way of their own.
CANARY = 'c4n@ry/"one"+two=three&four'
MANIFEST: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "applied"},
    "stringData": {"password": CANARY},
}


@dataclass(frozen=True, slots=True)
class Traces:
    """What mitmkube left of a command: the files it was asked for, and whatever else there is."""

    outcome: Outcome
    files: Mapping[str, str]
    har: Any

    def assert_none_of(self, *secrets: str) -> None:
        """No secret stands in what mitmkube wrote, in any spelling."""
        everything = {**self.files, "stderr": self.outcome.stderr}
        hits = [
            (name, spelling)
            for secret in secrets
            for spelling in spellings(secret)
            for name, text in everything.items()
            if spelling in text
        ]
        assert hits == []


type Leave = Callable[..., Traces]


@pytest.fixture
def leave(cluster: Cluster, fresh_home: Iterator[Path], tmp_path: Path) -> Leave:
    """Runs a command under mitmkube with every output asked for, and with its debugging log on stderr."""

    def through(
        command: Sequence[str | Path],
        identity: str | Path = "admin",
        *,
        stdin: str | None = None,
        options: Sequence[str] = (),
    ) -> Traces:
        home, temporary, out = next(fresh_home), next(fresh_home), next(fresh_home)
        outputs = [f"--report={out / 'report'}", f"--har={out / 'har'}", f"--json={out / 'json'}", "--steps"]
        outcome = run(
            [sys.executable, "-m", "mitmkube", "run", *outputs, *options, "--", *command],
            home=home,
            kubeconfig=identity if isinstance(identity, Path) else cluster.kubeconfig(identity),
            env={"TMPDIR": str(temporary), "MITMKUBE_DEBUG": "1", "OUT": str(out)},
            stdin=stdin,
            seconds=300,
        )
        files = {
            str(file.relative_to(tmp_path)): file.read_text("utf-8", "replace")
            for folder in (home, temporary, out)
            for file in folder.rglob("*")
            if file.is_file() and file.name != "stdout"
        }
        assert {"report", "har", "json"} <= {Path(name).name for name in files}
        return Traces(outcome, files, {"log": har_schema.check((out / "har").read_bytes())})

    return through


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[str]:
    """A namespace with a secret that holds the canary."""
    with faults.namespace(cluster, "secrets") as name:
        data = {"password": base64.b64encode(CANARY.encode()).decode()}
        cluster.arrange("POST", f"/api/v1/namespaces/{name}/secrets", {"metadata": {"name": "canary"}, "data": data})
        yield name


@pytest.mark.parametrize(
    "args",
    [
        ["create", "secret", "generic", "fresh", f"--from-literal=password={CANARY}"],
        ["create", "secret", "generic", "canary", f"--from-literal=password={CANARY}"],
        ["create", "secret", "docker-registry", "docker", "--docker-username=me", f"--docker-password={CANARY}"],
        ["get", "secret", "canary", "-o", "yaml"],
        ["get", "secrets"],
        ["get", "secrets", "-o", "json"],
        ["get", "--raw", "/api/v1/namespaces/{place}/secrets/canary"],
        ["get", "--raw", "/api/v1/namespaces/{place}/secrets?watch=1&timeoutSeconds=1"],
        ["describe", "secret", "canary"],
        ["patch", "secret", "canary", "-p", json.dumps({"stringData": {"password": CANARY}})],
        [
            "patch",
            "secret",
            "canary",
            "--type=json",
            "-p",
            json.dumps([{"op": "add", "path": "/data", "value": CANARY}]),
        ],
        ["apply", "-f", "-"],
        ["apply", "-f", "-", "--server-side", "--force-conflicts"],
        ["diff", "-f", "-"],
        ["replace", "-f", "-"],
        ["get", "secret", "applied"],
        ["get", "secret", "applied", "-o", "json"],
        ["delete", "secret", "applied"],
    ],
    ids=lambda args: " ".join(args).replace(CANARY, "CANARY"),
)
def test_secret_is_in_no_output(kubectls: tuple[Kubectl, ...], leave: Leave, place: str, args: list[str]) -> None:
    manifest = json.dumps(MANIFEST)
    filled = [arg.replace("{place}", place) for arg in args]
    left = leave([kubectls[-1].path, "-n", place, *filled], stdin=manifest)
    assert left.har["log"]["entries"]
    left.assert_none_of(CANARY)


def test_changed_manifest_is_in_no_output(kubectls: tuple[Kubectl, ...], leave: Leave, place: str) -> None:
    """The second apply sends a patch with the whole manifest in an annotation: JSON in a string in JSON."""
    for value in ("first", CANARY, f"{CANARY}, again"):
        manifest = {**MANIFEST, "metadata": {"name": "changed"}, "stringData": {"password": value}}
        left = leave([kubectls[-1].path, "-n", place, "apply", "-f", "-"], stdin=json.dumps(manifest))
        assert left.outcome.status == 0
        left.assert_none_of(CANARY)
    # In other kinds the annotation is what is hidden.
    annotation = "kubectl.kubernetes.io/last-applied-configuration"
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "annotated", "annotations": {annotation: CANARY}},
    }
    for args in (["create", "-f", "-"], ["get", "configmap", "annotated", "-o", "yaml"], ["get", "configmaps"]):
        left = leave([kubectls[-1].path, "-n", place, *args], stdin=json.dumps(config_map))
        assert left.outcome.status == 0
        left.assert_none_of(CANARY)


@pytest.mark.parametrize(
    "args",
    [
        ["create", "token", "deployer", "-n", "ci"],
        ["create", "token", "deployer", "-n", "ci", "-o", "yaml"],
        ["create", "-o", "json", "-f", "-"],
    ],
    ids=" ".join,
)
def test_issued_token_is_in_no_output(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], leave: Leave, args: list[str]
) -> None:
    token = cluster.identities.stanza("deployer")["token"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    left = leave([kubectls[-1].path, *args], stdin=json.dumps(review))
    assert left.outcome.status == 0
    issued = [word.strip('",') for word in left.outcome.stdout.split() if word.strip('"').startswith("ey")]
    assert issued
    left.assert_none_of(*issued, *(part for token in issued for part in token.split(".")[1:]))


@pytest.mark.parametrize(
    "args",
    [
        ["--token", CANARY, "get", "pods"],
        [f"--token={CANARY}", "get", "secrets"],
        ["--username=me", f"--password={CANARY}", "get", "pods"],
        ["get", "--raw", f"/api/v1/namespaces/default/services/x/proxy/?access_token={quote(CANARY, safe='')}"],
        ["get", "--raw", f"/api/v1/namespaces/default/pods/p0/proxy/login?password={quote(CANARY, safe='')}"],
        ["exec", "p0", "--", "echo", f"--password={CANARY}"],
        ["exec", "p0", "--", "sh", "-c", f"true '{CANARY}'"],
        ["exec", "nobody", "--", "mysql", f"-p{CANARY}"],
        ["run", "some", "--image=busybox", "--dry-run=server", "--", "login", "--password", CANARY],
    ],
    ids=lambda args: " ".join(args).replace(CANARY, "CANARY"),
)
def test_secret_on_the_command_line_is_in_no_output(
    kubectls: tuple[Kubectl, ...], leave: Leave, args: list[str]
) -> None:
    left = leave([kubectls[-1].path, *args], "anonymous" if args[0].startswith("--") else "admin")
    left.assert_none_of(CANARY)


def test_credentials_of_the_kubeconfig_are_in_no_output(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], leave: Leave, tmp_path: Path
) -> None:
    """Nor in the overlay or another file of mitmkube's while the command runs."""
    names = ("jane", "bob", "deployer", "badtoken", "expired", "admin", "token")
    merged = Path(os.pathsep.join(str(cluster.kubeconfig(name)) for name in names))
    stanzas = [cluster.identities.stanza(name) for name in names]
    secrets = [stanza[key] for stanza in stanzas for key in ("token", "client-key-data") if key in stanza]
    keys = [base64.b64decode(stanza["client-key-data"]).decode() for stanza in stanzas if "client-key-data" in stanza]
    lines = [line for key in keys for line in key.splitlines() if len(line) > 30]
    script = """
        for name in {names}; do "$0" --context=$name get pods; "$0" --context=$name auth whoami; done
        "$0" config view --raw
        mkdir "$OUT/during"
        cp -r "$(dirname "${{KUBECONFIG%%:*}}")" "$OUT/during/folder"
        cp "$OUT"/har.partial "$OUT/during/"
    """.format(names=" ".join(names))
    left = leave(["sh", "-c", f"({script}) 2>/dev/null", kubectls[-1].path], merged)
    assert any(name.endswith("during/har.partial") for name in left.files)
    assert any("during/folder/" in name for name in left.files)
    assert len(left.har["log"]["entries"]) > 10
    assert secrets
    left.assert_none_of(*secrets, *lines)


def test_password_of_the_proxy_is_in_the_overlay_only(kubectls: tuple[Kubectl, ...], leave: Leave) -> None:
    script = """
        sed -n 's/.*proxy-url: *//p' "${KUBECONFIG%%:*}"
        "$0" get pods >/dev/null
        "$0" get pods -v=9 >"$OUT/stdout" 2>&1
        curl -s -x "$(sed -n 's/.*proxy-url: *//p' "${KUBECONFIG%%:*}")" https://elsewhere.example.test/ >/dev/null
        true
    """
    left = leave(["sh", "-c", script, kubectls[-1].path])
    url = left.outcome.stdout.strip()
    user, _, password = url.removeprefix("http://").partition("@")[0].partition(":")
    assert len(password) >= 20
    left.assert_none_of(password, f"{user}:{password}")


def test_headers_that_are_not_secret_are_kept(kubectls: tuple[Kubectl, ...], leave: Leave) -> None:
    """What is hidden is hidden by rule, and not by leaving everything out."""
    left = leave([kubectls[-1].path, "get", "secrets"], "bob")
    entry = left.har["log"]["entries"][-1]
    sent = {header["name"].lower(): header["value"] for header in entry["request"]["headers"]}
    assert sent["user-agent"].startswith("kubectl")
    assert sent["accept"].startswith("application/json;as=Table")
    assert "authorization" not in sent or "Bearer" in sent["authorization"]
    assert "secrets" in entry["request"]["url"]
    assert 'User "bob" cannot list' in json.dumps(left.har).replace("\\", "")
