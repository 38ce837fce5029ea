"""The smallest grant, as lines that kubectl takes."""

from __future__ import annotations

import pytest

from analyzers import rbac_grant
from analyzers.attributes import Attributes


def test_grant_in_a_namespace_is_a_role() -> None:
    create, bind = rbac_grant.commands(Attributes(user="jane", verb="list", resource="pods", namespace="prod"))
    assert create == "kubectl create role pods-list -n prod --verb=list --resource=pods"
    assert bind == "kubectl create rolebinding jane-pods-list -n prod --role=pods-list --user=jane"


def test_grant_without_a_namespace_is_a_clusterrole() -> None:
    create, bind = rbac_grant.commands(Attributes(user="jane", verb="get", path="/metrics"))
    assert create == "kubectl create clusterrole path-metrics-get --verb=get --non-resource-url=/metrics"
    assert bind.startswith("kubectl create clusterrolebinding jane-path-metrics-get --clusterrole=path-metrics-get")


def test_grant_names_group_subresource_and_object() -> None:
    asked = Attributes(
        user="j", verb="patch", group="apps", resource="deployments", subresource="scale", name="web", namespace="p"
    )
    create = rbac_grant.commands(asked)[0]
    assert create.endswith("--verb=patch --resource=deployments.apps/scale --resource-name=web")
    assert rbac_grant.can_i(asked) == "kubectl auth can-i patch deployments.apps/web --subresource=scale -n p"


def test_create_of_whatever_name_is_granted_without_one() -> None:
    asked = Attributes(user="j", verb="create", resource="pods", namespace="p")
    assert "--resource-name" not in rbac_grant.commands(asked)[0]


def test_create_by_an_apply_names_its_object() -> None:
    asked = Attributes(user="j", verb="create", resource="pods", name="web", namespace="p")
    assert rbac_grant.commands(asked)[0].endswith("--verb=create --resource=pods --resource-name=web")


def test_deletion_of_a_collection_is_granted_without_a_name() -> None:
    asked = Attributes(user="j", verb="deletecollection", resource="pods", name="web", namespace="p")
    assert "--resource-name" not in rbac_grant.commands(asked)[0]


@pytest.mark.parametrize("verb", ["get", "create"])
def test_exec_needs_both_verbs(verb: str) -> None:
    asked = Attributes(user="j", verb=verb, resource="pods", subresource="exec", name="web", namespace="p")
    assert "--verb=get,create" in rbac_grant.commands(asked)[0]


def test_service_account_is_bound_as_one() -> None:
    user = "system:serviceaccount:ci:deployer"
    bind = rbac_grant.commands(Attributes(user=user, verb="list", resource="pods", namespace="prod"))[1]
    assert "--serviceaccount=ci:deployer" in bind
    assert "deployer-pods-list" in bind


def test_odd_users_are_quoted_for_the_shell() -> None:
    bind = rbac_grant.commands(Attributes(user="a; rm -rf ~", verb="list", resource="pods", namespace="prod"))[1]
    assert bind.endswith("'--user=a; rm -rf ~'")


def test_cluster_wide_question_asks_for_all_namespaces() -> None:
    assert rbac_grant.can_i(Attributes(verb="list", resource="pods")) == "kubectl auth can-i list pods -A"
