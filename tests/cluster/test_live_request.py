"""Requests refused on their content, and the 403s that are no matter of permissions: none of the five, explained."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cluster import faults
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import Explain
from tests.cluster.explained import Explained
from tests.cluster.kubectl import Kubectl
from tests.cluster.recordings.case import deployment, pod
from tests.cluster.webhook import deny

POLICIES = "/apis/admissionregistration.k8s.io/v1"
# What RBAC says, from somebody who is not RBAC.
RBAC_WORDS = 'pods is forbidden: User "admin" cannot create resource "pods" in API group "" in the namespace "default"'


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[str]:
    with faults.namespace(cluster, "request") as name:
        cluster.arrange("POST", f"/apis/apps/v1/namespaces/{name}/deployments", deployment("web"))
        yield name


@pytest.fixture
def created(explain: Explain, tmp_path: Path) -> Any:
    """``created(object, NAMESPACE)``: kubectl create -f."""

    def create(what: Any, namespace: str, **options: Any) -> Explained:
        (tmp_path / "object.json").write_text(json.dumps(what))
        return explain(["create", "-f", tmp_path / "object.json", "-n", namespace], **options)

    return create


def test_object_that_is_not_there_is_not_found(explain: Explain, kubectl: Kubectl, place: str) -> None:
    told = explain(["get", "pod", "web", "-n", place], program=kubectl)
    found = told.check("request-not-found", "api-server", "storage")
    assert found["summary"] == f"There is no pod web in namespace {place}."


def test_type_that_is_not_served_is_no_such_type(explain: Explain, place: str) -> None:
    told = explain(["get", "--raw", f"/apis/example.com/v1/namespaces/{place}/widgets"])
    told.check("request-no-such-type", "api-server", "request")


def test_type_that_discovery_does_not_know_fails_at_no_request(explain: Explain, kubectl: Kubectl) -> None:
    told = explain(["get", "widgets"], program=kubectl)
    assert told.outcome.status == 1
    assert told.story["findings"] == []
    assert told.head == "failed, and not at a request"
    assert "no request failed" in told.sentence


def test_namespace_that_is_not_there_is_missing(explain: Explain) -> None:
    told = explain(["create", "configmap", "new", "-n", "nowhere"])
    found = told.check("request-namespace-missing", "api-server", "admission")
    assert found["summary"] == "Namespace nowhere does not exist, so nothing can be made in it."


def test_wrong_value_is_invalid_and_names_its_field(created: Any, kubectl: Kubectl, place: str) -> None:
    found = created(deployment("bad", replicas=-1), place, program=kubectl).check(
        "request-invalid", "api-server", "validation"
    )
    assert "spec.replicas" in found["summary"]


def test_unknown_field_is_refused_while_decoding_and_named(created: Any, place: str) -> None:
    found = created(deployment("typo", replica=2), place).check("request-decoding", "api-server", "request")
    assert "spec.replica" in found["summary"]


def check_refused_by_admission(told: Explained, rule: str, hop: str = "api-server", category: str = "request") -> Any:
    """A 403 that is no refusal of the authorizer: authorization is seen to have passed."""
    assert told.story["requests"][-1]["status"] == 403
    found = told.check(rule, hop, "admission")
    assert found["category"] == category
    assert told.step("authorization")[0] == "passed"
    assert not [line for line in told.report.splitlines() if "rolebinding" in line]
    return found


def test_exceeded_quota_is_no_matter_of_permissions(created: Any, cluster: Cluster) -> None:
    with faults.exhausted_quota(cluster) as name:
        told = created(pod("web"), name)
    found = check_refused_by_admission(told, "request-quota")
    assert "no-more" in found["summary"]
    # Quota is counted by the validating part, which comes after validation.
    assert told.step("validation")[0] == "passed"


def test_pod_security_is_no_matter_of_permissions(created: Any, cluster: Cluster) -> None:
    with faults.restricted_namespace(cluster) as name:
        found = check_refused_by_admission(created(pod("web"), name), "request-pod-security")
    assert f"Namespace {name} enforces Pod Security level restricted" in found["summary"]


def test_limit_range_is_no_matter_of_permissions(created: Any, cluster: Cluster, place: str) -> None:
    with faults.namespace(cluster, "ranged") as name:
        limits = {"metadata": {"name": "sizes"}, "spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}}
        path = f"/api/v1/namespaces/{name}"
        cluster.arrange("POST", f"{path}/limitranges", limits)
        large = pod("web", resources={"limits": {"cpu": "2"}})
        wait_until("it counts", lambda: cluster.call("POST", f"{path}/pods?dryRun=All", large).status == 403)
        check_refused_by_admission(created(large, name), "request-limit-range")


@pytest.mark.parametrize(
    ("field", "value"),
    [("serviceAccountName", "runner"), ("priorityClassName", "urgent"), ("runtimeClassName", "kata")],
)
def test_what_a_pod_refers_to_and_is_not_there_is_no_matter_of_permissions(
    created: Any, place: str, field: str, value: str
) -> None:
    wanting = pod("web")
    wanting["spec"][field] = value
    found = check_refused_by_admission(created(wanting, place), "request-admission-denied")
    assert value in found["summary"]


def test_namespace_that_must_stay_is_no_matter_of_permissions(explain: Explain) -> None:
    check_refused_by_admission(explain(["delete", "namespace", "kube-system"]), "request-admission-denied")


def test_certificate_for_the_masters_is_no_matter_of_rbac(created: Any, place: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters"),
             x509.NameAttribute(NameOID.COMMON_NAME, "eve")]  # fmt: skip
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    signing_request = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "eve"},
        "spec": {
            "request": base64.b64encode(asked.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
        },
    }
    check_refused_by_admission(created(signing_request, place), "request-admission-denied")


@pytest.mark.parametrize("message", ["use another registry", RBAC_WORDS])
def test_webhook_that_denies_is_named_whatever_words_it_uses(explain: Explain, cluster: Cluster, message: str) -> None:
    with faults.refusing_webhook(cluster, deny(message, code=403, reason="Forbidden")) as name:
        told = explain(["create", "configmap", "new", "-n", name])
    found = check_refused_by_admission(told, "request-webhook-denied", "webhook")
    assert "policy.mitmkube.test" in found["summary"]


@contextmanager
def policy(cluster: Cluster, message: str) -> Iterator[str]:
    """A namespace in which a ValidatingAdmissionPolicy allows no more than five replicas."""
    with faults.namespace(cluster, "policed") as name:
        rules = [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}]
        validation = {"expression": "object.spec.replicas <= 5", "reason": "Forbidden", "message": message}
        spec = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules}, "validations": [validation]}
        metadata = {"name": f"limit-{name}"}
        selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
        binding = {"policyName": metadata["name"], "validationActions": ["Deny"], "matchResources": selector}
        paths = [f"{POLICIES}/validatingadmissionpolicies", f"{POLICIES}/validatingadmissionpolicybindings"]
        for path, what in zip(paths, (spec, binding), strict=True):
            cluster.arrange("POST", path, {"metadata": metadata, "spec": what})
        try:
            path, many = f"/apis/apps/v1/namespaces/{name}/deployments?dryRun=All", deployment("many", replicas=9)
            wait_until("the policy is in force", lambda: cluster.call("POST", path, many).status == 403)
            yield name
        finally:
            for path in reversed(paths):
                cluster.arrange("DELETE", f"{path}/{metadata['name']}")


@pytest.mark.parametrize("message", ["at most five replicas", RBAC_WORDS])
def test_policy_that_denies_is_named_whatever_words_it_uses(created: Any, cluster: Cluster, message: str) -> None:
    with policy(cluster, message) as name:
        told = created(deployment("many", replicas=9), name)
    found = check_refused_by_admission(told, "request-policy-denied")
    assert f"limit-{name}" in found["summary"]


def test_eviction_against_the_budget_is_no_overload(explain: Explain, cluster: Cluster, tmp_path: Path) -> None:
    with faults.disruption_budget(cluster) as budget:
        (tmp_path / "eviction.json").write_text(json.dumps(budget.eviction))
        told = explain(["create", "--raw", budget.eviction_path, "-f", tmp_path / "eviction.json"])
    assert told.story["requests"][-1]["status"] == 429
    found = told.check("request-disruption-budget", "api-server", "admission")
    assert found["summary"].startswith(f"Pod web in namespace {budget.namespace} may not be evicted now:")
    assert "always-one" in json.dumps(found["evidence"])


def test_drain_that_the_budget_stops_names_the_budget_and_not_the_pod_that_went(
    explain: Explain, cluster: Cluster
) -> None:
    merge = {"Content-Type": "application/merge-patch+json"}
    with faults.disruption_budget(cluster) as budget:
        path, labels = f"/api/v1/namespaces/{budget.namespace}/pods", {"drained": budget.namespace}
        cluster.arrange("PATCH", f"{path}/{budget.pod}", {"metadata": {"labels": labels}}, headers=merge)
        cluster.run_pod(budget.namespace, "free", labels)
        args = ["drain", "n0", "--force", f"--pod-selector=drained={budget.namespace}", "--timeout=3s"]
        try:
            told = explain(args)
        finally:
            cluster.arrange("PATCH", "/api/v1/nodes/n0", {"spec": {"unschedulable": None}}, headers=merge)
    found = told.check("request-disruption-budget", "api-server", "admission")
    assert found["summary"].startswith(f"Pod web in namespace {budget.namespace} may not be evicted now:")
    assert [finding["rule"] for finding in told.story["findings"]] == ["request-disruption-budget"]
