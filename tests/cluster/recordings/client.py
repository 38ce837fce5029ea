"""What a real kubectl prints when it fails by itself: broken kubeconfigs, credential plugins, command lines, manifests.

Nothing reaches a server in most of these; what is recorded is the last thing that kubectl says.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analyzers.exchange import Exchange, Failure, FailurePhase, Request
from tests.cluster.record import KUBECTL, Recorder, save
from tests.cluster.recordings.case import pod, records

HOME = "/home/jane"
EXEC_V1 = "client.authentication.k8s.io/v1"
NOWHERE = {"server": "https://127.0.0.1:1"}
# klog's lines of the attempts before the last, and what a plugin may log.
_LOGGED = re.compile(r"^[IWEF]\d{4} .*(?:\n(?![IWEF]\d{4} |error|Error|Unable|The ).*)*\n?", re.MULTILINE)


@dataclass
class Desk:
    """A home directory with a kubeconfig and a folder of programs."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / ".kube").mkdir(parents=True, exist_ok=True)
        (self.folder / "bin").mkdir(exist_ok=True)

    @property
    def config(self) -> Path:
        return self.folder / ".kube" / "config"

    def program(self, name: str, *lines: str, mode: int = 0o755) -> str:
        path = self.folder / "bin" / name
        path.write_text("\n".join(("#!/bin/sh", *lines, "")))
        path.chmod(mode)
        return str(path)

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def use(self, user: Mapping[str, object] | None = None, **options: Any) -> None:
        """A kubeconfig with one context; ``cluster``, ``context``, ``current`` in place of what belongs there."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": options.get("current", "dev"),
            "clusters": [{"name": "dev", "cluster": options.get("cluster", NOWHERE)}],
            "users": [{"name": "jane", "user": user if user is not None else {"token": "not-a-token"}}],
            "contexts": [{"name": "dev", "context": options.get("context", {"cluster": "dev", "user": "jane"})}],
        }
        self.config.write_text(options.get("text", json.dumps(document)))
        self.config.chmod(0o600)

    def said(self, *arguments: str, keep_log: bool = False) -> Exchange:
        """What kubectl printed last, under a usual home; ``keep_log``: with what a plugin logged."""
        environment = {
            "HOME": str(self.folder),
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "KUBECONFIG": str(self.config),
        }
        command = [_kubectl(), *(arguments or ("get", "pods"))]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
        )
        text = done.stderr[done.stderr.rfind("print credential failed") :] if keep_log else _LOGGED.sub("", done.stderr)
        text = text.strip().replace(str(self.folder), HOME)
        if not text or done.returncode == 0:
            raise RuntimeError(f"kubectl did not fail: {' '.join(arguments)}: {done.stdout[:200]}{done.stderr[:500]}")
        return printed(text)


def printed(text: str) -> Exchange:
    """The exchange of which only a client's own words are known."""
    return Exchange(id=1, request=Request(method="", path=""), failure=Failure(phase="client", message=text))


def at_phase(one: Exchange, phase: FailurePhase) -> Exchange:
    """``one``, where the words show that it got further than the client."""
    assert one.failure is not None
    return replace(one, failure=replace(one.failure, phase=phase))


