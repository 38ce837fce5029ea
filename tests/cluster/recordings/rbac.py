"""What the authorizer, and those who ask it, refuse."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from analyzers.exchange import Headers
from tests.cluster.api import wait_until
from tests.cluster.record import Recorder, save
from tests.cluster.recordings.case import (
    EXEC,
    MERGE,
    PODS,
    UPGRADE,
    certified,
    records,
)

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def grant(r: Recorder, name: str, rules: list[dict[str, Any]], user: str = "jane", namespace: str = "prod") -> None:
    r.cluster.arrange("POST", f"{RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": name}, "rules": rules})
    bind(r, name, user, namespace)


def bind(r: Recorder, name: str, user: str = "jane", namespace: str = "prod", kind: str = "Role") -> None:
    r.cluster.arrange(
        "POST",
        f"{RBAC}/namespaces/{namespace}/rolebindings",
        {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        },
    )


@records("rbac-denied")
def denied(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    rule = "rbac-denied"
    save(
        rule,
        "hit_namespace",
        r.failing("get", "pods", "-n", "prod", identity="jane")[-1:],
        f"{said}: kubectl get pods -n prod",
    )
    save(rule, "hit_cluster", [r.send("GET", "/api/v1/pods", identity="jane")], f"{said}: pods in all namespaces")
    save(
        rule,
        "hit_named",
        [r.send("DELETE", "/apis/apps/v1/namespaces/prod/deployments/web", identity="jane")],
        f"{said}: one object",
    )
    save(
        rule,
        "hit_log",
        [r.send("GET", "/api/v1/namespaces/default/pods/p0/log", identity="jane")],
        f"{said}: a subresource",
    )
    save(rule, "hit_exec", r.failing("exec", "p0", "--", "ls", identity="jane"), f"{said}: kubectl exec p0 -- ls")
    save(
        rule,
        "hit_exec_post",
        [r.send("POST", EXEC, identity="jane", headers={**UPGRADE, "Upgrade": "SPDY/3.1"})],
        f"{said}: exec over SPDY",
    )
    save(rule, "hit_exec_get", [r.send("GET", EXEC, identity="jane", headers=UPGRADE)], f"{said}: exec over WebSocket")
    save(
        rule,
        "hit_scale",
        [
            r.send(
                "PATCH",
                "/apis/apps/v1/namespaces/prod/deployments/web/scale",
                {"spec": {"replicas": 2}},
                identity="jane",
                headers=MERGE,
            )
        ],
        f"{said}: a subresource of a group",
    )
    save(rule, "hit_path", [r.send("GET", "/metrics", identity="jane")], f"{said}: a path that is no resource")
    save(
        rule, "hit_node", [r.send("GET", "/api/v1/nodes/n0", identity="jane")], f"{said}: an object without a namespace"
    )
    save(
        rule,
        "hit_service_account",
        [r.send("GET", "/api/v1/namespaces/prod/secrets", identity="deployer")],
        f"{said}: a service account",
    )
    save(rule, "hit_as", [r.send("GET", PODS, identity="as-jane")], f"{said}: an administrator as jane")
    odd = certified(r, 'odd <user> & "co"\\n: path', "dev")
    save(rule, "hit_odd_user", [r.send("GET", PODS, identity=odd)], f"{said}: a user with odd characters")
    save(
        rule,
        "hit_watch",
        [r.send("GET", f"{PODS}?watch=1&fieldSelector=metadata.name%3Dweb", identity="jane")],
        f"{said}: a watch of one object",
    )
    save(rule, "miss_anonymous", [r.send("GET", PODS, identity="anonymous")], f"{said}: nobody is logged in")
    save(rule, "miss_allowed", [r.send("GET", PODS)], f"{said}: a user who may")


@records("rbac-dangling-role")
def dangling(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    bind(r, "reader", "dave")
    wait_until("the binding is seen", lambda: "reader" in r.cluster.call("GET", PODS, identity="dave").text)
    save(
        "rbac-dangling-role",
        "hit_role",
        [r.send("GET", PODS, identity="dave")],
        f"{said}: a RoleBinding to a Role that does not exist",
    )
    bind(r, "cluster-reader", "dave", kind="ClusterRole")
    wait_until(
        "the second binding is seen", lambda: "cluster-reader" in r.cluster.call("GET", PODS, identity="dave").text
    )
    save(
        "rbac-dangling-role",
        "hit_two",
        [r.send("GET", PODS, identity="dave")],
        f"{said}: two bindings to roles that do not exist",
    )
    save("rbac-dangling-role", "miss_no_binding", [r.send("GET", PODS, identity="jane")], f"{said}: no binding at all")


@records("rbac-escalation")
def escalation(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    everything = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["*"]}
    grant(r, "role-writer", [{**everything, "verbs": ["create", "get", "list"]}], "bob")
    role = {
        "metadata": {"name": "secret-reader"},
        "rules": [
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
        ],
    }
    path = f"{RBAC}/namespaces/prod/roles"
    wait_until(
        "bob may write roles",
        lambda: "User" not in r.cluster.call("POST", f"{path}?dryRun=All", role, identity="bob").text,
    )
    save(
        "rbac-escalation",
        "hit_role",
        [r.send("POST", path, role, identity="bob")],
        f"{said}: a role with more than its author has",
    )
    binding = {
        "metadata": {"name": "bob-admin"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "bob"}],
    }
    save(
        "rbac-escalation",
        "hit_binding",
        [r.send("POST", f"{RBAC}/namespaces/prod/rolebindings", binding, identity="bob")],
        f"{said}: a binding to a role with more than its author has",
    )
    save(
        "rbac-escalation",
        "miss_denied",
        [r.send("POST", path, role, identity="jane")],
        f"{said}: a user who may not write roles at all",
    )


@records("rbac-impersonation")
def impersonation(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    rule = "rbac-impersonation"
    save(
        rule,
        "hit_user",
        [r.send("GET", PODS, identity="jane", headers={"Impersonate-User": "bob"})],
        f"{said}: kubectl get pods --as bob",
    )
    account = {"Impersonate-User": "system:serviceaccount:ci:deployer"}
    save(
        rule,
        "hit_service_account",
        [r.send("GET", PODS, identity="jane", headers=account)],
        f"{said}: --as a service account",
    )
    save(
        rule,
        "hit_group",
        [r.send("GET", PODS, identity="jane-as-admin")],
        f"{said}: --as admin --as-group system:masters",
    )
    save(
        rule,
        "miss_denied",
        [r.send("GET", PODS, identity="as-jane")],
        f"{said}: an impersonation that is allowed, of a user without rights",
    )


@records("rbac-impersonation", alone=("--feature-gates=ConstrainedImpersonation=false",))
def old_impersonation(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version} with ConstrainedImpersonation=false, so as before 1.36"
    rule = "rbac-impersonation"
    save(
        rule,
        "hit_old_user",
        [r.send("GET", PODS, identity="jane", headers={"Impersonate-User": "bob"})],
        f"{said}: --as bob",
    )
    account = {"Impersonate-User": "system:serviceaccount:ci:deployer"}
    save(
        rule,
        "hit_old_service_account",
        [r.send("GET", PODS, identity="jane", headers=account)],
        f"{said}: --as a service account",
    )
    users = [{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}]
    r.cluster.arrange("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "as-users"}, "rules": users})
    r.cluster.arrange(
        "POST",
        f"{RBAC}/clusterrolebindings",
        {
            "metadata": {"name": "as-users"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "as-users"},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}],
        },
    )
    group = {"Impersonate-User": "bob", "Impersonate-Group": "system:masters"}
    wait_until(
        "jane may act as users", lambda: "groups" in r.cluster.call("GET", PODS, identity="jane", headers=group).text
    )
    save(
        rule,
        "hit_old_group",
        [r.send("GET", PODS, identity="jane", headers=group)],
        f"{said}: --as bob --as-group system:masters",
    )


@records("rbac-exec-create", "network-upgrade-stripped")
def exec_create(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    grant(r, "exec-getter", [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]}], "dave", "default")
    wait_until(
        "dave may get exec",
        lambda: "cannot get" not in r.cluster.call("GET", EXEC, identity="dave", headers=UPGRADE).text,
    )
    save(
        "rbac-exec-create",
        "hit",
        [r.send("GET", EXEC, identity="dave", headers=UPGRADE)],
        f"{said}: exec over WebSocket by a user with get on pods/exec",
    )
    save(
        "rbac-exec-create",
        "miss_post",
        [r.send("POST", EXEC, identity="dave", headers={**UPGRADE, "Upgrade": "SPDY/3.1"})],
        f"{said}: the same over SPDY: refused in the usual words",
    )
    without = r.send("GET", EXEC)
    save("network-upgrade-stripped", "miss_not_sent", [without], f"{said}: a client that sends no Upgrade")

    sent = replace(
        without, request=replace(without.request, headers=Headers([*without.request.headers, *UPGRADE.items()]))
    )
    save(
        "network-upgrade-stripped", "hit", [sent], f"{said}; the request as it was before a middlebox took Upgrade off"
    )


@records("rbac-node-authorizer")
def node_authorizer(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    node = certified(r, "system:node:n0", "system:nodes")
    r.cluster.arrange("POST", "/api/v1/namespaces/prod/secrets", {"metadata": {"name": "db"}})
    save(
        "rbac-node-authorizer",
        "hit",
        [r.send("GET", "/api/v1/namespaces/prod/secrets/db", identity=node)],
        f"{said}: a node and a Secret that none of its pods uses",
    )
    save(
        "rbac-node-authorizer",
        "hit_list",
        [r.send("GET", "/api/v1/namespaces/prod/secrets", identity=node)],
        f"{said}: a node that lists Secrets",
    )
    save(
        "rbac-node-authorizer",
        "miss_user",
        [r.send("GET", "/api/v1/namespaces/prod/secrets/db", identity="jane")],
        f"{said}: a user in its place",
    )


@records("request-permission-check")
def admission_check(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    csrs = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

    key = ec.generate_private_key(ec.SECP256R1())
    asked = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "eve")]))
        .sign(key, hashes.SHA256())
    )
    request = base64.b64encode(asked.public_bytes(serialization.Encoding.PEM)).decode()
    r.cluster.arrange(
        "POST",
        csrs,
        {
            "metadata": {"name": "eve"},
            "spec": {
                "request": request,
                "signerName": "kubernetes.io/kube-apiserver-client",
                "usages": ["client auth"],
            },
        },
    )
    rules = [
        {
            "apiGroups": ["certificates.k8s.io"],
            "resources": ["certificatesigningrequests/approval"],
            "verbs": ["update"],
        }
    ]
    r.cluster.arrange("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "approver"}, "rules": rules})
    r.cluster.arrange(
        "POST",
        f"{RBAC}/clusterrolebindings",
        {
            "metadata": {"name": "approver"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "approver"},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}],
        },
    )
    full = r.cluster.arrange("GET", f"{csrs}/eve")
    full["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "Test", "message": "yes"}]}
    path = f"{csrs}/eve/approval"
    wait_until("jane may approve", lambda: "User" not in r.cluster.call("PUT", path, full, identity="jane").text)
    save(
        "request-permission-check",
        "hit_signer",
        [r.send("PUT", path, full, identity="jane")],
        f"{said}: approving without the verb approve on the signer",
    )
    save(
        "request-permission-check",
        "miss_denied",
        [r.send("PUT", path, full, identity="bob")],
        f"{said}: a user who may not write approvals at all",
    )
