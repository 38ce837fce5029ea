"""Records the answers in recordings/ from a running kube-apiserver: ``python -m tests.analyzers.decode.record STATE``.

STATE is the folder that tests/cluster/up.py made. The Secrets are made for this and hold nothing but the canary.
Behind it may stand the names of some parts; ``cbor`` must be named, because it needs an API server that was started
with --feature-gates=CBORServingAndStorage=true.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from analyzers.exchange import Exchange
from analyzers.readers import wire_text
from tests.cluster.record import exchange

RECORDINGS = Path(__file__).parent / "recordings"
CANARY = "correct-horse-battery-staple"
_NAMESPACE = "decoding"
_PROTOBUF = {"Accept": "application/vnd.kubernetes.protobuf"}
_PROTOBUF_WATCH = {"Accept": "application/vnd.kubernetes.protobuf;stream=watch"}
_CBOR = {"Accept": "application/cbor"}
_CBOR_WATCH = {"Accept": "application/cbor;stream=watch"}
_TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


class Recorder:
    """Sends requests as one identity of the cluster in ``state``; "" is nobody."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.target = urlsplit((state / "READY").read_text().strip())
        self.version = self.send("admin", "GET", "/version")

    def send(
        self, identity: str, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Exchange:
        context = ssl.create_default_context(cafile=str(self.state / "pki/ca.crt"))
        if identity:
            pki = self.state / "pki"
            context.load_cert_chain(pki / f"{identity}.crt", pki / f"{identity}.key")
        connection = http.client.HTTPSConnection(
            str(self.target.hostname), self.target.port, context=context, timeout=60
        )
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        fields = {"Accept": "application/json", "User-Agent": "mitmkube-record"}
        if data is not None:
            fields["Content-Type"] = "application/json"
        return exchange(connection, method, path, data, {**fields, **(headers or {})})

    def save(self, name: str, *exchanges: Exchange) -> None:
        document = json.loads((self.version.response and self.version.response.body) or b"{}")
        numbered = [replace(one, id=place) for place, one in enumerate(exchanges, start=1)]
        comment = f"recorded from kube-apiserver {document['gitVersion']}"
        (RECORDINGS / f"{name}.http").write_text(wire_text.write(numbered, comment), "utf-8")
        print(name, *(one.response.status if one.response else "-" for one in numbered), flush=True)


def statuses(r: Recorder) -> None:
    ns = f"/api/v1/namespaces/{_NAMESPACE}"
    pods = f"{ns}/pods"
    bad_pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "Bad_Name"}, "spec": {"containers": []}}
    r.save("status_json", r.send("jane", "GET", pods), r.send("admin", "GET", f"{pods}/web"),
           r.send("admin", "POST", pods, bad_pod), r.send("admin", "GET", "/api/v1/nosuch"))  # fmt: skip
    r.save("status_protobuf", r.send("jane", "GET", pods, headers=_PROTOBUF),
           r.send("admin", "GET", f"{pods}/web", headers=_PROTOBUF),
           r.send("admin", "POST", pods, bad_pod, headers=_PROTOBUF),
           r.send("", "GET", pods, headers={"Authorization": "Bearer not-a-token", **_PROTOBUF}))  # fmt: skip
    r.save("status_yaml", r.send("jane", "GET", pods, headers={"Accept": "application/yaml"}))
    r.save("status_pretty", r.send("jane", "GET", f"{pods}?pretty=true"))
    r.save("text_404", r.send("admin", "GET", "/apis/no.such.group/v1/things"))
    r.save("text_403_path", r.send("jane", "GET", "/metrics"))
    r.save("timeout_504", r.send("admin", "GET", "/api/v1/configmaps?timeout=1us"))
    old = "?watch=1&resourceVersion=1&timeoutSeconds=1"
    r.save("watch_expired", r.send("admin", "GET", f"/api/v1/events{old}"))
    r.save("watch_expired_protobuf", r.send("admin", "GET", f"/api/v1/events{old}", headers=_PROTOBUF_WATCH))
    r.save("watch_json", r.send("admin", "GET", "/api/v1/namespaces?watch=1&timeoutSeconds=1"))
    r.save("list_future", r.send("admin", "GET", f"{pods}?resourceVersion=99999999&resourceVersionMatch=NotOlderThan"))
    r.save("extra_space", r.send("", "GET", pods, headers={"Authorization": "Bearer  not-a-token"}))
    r.save("impersonation", r.send("admin", "GET", pods, headers={
        "Impersonate-User": "jane", "Impersonate-Group": "ops", "Impersonate-Extra-Team%2fName": "blue"}))  # fmt: skip


def objects(r: Recorder) -> None:
    ns = f"/api/v1/namespaces/{_NAMESPACE}"
    big = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "big"}, "data": {"text": "abcdefgh" * 25_000}}
    r.send("admin", "POST", f"{ns}/configmaps", big)
    r.save("gzip", r.send("admin", "GET", f"{ns}/configmaps/big", headers={"Accept-Encoding": "gzip"}))
    r.send("admin", "DELETE", f"{ns}/configmaps/big")
    r.save("table", r.send("admin", "GET", "/api/v1/namespaces?limit=2", headers=_TABLE))