def _base64(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _kubectl() -> str:
    found = subprocess.run(["which", KUBECTL], capture_output=True, text=True)
    return found.stdout.strip() or KUBECTL


def kubectl_version() -> str:
    """Of the kubectl that is recorded."""
    out = subprocess.run([_kubectl(), "version", "--client", "-o", "json"], capture_output=True, text=True).stdout
    return str(json.loads(out)["clientVersion"]["gitVersion"])


def plugin(command: str, **more: object) -> dict[str, object]:
    """A kubeconfig's user with a credential plugin."""
    return {"exec": {"apiVersion": EXEC_V1, "interactiveMode": "Never", "command": command, **more}}


def _credential(**fields: object) -> str:
    return f"echo '{json.dumps({'apiVersion': EXEC_V1, 'kind': 'ExecCredential', **fields})}'"


@records(
    "auth-plugin-missing", "auth-plugin-failed", "auth-plugin-answer", "auth-plugin-terminal", "auth-plugin-login",
    "auth-provider-removed", "auth-oidc-refresh",
)  # fmt: skip
def plugins(r: Recorder) -> None:
    desk, said = Desk(r.cluster.run / "plugins"), f"printed by kubectl {kubectl_version()}"

    hint = "Install gke-gcloud-auth-plugin for use with kubectl by following its documentation."
    desk.use(plugin("gke-gcloud-auth-plugin-2", installHint=hint))
    missing = desk.said()
    save("auth-plugin-missing", "hit", [missing], f"{said}: a credential plugin that is not installed")
    desk.use(plugin(desk.program("kubelogin", mode=0o644)))
    save("auth-plugin-missing", "hit_not_executable", [desk.said()], f"{said}: a credential plugin that may not be run")
    garbage = desk.folder / "bin" / "other-machine"
    garbage.write_text("no program")
    garbage.chmod(0o755)
    desk.use(plugin(str(garbage)))
    save("auth-plugin-missing", "hit_format", [desk.said()], f"{said}: a credential plugin that is no program")

    desk.program("aws", "exit 255")
    desk.use(plugin("aws", args=["eks", "get-token", "--cluster-name", "dev"]))
    failed = desk.said()
    save("auth-plugin-failed", "hit", [failed], f"{said}: a credential plugin that ends with 255")
    save("auth-plugin-missing", "miss_failed", [failed], f"{said}: a credential plugin that is there and fails")
    save("auth-plugin-failed", "miss_missing", [missing], f"{said}: a credential plugin that is not installed")

    desk.use(plugin(desk.program("silent")))
    save("auth-plugin-answer", "hit_nothing", [desk.said()], f"{said}: a credential plugin that prints nothing")
    desk.use(plugin(desk.program("chatty", "echo Welcome back")))
    save("auth-plugin-answer", "hit_words", [desk.said()], f"{said}: a credential plugin that prints words")
    desk.use(plugin(desk.program("empty", _credential(status={}))))
    save("auth-plugin-answer", "hit_empty", [desk.said()], f"{said}: a credential plugin that prints no token")
    half = {"clientCertificateData": "x"}
    desk.use(plugin(desk.program("half", _credential(status=half))))
    save("auth-plugin-answer", "hit_half", [desk.said()], f"{said}: a credential plugin that prints half of a key pair")
    beta = _credential(apiVersion=f"{EXEC_V1}beta1", status={"token": "x"})
    desk.use(plugin(desk.program("beta", beta)))
    save("auth-plugin-answer", "hit_version", [desk.said()], f"{said}: a credential plugin of another version")
    alpha = _credential(apiVersion=f"{EXEC_V1}alpha1", status={"token": "x"})
    desk.use(plugin(desk.program("alpha", alpha)))
    save("auth-plugin-answer", "hit_alpha_printed", [desk.said()], f"{said}: a credential plugin that prints v1alpha1")
    desk.use(plugin("alpha", apiVersion=f"{EXEC_V1}alpha1"))
    save("auth-plugin-answer", "hit_alpha", [desk.said()], f"{said}: a kubeconfig that says v1alpha1")
    save("auth-plugin-answer", "miss_failed", [failed], f"{said}: a credential plugin that fails")

    desk.use(plugin("beta", interactiveMode="Always"))
    save("auth-plugin-terminal", "hit", [desk.said()], f"{said}: a plugin that always asks, without a terminal")
    save("auth-plugin-terminal", "miss_failed", [failed], f"{said}: a credential plugin that fails")

    for name in ("gcp", "azure", "openstack"):
        desk.use({"auth-provider": {"name": name, "config": {}}})
        save("auth-provider-removed", f"hit_{name}", [desk.said()], f"{said}: the auth-provider {name}")
    oidc = {"idp-issuer-url": "https://127.0.0.1:1", "client-id": "kubernetes"}
    desk.use({"auth-provider": {"name": "oidc", "config": oidc}})
    no_token = desk.said()
    save("auth-oidc-refresh", "hit_no_refresh_token", [no_token], f"{said}: the auth-provider oidc without any token")
    save("auth-provider-removed", "miss_oidc", [no_token], f"{said}: an auth-provider that kubectl has")
    desk.use({"auth-provider": {"name": "oidc", "config": {}}})
    save("auth-oidc-refresh", "hit_no_issuer", [desk.said()], f"{said}: the auth-provider oidc without an issuer")
    save("auth-oidc-refresh", "miss_plugin", [failed], f"{said}: a credential plugin that fails")


@records(
    "auth-kubeconfig-unreadable", "auth-kubeconfig-entry", "auth-kubeconfig-contradiction", "auth-credential-file",
    "auth-user-name-asked", "auth-no-kubeconfig",
)  # fmt: skip
def kubeconfigs(r: Recorder) -> None:
    desk, said = Desk(r.cluster.run / "kubeconfigs"), f"printed by kubectl {kubectl_version()}"
    ca = {"certificate-authority-data": "eA=="}

    rule = "auth-kubeconfig-unreadable"
    desk.use(text="apiVersion: v1\n  kind: Config\nclusters")
    save(rule, "hit_yaml", [desk.said()], f"{said}: a kubeconfig that is no YAML")
    desk.use(text="hello world")
    save(rule, "hit_words", [desk.said()], f"{said}: a kubeconfig that is no object")
    desk.use(text="apiVersion: v1\nkind: Pod\n")
    save(rule, "hit_kind", [desk.said()], f"{said}: a kubeconfig that is a Pod")
    desk.use({"client-certificate-data": "%%%"})
    save(rule, "hit_base64", [desk.said()], f"{said}: a kubeconfig with data that is no base64")
    desk.use()
    elsewhere = desk.said("get", "pods", f"--kubeconfig={desk.folder}/.kube/prod")
    save(rule, "hit_missing", [elsewhere], f"{said}: a kubeconfig that is not there")

    rule = "auth-kubeconfig-entry"
    context = desk.said("get", "pods", "--context=prod")
    save(rule, "hit_context", [context], f"{said}: a context that is not there")
    save(rule, "hit_use", [desk.said("config", "use-context", "prod")], f"{said}: a context that is not there")
    save(rule, "hit_cluster", [desk.said("get", "pods", "--cluster=prod")], f"{said}: a cluster that is not there")
    save(rule, "hit_user", [desk.said("get", "pods", "--user=joe")], f"{said}: a user that is not there")
    save(rule, "miss_file", [elsewhere], f"{said}: a kubeconfig that is not there")
    save("auth-kubeconfig-unreadable", "miss_context", [context], f"{said}: a context that is not there")

    rule = "auth-kubeconfig-contradiction"
    desk.use({"token": "x", "username": "jane", "password": "x"})
    save(rule, "hit_two_ways", [desk.said()], f"{said}: a user with a token and a password")
    desk.use(cluster={**NOWHERE, **ca, "certificate-authority": "/dev/null"})
    save(rule, "hit_two_cas", [desk.said()], f"{said}: a CA as file and as data")
    desk.use(cluster={**NOWHERE, **ca, "insecure-skip-tls-verify": True})
    save(rule, "hit_insecure", [desk.said()], f"{said}: a CA, and not to be checked")
    desk.use({"client-certificate-data": "eA=="})
    save(rule, "hit_no_key", [desk.said()], f"{said}: a certificate without a key")
    twice = {"client-certificate": "/dev/null", "client-key": "/dev/null"}
    desk.use({**twice, "client-certificate-data": "eA==", "client-key-data": "eA=="})
    save(rule, "hit_two_certificates", [desk.said()], f"{said}: certificate and key as files and as data")
    desk.use({"token": "x", "as-groups": ["admins"]})
    save(rule, "hit_groups", [desk.said()], f"{said}: groups to impersonate, and no user")
    desk.use(cluster={**NOWHERE, "proxy-url": "ftp://proxy.example.com"})
    save(rule, "hit_proxy", [desk.said()], f"{said}: a proxy-url of a kind that is not known")
    desk.use({"exec": {"apiVersion": EXEC_V1, "command": "aws"}})
    save(rule, "hit_mode", [desk.said()], f"{said}: a credential plugin without interactiveMode")
    save(rule, "miss_context", [context], f"{said}: a context that is not there")

    rule = "auth-credential-file"
    desk.use({"client-certificate": f"{HOME}/jane.crt", "client-key": f"{HOME}/jane.key"})
    save(rule, "hit_certificate", [desk.said()], f"{said}: certificate and key files that are not there")
    desk.use({"tokenFile": f"{HOME}/token"})
    save(rule, "hit_token", [desk.said()], f"{said}: a token file that is not there")
    desk.use({"client-certificate-data": "eA==", "client-key-data": "eA=="})
    save(rule, "hit_no_pem", [desk.said()], f"{said}: a certificate that is no PEM")
    jane, admin = r.cluster.identity("jane"), r.cluster.identity("admin")
    assert jane.certificate is not None
    assert admin.key is not None
    desk.use({"client-certificate-data": _base64(jane.certificate), "client-key-data": _base64(admin.key)})
    save(rule, "hit_other_key", [desk.said()], f"{said}: a certificate and somebody else's key")
    save(rule, "miss_kubeconfig", [elsewhere], f"{said}: a kubeconfig that is not there")

    desk.use({})
    asked = desk.said()
    save("auth-user-name-asked", "hit", [asked], f"{said}: a user without a credential, in a script")
    save(
        "auth-user-name-asked",
        "miss_user",
        [desk.said("get", "pods", "--user=joe")],
        f"{said}: a user that is not there",
    )
    desk.use(text="")
    save("auth-no-kubeconfig", "hit_printed", [at_phase(desk.said(), "dial")], f"{said}: an empty kubeconfig")


@records("request-usage", "request-file-missing", "request-manifest-unreadable", "request-manifest-invalid",
         "request-type-unknown", "request-wait-timeout", "request-local-port", "request-exec-target")  # fmt: skip
def commands(r: Recorder) -> None:
    desk, said = Desk(r.cluster.run / "commands"), f"printed by kubectl {kubectl_version()}"
    desk.config.write_text(Path(r.cluster.kubeconfig()).read_text())

    def case(rule: str, name: str, words: str, *arguments: str) -> Exchange:
        found = desk.said(*arguments)
        save(rule, name, [found], f"{said}: {words}")
        return found

    flag = case("request-usage", "hit_flag", "a flag that is not known", "get", "pods", "--foo")
    case("request-usage", "hit_command", "a command that is not known", "gett", "pods")
    case("request-usage", "hit_empty_name", "an empty name", "get", "pods", "")
    case("request-usage", "hit_required", "a flag that is required", "scale", "deployment", "web")
    case("request-usage", "hit_printer", "an output that is not known", "get", "pods", "-o", "foo")
    missing = case("request-file-missing", "hit_path", "a file that is not there", "apply", "-f", "web.yaml")
    case("request-file-missing", "hit_none", "no file at all", "apply")
    case("request-file-missing", "hit_folder", "a folder without manifests", "apply", "-f", str(desk.folder / "bin"))
    save("request-usage", "miss_file", [missing], f"{said}: a file that is not there")
    save("request-file-missing", "miss_usage", [flag], f"{said}: a flag that is not known")

    tab = desk.file("tab.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n\tname: web\n")
    case("request-manifest-unreadable", "hit_tab", "a manifest with a tab", "apply", "-f", tab)
    colon = desk.file("colon.yaml", "a: b: c\n")
    broken = case("request-manifest-unreadable", "hit_colon", "a manifest with two colons", "apply", "-f", colon)
    save("request-file-missing", "miss_yaml", [broken], f"{said}: a manifest with two colons")
    save("request-manifest-unreadable", "miss_file", [missing], f"{said}: a file that is not there")
    bare = desk.file("bare.yaml", "metadata: {name: web}\n")
    unset = case("request-manifest-invalid", "hit_unset", "a manifest without kind", "apply", "-f", bare)
    save("request-manifest-unreadable", "miss_unset", [unset], f"{said}: a manifest without kind")
    save("request-manifest-invalid", "miss_yaml", [broken], f"{said}: a manifest with two colons")

    unknown = case("request-type-unknown", "hit_resource", "a type that is not there", "get", "certificates")
    case("request-type-unknown", "hit_group", "a type that is not there", "get", "certificates.v1.cert-manager.io")
    custom = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "web"}}
    file = desk.file("custom.yaml", json.dumps(custom))
    case("request-type-unknown", "hit_kind", "an object of a type that is not there", "apply", "-f", file)
    old = {"apiVersion": "extensions/v1beta1", "kind": "Ingress", "metadata": {"name": "web"}}
    case(
        "request-type-unknown",
        "hit_old",
        "a version that is gone",
        "apply",
        "-f",
        desk.file("old.yaml", json.dumps(old)),
    )
    save("request-type-unknown", "miss_usage", [flag], f"{said}: a flag that is not known")

    wait = ["wait", "deployment/web", "-n", "prod", "--for=condition=Nothing", "--timeout=1s"]
    case("request-wait-timeout", "hit_wait", "kubectl wait for a condition that never comes", *wait)
    save("request-wait-timeout", "miss_type", [unknown], f"{said}: a type that is not there")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        busy = desk.said("port-forward", "p0", f"{port}:80", "-n", "default", "--address=127.0.0.1")
    save("request-local-port", "hit", [busy], f"{said}: port-forward to a local port that is taken")
    save("request-local-port", "miss_usage", [flag], f"{said}: a flag that is not known")

    pods = "/api/v1/namespaces/default/pods"
    finished = r.cluster.arrange("POST", pods, pod("finished"))
    r.cluster.arrange("PUT", f"{pods}/finished/status", {**finished, "status": {"phase": "Succeeded"}})
    words = "a pod that has ended"
    case("request-exec-target", "hit_completed", words, "exec", "finished", "-n", "default", "--", "ls")
    case("request-exec-target", "hit_not_running", words, "port-forward", "finished", "80", "-n", "default")
    save("request-exec-target", "miss_usage", [flag], f"{said}: a flag that is not known")
    r.cluster.arrange("DELETE", f"{pods}/finished?gracePeriodSeconds=0")
