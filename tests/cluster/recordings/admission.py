"""What the API server's own admission plugins refuse, beside quota, limits and Pod Security."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cluster.api import wait_until
from tests.cluster.record import Recorder, save
from tests.cluster.recordings.case import CONFIGMAPS, MERGE, PODS, certified, deployment, pod, records, refused
from tests.cluster.recordings.rbac import RBAC, grant

PLUGINS = (
    "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement,EventRateLimit",
    f"--admission-control-config-file={Path(__file__).parents[1] / 'admission.yaml'}",
)
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


@records("request-admission-denied", "request-permission-check", "health-throttled", "request-quota", alone=PLUGINS)
def plugins(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    rule = "request-admission-denied"
    node = certified(r, "system:node:n0", "system:nodes")
    save(
        rule,
        "hit_node",
        [r.send("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}}, identity=node)],
        f"{said}: NodeRestriction, a node that registers another",
    )
    sandboxed = pod("web")
    sandboxed["spec"]["runtimeClassName"] = "gvisor"
    save(rule, "hit_runtime_class", [r.send("POST", PODS, sandboxed)], f"{said}: a RuntimeClass that does not exist")
    save(rule, "hit_resize", [_resized(r)], f"{said}: a claim that is made larger and was not provisioned by a class")
    save(
        rule,
        "hit_system_masters",
        [r.send("POST", CSRS, _signing_request("eve", "eve", "system:masters"))],
        f"{said}: a certificate for the group system:masters",
    )
    event = {
        "metadata": {"generateName": "e-"},
        "involvedObject": {"kind": "Namespace", "name": "prod", "namespace": "prod"},
        "type": "Normal",
    }
    many = [r.send("POST", "/api/v1/namespaces/prod/events", event) for _ in range(4)]
    over = [one for one in many if one.response is not None and one.response.status == 429]
    save("health-throttled", "hit_events", over[:1], f"{said}: EventRateLimit with one event a second")
    claim = {
        "metadata": {"name": "gold"},
        "spec": {
            "storageClassName": "gold",
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    save(
        "request-quota",
        "hit_insufficient",
        [r.send("POST", "/api/v1/namespaces/prod/persistentvolumeclaims", claim)],
        f"{said}: a storage class that needs a quota, and a namespace without",
    )
    _owners(r, said)


def _resized(r: Recorder) -> Any:
    spec = {
        "storageClassName": "",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "volumeName": "disk",
    }
    claims = "/api/v1/namespaces/prod/persistentvolumeclaims"
    r.cluster.arrange(
        "POST",
        "/api/v1/persistentvolumes",
        {
            "metadata": {"name": "disk"},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": "/nowhere"},
                "claimRef": {"namespace": "prod", "name": "disk"},
            },
        },
    )
    r.cluster.arrange("POST", claims, {"metadata": {"name": "disk"}, "spec": spec})
    wait_until(
        "the claim is bound", lambda: r.cluster.arrange("GET", f"{claims}/disk")["status"].get("phase") == "Bound"
    )
    larger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    return r.send("PATCH", f"{claims}/disk", larger, headers=MERGE)


def _owners(r: Recorder, said: str) -> None:
    r.cluster.arrange("POST", CONFIGMAPS.format("prod"), {"metadata": {"name": "owned"}})
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "patch"]}]
    grant(r, "configmap-writer", rules)
    owner = r.cluster.arrange("GET", "/apis/apps/v1/namespaces/prod/deployments/web")["metadata"]
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner["uid"]}
    path = CONFIGMAPS.format("prod")
    wait_until(
        "jane may patch",
        lambda: "User" not in r.cluster.call("PATCH", f"{path}/owned", {}, identity="jane", headers=MERGE).text,
    )
    save(
        "request-permission-check",
        "hit_owner",
        [
            r.send(
                "PATCH",
                f"{path}/owned",
                {"metadata": {"ownerReferences": [reference]}},
                identity="jane",
                headers=MERGE,
            )
        ],
        f"{said} with OwnerReferencesPermissionEnforcement: an owner, by a user who may not delete the object",
    )
    blocking = {"metadata": {"name": "child", "ownerReferences": [{**reference, "blockOwnerDeletion": True}]}}
    save(
        "request-permission-check",
        "hit_block",
        [r.send("POST", path, blocking, identity="jane")],
        f"{said} with OwnerReferencesPermissionEnforcement: blockOwnerDeletion, by a user who may not write finalizers",
    )


def _signing_request(name: str, user: str, *organizations: str) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    names += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    pem = asked.public_bytes(serialization.Encoding.PEM)
    spec = {
        "request": base64.b64encode(pem).decode(),
        "signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"],
    }
    return {"metadata": {"name": name}, "spec": spec}


@records("rbac-impersonation", "request-refused")
def constrained(r: Recorder) -> None:
    """From 1.36 on an impersonation needs two permissions: to be that user, and to do this as somebody else."""
    said = f"recorded from kube-apiserver {r.version}"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["impersonate-on:user-info:list"]}]
    grant(r, "list-as", rules, "dave")
    headers = {"Impersonate-User": "bob"}
    wait_until(
        "dave may list pods as a user",
        lambda: "impersonate:user-info" in r.cluster.call("GET", PODS, identity="dave", headers=headers).text,
    )
    save(
        "rbac-impersonation",
        "hit_constrained",
        [r.send("GET", PODS, identity="dave", headers=headers)],
        f"{said}: a user who may list pods as others, but not as this one",
    )
    _cluster_grant(
        r,
        "as-anybody",
        {"apiGroups": ["authentication.k8s.io"], "resources": ["users", "groups"], "verbs": ["impersonate:user-info"]},
        "dave",
    )
    masters = {"Impersonate-User": "bob", "Impersonate-Group": "system:masters"}
    wait_until(
        "dave may act as users",
        lambda: "masters" in r.cluster.call("GET", PODS, identity="dave", headers=masters).text,
    )
    save(
        "rbac-impersonation",
        "hit_masters",
        [r.send("GET", PODS, identity="dave", headers=masters)],
        f"{said}: the group system:masters, which nobody may act as",
    )
    save(
        "request-refused",
        "hit_group_without_user",
        [r.send("GET", PODS, headers={"Impersonate-Group": "dev"})],
        f"{said}: --as-group without --as",
    )


def _cluster_grant(r: Recorder, name: str, rule: dict[str, Any], user: str) -> None:
    r.cluster.arrange("POST", f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": [rule]})
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    binding = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    r.cluster.arrange("POST", f"{RBAC}/clusterrolebindings", binding)


@records("rbac-escalation", "request-permission-check")
def permissions(r: Recorder) -> None:
    """Permissions that are looked at behind the authorizer."""
    said = f"recorded from kube-apiserver {r.version}"
    rule = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["create"]}
    _cluster_grant(r, "clusterrole-writer", rule, "bob")
    labels = {"matchLabels": {"team": "dev"}}
    role = {"metadata": {"name": "sum"}, "aggregationRule": {"clusterRoleSelectors": [labels]}, "rules": []}
    path = f"{RBAC}/clusterroles"
    wait_until(
        "bob may write cluster roles",
        lambda: "User" not in r.cluster.call("POST", f"{path}?dryRun=All", role, identity="bob").text,
    )
    save(
        "rbac-escalation",
        "hit_aggregation",
        [r.send("POST", path, role, identity="bob")],
        f"{said}: an aggregationRule, by a user who is no cluster administrator",
    )
    r.cluster.arrange("POST", CSRS, _signing_request("mallory", "mallory"))
    statuses = {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests/status"]}
    _cluster_grant(r, "status-writer", {**statuses, "verbs": ["update"]}, "bob")
    asked = r.cluster.arrange("GET", f"{CSRS}/mallory")
    asked["status"] = {"certificate": base64.b64encode(r.cluster.ca_file.read_bytes()).decode()}
    path = f"{CSRS}/mallory/status"
    wait_until("bob may sign", lambda: "User" not in r.cluster.call("PUT", path, asked, identity="bob").text)
    save(
        "request-permission-check",
        "hit_sign",
        [r.send("PUT", path, asked, identity="bob")],
        f"{said}: signing without the verb sign on the signer",
    )


@records("health-authorizer", alone=(
    "--authorization-mode=Webhook",  # after Node and RBAC
    f"--authorization-webhook-config-file={Path(__file__).parents[1] / 'unreachable-authorizer.yaml'}",
))  # fmt: skip
def authorizer(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version} with a webhook authorizer where nobody listens"
    save("health-authorizer", "hit", [r.send("GET", PODS, identity="jane")], said)
    save("health-authorizer", "miss_allowed", [r.send("GET", PODS)], f"{said}: a user whom RBAC allows it already")


@records("request-policy-denied")
def policies(r: Recorder) -> None:
    """Policies that cannot be used, and those that change objects."""
    said = f"recorded from kube-apiserver {r.version}"
    api = "/apis/admissionregistration.k8s.io/v1"
    rules = [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}]
    path = "/apis/apps/v1/namespaces/{}/deployments"

    def policed(kind: str, name: str, spec: dict[str, Any], binding: dict[str, Any]) -> Any:
        namespace = r.cluster.add_namespace(name)
        constraints = {"resourceRules": rules}
        r.cluster.arrange(
            "POST",
            f"{api}/{kind}admissionpolicies",
            {"metadata": {"name": name}, "spec": {"failurePolicy": "Fail", "matchConstraints": constraints, **spec}},
        )
        selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
        r.cluster.arrange(
            "POST",
            f"{api}/{kind}admissionpolicybindings",
            {"metadata": {"name": name}, "spec": {"policyName": name, "matchResources": selector, **binding}},
        )
        target = path.format(namespace)
        wait_until("the policy is in force", lambda: refused(r, target, deployment("web", replicas=9)))
        found = r.send("POST", target, deployment("web", replicas=9))
        # A policy that cannot be used is in everybody's way.
        r.cluster.arrange("DELETE", f"{api}/{kind}admissionpolicies/{name}")
        elsewhere = path.format("default")
        wait_until("the policy is forgotten", lambda: not refused(r, elsewhere, deployment("web", replicas=1)))
        return found

    deny = {"validationActions": ["Deny"]}
    with_parameters = {
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "validations": [{"expression": "object.spec.replicas <= int(params.data.most)"}],
    }
    missing = {"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"}
    save(
        "request-policy-denied",
        "hit_no_parameters",
        [policed("validating", "limited", with_parameters, {**deny, "paramRef": missing})],
        f"{said}: a policy whose parameters do not exist",
    )
    unknown = {
        "paramKind": {"apiVersion": "example.com/v1", "kind": "Limits"},
        "validations": [{"expression": "object.spec.replicas <= params.most"}],
    }
    save(
        "request-policy-denied",
        "hit_no_parameter_kind",
        [policed("validating", "typeless", unknown, {**deny, "paramRef": missing})],
        f"{said}: a policy whose parameters are of a type that does not exist",
    )
    mutation = {
        "reinvocationPolicy": "Never",
        "mutations": [
            {
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {
                    "expression": "Object{spec: Object.spec{replicas: int(object.metadata.labels.replicas)}}"
                },
            }
        ],
    }
    save(
        "request-policy-denied",
        "hit_mutating",
        [policed("mutating", "from-labels", mutation, {})],
        f"{said}: a MutatingAdmissionPolicy that cannot be evaluated",
    )
