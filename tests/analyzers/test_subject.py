"""What a message is about, read from the message."""

from __future__ import annotations

import pytest

from analyzers.decode.status import Details, Status
from analyzers.subject import Subject


@pytest.mark.parametrize(
    ("message", "thing", "typed"),
    [
        ('pods "web" not found', "pod web", "pods"),
        ('deployments.apps "web" is forbidden: no PriorityClass with name x was found', "deployment web",
         "deployments.apps"),
        ('error when creating "web.yaml": namespaces "prod" already exists', "namespace prod", "namespaces"),
        ('object is being deleted: configmaps "held" already exists', "configmap held", "configmaps"),
        ('Operation cannot be fulfilled on replicasets.apps "web": the object has been modified', "replicaset web",
         "replicasets.apps"),
        ('Operation cannot be fulfilled on ConfigMap "settings": the UID in the precondition', "ConfigMap settings",
         "configmap"),
        ('Operation cannot be fulfilled on pods/binding "p0": pod p0 is already assigned', "pod p0", "pods"),
        ('Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1', "Deployment web", "deployment.apps"),
        ('pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "prod"',
         "pods in namespace prod", "pods"),
        ("the server could not find the requested resource (get widgets.example.com)", "widgets.example.com",
         "widgets.example.com"),
        ("the server is currently unable to handle the request (get nodes.metrics.k8s.io n0)",
         "node.metrics.k8s.io n0", "nodes.metrics.k8s.io"),
        ("The create operation against pods could not be completed at this time, please try again.", "pods", "pods"),
    ],
)  # fmt: skip
def test_message_names_its_object(message: str, thing: str, typed: str) -> None:
    found = Subject.of(None, message)
    assert found is not None
    assert (found.thing, found.typed) == (thing, typed)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "etcdserver: request timed out",
        'container "c" in pod "web" is waiting to start: ContainerCreating',
        'admission webhook "policy.example.com" denied the request: no',
        'failed calling webhook "policy.example.com": failed to call webhook: EOF',
    ],
)
def test_message_that_names_none_has_no_subject(message: str) -> None:
    assert Subject.of(None, message) is None


def test_operation_of_a_storage_time_out_is_no_name() -> None:
    status = Status(reason="ServerTimeout", details=Details(name="create", kind="pods"))
    found = Subject.of(status, "")
    assert found is not None
    assert found.thing == "pods"


def test_details_are_believed_before_the_message() -> None:
    status = Status(message='pods "web" not found', details=Details(name="api", kind="services"))
    found = Subject.of(status, status.message)
    assert found is not None
    assert found.thing == "service api"
