"""What other tools around kubectl print: credential plugins of clouds, an identity provider, Terraform, a controller.

Each is recorded where it is installed, and left as it is where it is not.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cluster.binaries import binaries
from tests.cluster.record import Recorder, save
from tests.cluster.recordings.case import records
from tests.cluster.recordings.client import HOME, Desk, kubectl_version, plugin, printed


@records("auth-plugin-login", "auth-plugin-failed")
def clouds(r: Recorder) -> None:
    desk = Desk(r.cluster.run / "clouds")
    said = f"printed by kubectl {kubectl_version()}"
    rule = "auth-plugin-login"
    aws = shutil.which("aws")
    if aws is not None:
        version = subprocess.run([aws, "--version"], capture_output=True, text=True).stdout.split()[0]
        asked = ["eks", "get-token", "--cluster-name", "dev", "--region", "eu-west-1"]
        words = _printed_by(desk, aws, *asked)
        save(rule, "hit_aws", [printed(words)], f"printed by {version}: aws eks get-token without any login")
        profile = _printed_by(desk, aws, *asked, "--profile", "prod")
        save(rule, "hit_aws_profile", [printed(profile)], f"printed by {version}: a profile that is not configured")
    gke = shutil.which("gke-gcloud-auth-plugin")
    if gke is not None:
        desk.use(plugin(gke))
        save(rule, "hit_gke", [desk.said(keep_log=True)], f"{said} and gke-gcloud-auth-plugin: no active account")
    desk.program("aws", "exit 255")
    desk.use(plugin("aws"))
    failed = desk.said()
    save(rule, "miss_failed", [failed], f"{said}: a credential plugin that says nothing of a login")


def _printed_by(desk: Desk, *command: str) -> str:
    environment = {"HOME": str(desk.folder), "PATH": "/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return done.stderr.strip().replace(str(desk.folder), HOME)


@records("auth-oidc-refresh", "auth-plugin-policy")
def kubectl_settings(r: Recorder) -> None:
    desk = Desk(r.cluster.run / "settings")
    said = f"printed by kubectl {kubectl_version()}"
    with _identity_provider() as issuer:
        config = {"idp-issuer-url": issuer, "client-id": "kubernetes", "refresh-token": "not-a-token"}
        desk.use({"auth-provider": {"name": "oidc", "config": config}})
        refused = desk.said()
    save("auth-oidc-refresh", "hit_invalid_grant", [refused], f"{said}: a refresh token that is no longer taken")

    desk.use(plugin(desk.program("aws", "exit 255")))
    preference = {"apiVersion": "kubectl.config.k8s.io/v1beta1", "kind": "Preference"}
    kuberc = desk.folder / ".kube" / "kuberc"
    kuberc.write_text(json.dumps({**preference, "credentialPluginPolicy": "DenyAll"}))
    denied = desk.said()
    save("auth-plugin-policy", "hit_deny", [denied], f"{said}: kuberc forbids credential plugins")
    allowed = [{"name": "gke-gcloud-auth-plugin"}]
    document = {**preference, "credentialPluginPolicy": "Allowlist", "credentialPluginAllowlist": allowed}
    kuberc.write_text(json.dumps(document))
    save("auth-plugin-policy", "hit_allowlist", [desk.said()], f"{said}: kuberc allows another credential plugin")
    kuberc.unlink()
    save("auth-plugin-policy", "miss_failed", [desk.said()], f"{said}: a credential plugin that fails")


@contextlib.contextmanager
def _identity_provider() -> Iterator[str]:
    """An OpenID Connect issuer that takes no refresh token."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, {"token_endpoint": f"http://{self.headers['Host']}/token"})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._send(400, {"error": "invalid_grant", "error_description": "Token is not active"})

        def _send(self, status: int, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@records("auth-in-cluster", "auth-no-kubeconfig", "health-leader-election")
def controllers(r: Recorder) -> None:
    said = f"printed by kube-controller-manager {r.version}"
    program = [str(binaries() / "kube-controller-manager"), "--controllers=ttl"]
    folder = r.cluster.run / "controllers"
    folder.mkdir(exist_ok=True)
    program.append(f"--cert-dir={folder}")
    clean = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(program, env=clean, capture_output=True, text=True, timeout=60)
    outside = printed(_said(done.stderr.strip().splitlines()[-1]))
    save("auth-no-kubeconfig", "hit_controller", [outside], f"{said} outside of a cluster")
    save("auth-in-cluster", "miss_no_configuration", [outside], f"{said} outside of a cluster")

    with _relay(r.cluster.port) as (port, hang):
        config = folder / "relayed.kubeconfig"
        config.write_text(Path(r.cluster.kubeconfig()).read_text().replace(f":{r.cluster.port}", f":{port}"))
        leading = [
            *program, f"--kubeconfig={config}", "--leader-elect-resource-name=recorded", "--secure-port=0",
            "--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=1s",
        ]  # fmt: skip
        with subprocess.Popen(leading, env=clean, stderr=subprocess.PIPE, text=True) as manager:
            assert manager.stderr is not None
            lines = []
            for line in manager.stderr:
                lines.append(_said(line.strip()))
                if "successfully acquired lease" in line.lower():
                    hang.set()
    silent = f"{said} whose API server stopped answering"
    lease = next(line for line in lines if "renew lease" in line)
    save("health-leader-election", "hit", [printed(lease)], silent)
    stopped = next(line for line in lines if "lost/stopped" in line)
    save("health-leader-election", "miss_stopped", [printed(stopped)], f"{silent}: what it also says when it is ended")


def _said(line: str) -> str:
    """Without klog's prefix."""
    return re.sub(r"^[IWEF]\d{4} \S+ +\d+ \S+\] ", "", line)


@contextlib.contextmanager
def _relay(port: int) -> Iterator[tuple[int, threading.Event]]:
    """A TCP relay to a port of this machine that keeps all bytes to itself once the event is set."""
    hang = threading.Event()

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not hang.is_set():
                    target.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near, _ = listening.accept()
                    far = socket.create_connection(("127.0.0.1", port))
                    for pair in ((near, far), (far, near)):
                        threading.Thread(target=pump, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1], hang


@records("conflict-terraform-lock")
def terraform(r: Recorder) -> None:
    program = shutil.which("terraform")
    if program is None:
        return
    folder = r.cluster.run / "terraform"
    folder.mkdir(exist_ok=True)
    backend = {"secret_suffix": "state", "config_path": str(r.cluster.kubeconfig()), "namespace": "prod"}
    (folder / "main.tf.json").write_text(json.dumps({"terraform": {"backend": {"kubernetes": backend}}}))

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [program, f"-chdir={folder}", *arguments, "-no-color"],
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "CHECKPOINT_DISABLE": "1"},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        return done.stderr.strip()

    run("init")
    version = json.loads(subprocess.run([program, "version", "-json"], capture_output=True, text=True).stdout)
    lock = {"ID": "0a1b2c3d-1111-2222-3333-444455556666", "Operation": "OperationTypeApply", "Who": "jane@laptop",
            "Version": "1.11.4", "Created": "2026-11-01T12:00:00Z", "Path": ""}  # fmt: skip
    metadata = {
        "name": "lock-tfstate-default-state",
        "annotations": {"app.terraform.io/lock-info": json.dumps(lock)},
        "labels": {"tfstate": "true", "tfstateSecretSuffix": "state", "tfstateWorkspace": "default"},
    }
    lease = {"metadata": metadata, "spec": {"holderIdentity": lock["ID"]}}
    leases = "/apis/coordination.k8s.io/v1/namespaces/prod/leases"
    r.cluster.call("DELETE", f"{leases}/lock-tfstate-default-state")
    r.cluster.arrange("POST", leases, lease)
    locked = run("plan").partition("\n\n")[2]  # what comes after the headline, which all backends share
    r.cluster.arrange("DELETE", f"{leases}/lock-tfstate-default-state")
    said = f"printed by terraform {version['terraform_version']}"
    save("conflict-terraform-lock", "hit", [printed(locked)], f"{said}: a plan while another run holds the state")
    unknown = run("force-unlock", "-force", lock["ID"])
    save("conflict-terraform-lock", "miss_unlock", [printed(unknown)], f"{said}: a lock that is not there")
