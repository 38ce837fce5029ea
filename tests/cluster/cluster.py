"""A real Kubernetes API on loopback, from ordinary programs: etcd, kube-apiserver, kube-controller-manager, and kwok in
the place of kubelets. Every port is a free one and every file is in one 0700 folder, so several can run at once."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from tests.cluster.api import Answer, Api, ApiError, wait_until
from tests.cluster.identities import Identities, Identity
from tests.cluster.part import Part, PartDied

HERE = Path(__file__).parent
ATTEMPTS = 3
READY_SECONDS = 120

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


class Cluster:
    """One cluster. ``binaries`` is the folder with the programs; without ``run`` a temporary folder is made and
    removed again. ``controllers`` is kube-controller-manager, ``nodes`` the kubelet stand-in with node n0 and, in
    namespace default, the running pod p0. ``apiserver_flags`` come last on kube-apiserver's command line and win.

    ``etcd``, ``apiserver``, ``controller_manager`` and ``kwok`` are the parts, for tests that break them.
    """

    def __init__(
        self,
        binaries: Path,
        run: Path | None = None,
        *,
        controllers: bool = True,
        nodes: bool = True,
        apiserver_flags: Sequence[str] = (),
    ) -> None:
        self._binaries = binaries
        self._temporary = run is None
        self.run = run or Path(tempfile.mkdtemp(prefix="mitmkube-cluster-"))
        self._controllers = controllers
        self._nodes = nodes
        self._apiserver_flags = tuple(apiserver_flags)
        self.etcd: Part
        self.apiserver: Part
        self.controller_manager: Part
        self.kwok: Part
        self._parts: list[Part] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all parts and wait until they serve. Raises PartDied or TimeoutError, with nothing left running."""
        self.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.run.chmod(0o700)
        try:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self._start()
                    break
                except PartDied as died:
                    # A port that was free a moment ago may be taken by now.
                    if attempt == ATTEMPTS or "address already in use" not in str(died):
                        raise
                    self._stop_parts()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every part, and remove the folder if it was a temporary one. May be called again."""
        self._stop_parts()
        if self._temporary:
            shutil.rmtree(self.run, ignore_errors=True)

    @property
    def url(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The authority of the API server's certificate."""
        return self.identities.ca_file

    @property
    def audit_log(self) -> Path:
        """The audit log: one JSON event a line, level Metadata."""
        return self.run / "log" / "audit.log"

    def identity(self, name: str) -> Identity:
        """The identity called ``name``."""
        return self.identities.all[name]

    def kubeconfig(self, name: str = "admin") -> Path:
        """The kubeconfig of the identity called ``name``."""
        return self.identity(name).kubeconfig

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        identity: str = "admin",
        headers: Mapping[str, str] | None = None,
        seconds: float = 90,
    ) -> Answer:
        """One direct request, whatever comes of it."""
        return self.api.call(self.identity(identity), method, path, body, headers=headers, seconds=seconds)

    def arrange(self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """One direct request as admin that must succeed: its JSON, or ApiError."""
        answer = self.call(method, path, body, headers=headers)
        if answer.status >= 300:
            raise ApiError(f"{method} {path}: {answer.status} {answer.text[:500]}")
        return answer.json

    def audit_events(self, since: int = 0) -> list[dict[str, Any]]:
        """The audit events after the first ``since`` bytes of the log; its size now is ``audit_log.stat().st_size``.

        The API server writes an event before it ends the answer, but the end of a watch only when it has ended.
        """
        with self.audit_log.open("rb") as file:
            file.seek(since)
            return [json.loads(line) for line in file.read().splitlines() if line.endswith(b"}")]

    def restart_etcd(self) -> None:
        """Start etcd again on the same data and ports after it was killed."""
        self.etcd = self._part(*self._etcd_command)
        self.until_ready()

    def restart_apiserver(self) -> None:
        """Start the API server again on the same etcd and port after it was killed."""
        self.apiserver = self._part(*self._apiserver_command())
        self.until_ready()

    def compact(self) -> int:
        """Forget all history in etcd, as happens every five minutes; returns the oldest revision still there."""
        # The revision to keep is etcd's newest; any answer carries it in its header.
        head = self._etcd("/v3/kv/range", {"key": "AA==", "limit": "1"})
        revision = int(head["header"]["revision"])
        self._etcd("/v3/kv/compaction", {"revision": str(revision), "physical": True})
        return revision

    def _start(self) -> None:
        for folder in ("log", "exec"):
            (self.run / folder).mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(self.run / "etcd", ignore_errors=True)
        self.audit_log.unlink(missing_ok=True)
        (
            self.port,
            self.etcd_port,
            self._etcd_peer_port,
            self._controllers_port,
            self._kwok_port,
            self.forward_port,
        ) = free_ports(6)
        self.identities = Identities(self.run, self.port)
        self.identities.write()
        self.api = Api(self.port, self.ca_file)

        self.etcd = self._part(*self._etcd_command)
        self.apiserver = self._part(*self._apiserver_command())
        self.until_ready()
        if self._controllers:
            self.controller_manager = self._part(*self._controllers_command())
        if self._nodes:
            self.kwok = self._part(*self._kwok_command())
        if self._controllers:
            # Pods are refused in a namespace until its default service account is there.
            self._until_found("/api/v1/namespaces/default/serviceaccounts/default")
        self._add_deployer()
        if self._nodes:
            self._add_node_and_pod()

    @property
    def _etcd_command(self) -> tuple[str | Path, ...]:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self.etcd_port, self._etcd_peer_port))
        return (
            "etcd", "--name=test", f"--data-dir={self.run / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=test={peer}",
        )  # fmt: skip

    def _apiserver_command(self) -> tuple[str | Path, ...]:
        pki = self.run / "pki"
        policy = self.run / "audit-policy.json"
        policy.write_text(json.dumps(_AUDIT_POLICY))
        return (
            "kube-apiserver", "--bind-address=127.0.0.1", f"--secure-port={self.port}",
            "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}", "--service-cluster-ip-range=10.0.0.0/24",
            f"--tls-cert-file={pki / 'apiserver.crt'}", f"--tls-private-key-file={pki / 'apiserver.key'}",
            f"--client-ca-file={pki / 'ca.crt'}", f"--token-auth-file={pki / 'tokens.csv'}",
            "--authorization-mode=Node,RBAC", "--allow-privileged",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki / 'sa.pub'}", f"--service-account-signing-key-file={pki / 'sa.key'}",
            f"--cert-dir={self.run / 'apiserver'}", f"--audit-policy-file={policy}",
            f"--audit-log-path={self.audit_log}", *self._apiserver_flags,
        )  # fmt: skip

    def _controllers_command(self) -> tuple[str | Path, ...]:
        pki = self.run / "pki"
        kubeconfig = pki / "controller-manager.kubeconfig"
        return (
            "kube-controller-manager", "--bind-address=127.0.0.1", f"--secure-port={self._controllers_port}",
            f"--kubeconfig={kubeconfig}", f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}", "--leader-elect=false", "--use-service-account-credentials",
            f"--service-account-private-key-file={pki / 'sa.key'}", f"--root-ca-file={pki / 'ca.crt'}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}", f"--cluster-signing-key-file={pki / 'ca.key'}",
            f"--cert-dir={self.run / 'controllers'}",
        )  # fmt: skip

    def _kwok_command(self) -> tuple[str | Path, ...]:
        pki = self.run / "pki"
        log = self.run / "pod.log"
        log.write_text("".join(f"2026-01-01T00:00:0{n}.000000000Z stdout F line {n}\n" for n in range(1, 6)))
        config = (HERE / "kwok.yaml").read_text()
        for name, value in (
            ("LOG_FILE", log), ("WORK_DIR", self.run / "exec"), ("FORWARD_PORT", self.forward_port)
        ):  # fmt: skip
            config = config.replace(name, str(value))
        (self.run / "kwok.yaml").write_text(config)
        return (
            "kwok", f"--kubeconfig={pki / 'kwok.kubeconfig'}", "--manage-all-nodes", "--node-ip=127.0.0.1",
            f"--node-port={self._kwok_port}", f"--server-address=127.0.0.1:{self._kwok_port}",
            f"--tls-cert-file={pki / 'apiserver.crt'}", f"--tls-private-key-file={pki / 'apiserver.key'}",
            "--node-lease-duration-seconds=40", f"--config={self.run / 'kwok.yaml'}",
        )  # fmt: skip

    def _part(self, program: str | Path, *flags: str | Path) -> Part:
        part = Part((self._binaries / program, *flags), self.run / "log" / f"{program}.log")
        self._parts.append(part)
        return part

    def _stop_parts(self) -> None:
        # Clients before servers, so that nothing waits for an answer that will not come.
        while self._parts:
            self._parts.pop().stop()

    def check(self) -> None:
        """Raise PartDied if any part has ended by itself."""
        for part in self._parts:
            part.check()

    def until_ready(self) -> None:
        def ready() -> bool:
            # etcd's old process is expected to be gone when it was started again.
            self.etcd.check()
            self.apiserver.check()
            try:
                return self.call("GET", "/readyz", seconds=5).status == 200
            except OSError:
                return False
            except http.client.HTTPException:
                return False

        try:
            wait_until("kube-apiserver ready", ready, READY_SECONDS)
        except TimeoutError as error:
            raise TimeoutError(f"{error}:\n{self.apiserver.tail()}") from None

    def _until_found(self, path: str) -> Any:
        def found() -> Any:
            self.check()
            answer = self.call("GET", path)
            return answer.json if answer.status == 200 else None

        return wait_until(f"{path} found", found, READY_SECONDS)

    def _add_deployer(self) -> None:
        """The service account ci/deployer, and a token for it as TokenRequest issues them (bound, one day)."""
        self.arrange("POST", "/api/v1/namespaces", {"metadata": {"name": "ci"}})
        accounts = "/api/v1/namespaces/ci/serviceaccounts"
        self.arrange("POST", accounts, {"metadata": {"name": "deployer"}})
        request = {"spec": {"expirationSeconds": 86400}}
        token = self.arrange("POST", f"{accounts}/deployer/token", request)["status"]["token"]
        self.identities.token("deployer", "system:serviceaccount:ci:deployer", token)

    def _add_node_and_pod(self) -> None:
        self.arrange(
            "POST",
            "/api/v1/nodes",
            {"metadata": {"name": "n0", "labels": {"kubernetes.io/hostname": "n0"}}},
        )
        self.run_pod("default", "p0")

    def run_pod(self, namespace: str, name: str, labels: Mapping[str, str] | None = None) -> Any:
        """Make a pod on node n0 and wait until it runs; its JSON."""
        self.arrange(
            "POST",
            f"/api/v1/namespaces/{namespace}/pods",
            {
                "metadata": {"name": name, "labels": dict(labels or {})},
                "spec": {"nodeName": "n0", "containers": [{"name": "c", "image": "busybox"}]},
            },
        )
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"

        def running() -> Any:
            self.check()
            pod = self.arrange("GET", path)
            return pod if pod.get("status", {}).get("phase") == "Running" else None

        return wait_until(f"pod {namespace}/{name} running", running)

    def add_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """Make a namespace and wait until pods can be made in it; its name."""
        self.arrange("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(labels or {})}})
        if self._controllers:
            self._until_found(f"/api/v1/namespaces/{name}/serviceaccounts/default")
        return name

    def _etcd(self, path: str, body: object) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.etcd_port, timeout=30)
        try:
            connection.request("POST", path, json.dumps(body))
            response = connection.getresponse()
            text = response.read()
            if response.status != 200:
                raise ApiError(f"etcd {path}: {response.status} {text[:300]!r}")
            return json.loads(text)
        finally:
            connection.close()


def free_ports(count: int) -> list[int]:
    """``count`` different TCP ports on 127.0.0.1 that nobody listens on at this moment."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