def secrets(r: Recorder) -> None:
    ns = f"/api/v1/namespaces/{_NAMESPACE}"
    named = f"{ns}/secrets/db"
    kind = {"kind": "Secret", "apiVersion": "v1"}
    encoded = base64.b64encode(CANARY.encode()).decode()
    applied = json.dumps({**kind, "metadata": {"name": "db"}, "stringData": {"password": CANARY}})
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": applied}
    secret = {**kind, "metadata": {"name": "db", "annotations": annotations}, "data": {"password": encoded}}
    merge = {"Content-Type": "application/merge-patch+json"}
    operations = {"Content-Type": "application/json-patch+json"}
    apply = {"Content-Type": "application/apply-patch+yaml"}
    yaml = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  other: {CANARY}\n".encode()
    r.save("secret_create", r.send("admin", "POST", f"{ns}/secrets?fieldManager=kubectl-create", secret))
    r.save("secret_read", r.send("admin", "GET", named), r.send("admin", "GET", f"{ns}/secrets"),
           r.send("admin", "GET", named, headers={"Accept": "application/yaml"}),
           r.send("admin", "GET", named, headers=_PROTOBUF),
           r.send("admin", "GET", f"{ns}/secrets?watch=1&timeoutSeconds=1"),
           r.send("admin", "GET", f"{ns}/secrets?watch=1&timeoutSeconds=1", headers=_PROTOBUF_WATCH),
           r.send("admin", "GET", f"{ns}/secrets?includeObject=Object", headers=_TABLE))  # fmt: skip
    r.save("secret_change", r.send("admin", "PATCH", named, {"stringData": {"more": CANARY}}, headers=merge),
           r.send("admin", "PATCH", named, [{"op": "replace", "path": "/data/password", "value": encoded}],
                  headers=operations),
           r.send("admin", "PATCH", f"{named}?fieldManager=me&force=true", yaml, headers=apply),
           r.send("admin", "PUT", named, {**secret, "data": {"password": CANARY + "!"}}),
           r.send("admin", "DELETE", named))  # fmt: skip
    env = [{"name": "DB_PASSWORD", "value": CANARY}, {"name": "LEVEL", "value": "debug"}]
    container = {"name": "c", "image": "i", "env": env, "args": ["--verbose", "--password", CANARY]}
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web"}, "spec": {"containers": [container]}}
    config = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}, "data": {"app.conf": CANARY}}
    r.save("pod_create", r.send("admin", "POST", f"{ns}/pods?dryRun=All", pod),
           r.send("admin", "POST", f"{ns}/configmaps?dryRun=All", config))  # fmt: skip


def tokens(r: Recorder) -> None:
    """What a bound token says: its decoded claims, not the token."""
    path = f"/api/v1/namespaces/{_NAMESPACE}/serviceaccounts/default/token"
    asked: dict[str, Any] = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}}
    answer = r.send("admin", "POST", path, asked)
    assert answer.response is not None
    token = json.loads(answer.response.body or b"")["status"]["token"]
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    (RECORDINGS / "service_account_token.json").write_text(json.dumps([header, claims], indent=1) + "\n")


def cbor(r: Recorder) -> None:
    """Answers of an API server that speaks CBOR. Filters before the handlers (401, 403) answer in JSON all the same."""
    ns = f"/api/v1/namespaces/{_NAMESPACE}"
    pods, secrets = f"{ns}/pods", f"{ns}/secrets"
    bad_pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "Bad_Name"}, "spec": {"containers": []}}
    encoded = base64.b64encode(CANARY.encode()).decode()
    secret = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "db"}, "data": {"password": encoded}}
    r.save("status_cbor", r.send("jane", "GET", pods, headers=_CBOR),
           r.send("admin", "GET", f"{pods}/web", headers=_CBOR),
           r.send("admin", "POST", pods, bad_pod, headers=_CBOR))  # fmt: skip
    old = "?watch=1&resourceVersion=1&timeoutSeconds=1"
    r.save("watch_expired_cbor", r.send("admin", "GET", f"/api/v1/events{old}", headers=_CBOR_WATCH))
    r.save("watch_cbor", r.send("admin", "GET", "/api/v1/namespaces?watch=1&timeoutSeconds=1", headers=_CBOR_WATCH))
    r.save("secret_cbor", r.send("admin", "POST", secrets, secret, headers=_CBOR),
           r.send("admin", "GET", f"{secrets}/db", headers=_CBOR), r.send("admin", "GET", secrets, headers=_CBOR),
           r.send("admin", "GET", f"{secrets}?watch=1&timeoutSeconds=1", headers=_CBOR_WATCH),
           r.send("admin", "DELETE", f"{secrets}/db", headers=_CBOR))  # fmt: skip


PARTS = {part.__name__: part for part in (statuses, objects, secrets, tokens, cbor)}


def main(state: Path, names: Sequence[str]) -> None:
    r = Recorder(state)
    r.send("admin", "POST", "/api/v1/namespaces", {"metadata": {"name": _NAMESPACE}})
    try:
        for name in names or [name for name in PARTS if name != "cbor"]:
            PARTS[name](r)
    finally:
        r.send("admin", "DELETE", f"/api/v1/namespaces/{_NAMESPACE}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
