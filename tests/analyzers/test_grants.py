"""The deciding finding of a command that was refused more than once grants all of it at once."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange
from analyzers.finding import Finding, Fix
from analyzers.output import text
from analyzers.output.json import document
from analyzers.readers import wire_text

HERE = Path(__file__).parent


def recorded(*names: str) -> tuple[Exchange, ...]:
    """The exchanges of these recordings as one story."""
    found: list[Exchange] = []
    for name in names:
        found += wire_text.read((HERE / f"{name}.http").read_text("utf-8"))
    return tuple(replace(one, id=number) for number, one in enumerate(found, start=1))


def decided(*names: str) -> Finding:
    finding = Story.of(recorded(*names)).finding
    assert finding is not None
    return finding


def grant(finding: Finding) -> Fix:
    return next(fix for fix in finding.fix if "grant exactly" in fix.text)


def check(finding: Finding) -> Fix:
    return next(fix for fix in finding.fix if fix.text.startswith("to see"))


SEVERAL = """\
kubectl apply -f - <<'EOF'
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: jane-NUMBER}
rules:
- {nonResourceURLs: [/metrics], verbs: [get]}  # request 3
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: jane-NUMBER}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: jane-NUMBER}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: jane}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: jane-NUMBER, namespace: prod}
rules:
- {apiGroups: [""], resources: [configmaps], resourceNames: [settings], verbs: [get, list]}  # requests 1, 2
- {apiGroups: [apps], resources: [deployments], verbs: [list]}  # request 5
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: jane-NUMBER, namespace: prod}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: jane-NUMBER}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: jane}]
EOF"""


def test_several_refusals_are_granted_by_one_manifest() -> None:
    finding = decided("grants/several_refused")
    fix = grant(finding)
    assert (fix.by, fix.text) == (
        "a cluster administrator",
        "grant exactly what was refused, 4 permissions at once:",
    )
    (command,) = fix.commands
    number = command.partition("{name: jane-")[2][:8]
    assert command == SEVERAL.replace("NUMBER", number)
    assert check(finding).commands == (
        "kubectl auth can-i get configmaps/settings -n prod",
        "kubectl auth can-i list configmaps/settings -n prod",
        "kubectl auth can-i get /metrics",
        "kubectl auth can-i list deployments.apps -n prod",
    )


def test_report_keeps_the_lines_of_the_manifest_as_they_are_pasted() -> None:
    story = Story.of(recorded("grants/several_refused"))
    (command,) = grant(story.finding).commands if story.finding else ("",)
    assert command + "\n" in text.render(story)
    for color in (False, True):
        on_terminal = re.sub(r"\x1b\[[0-9;]*m", "", text.render(story, color=color, marks=True))
        assert command + "\n" in on_terminal
    assert document(story)["findings"][0]["fix"][0]["commands"] == [command]


def test_refusals_that_one_rule_can_grant_stay_two_lines() -> None:
    fix = grant(decided("rules/rbac_denied/hit_log", "rules/rbac_denied/hit_exec"))
    assert fix.commands == (
        "kubectl create role pods-pods-log-p0-get -n default --verb=get --resource=pods,pods/log --resource-name=p0",
        "kubectl create rolebinding jane-pods-pods-log-p0-get -n default --role=pods-pods-log-p0-get --user=jane",
    )


def test_same_refusal_again_changes_nothing() -> None:
    once = decided("rules/rbac_denied/hit_namespace")
    again = decided("rules/rbac_denied/hit_namespace", "rules/rbac_denied/hit_namespace")
    assert again.fix == once.fix


def test_what_another_user_was_refused_is_not_granted() -> None:
    finding = decided("rules/rbac_denied/hit_service_account", "rules/rbac_denied/hit_namespace")
    assert len(grant(finding).commands) == 2
    assert "secrets" not in str(finding.fix)


def test_what_another_cluster_refused_is_not_granted() -> None:
    one, other = recorded("rules/rbac_denied/hit_namespace", "rules/rbac_denied/hit_log")
    elsewhere = replace(one, request=replace(one.request, host="other.example"))
    story = Story.of([elsewhere, replace(other, request=replace(other.request, host="this.example"))])
    assert story.finding is not None
    assert "pods-list" not in str(story.finding.fix)


def test_what_did_no_harm_is_not_granted() -> None:
    """kubectl asks over WebSocket first and then over SPDY; both are one permission."""
    story = Story.of(recorded("stories/exec_forbidden"))
    assert story.finding is not None
    assert len(grant(story.finding).commands) == 2
    succeeded = Story.of(recorded("grants/several_refused"), CommandInfo(exit_status=0))
    assert succeeded.finding is None


def test_only_the_deciding_finding_grants_it_all() -> None:
    story = Story.of(recorded("grants/several_refused"))
    fixes = [grant(verdict.findings[0]) for verdict in story.others]
    assert [len(fix.commands) for fix in fixes] == [2, 2, 2]


def test_apply_of_what_is_not_there_is_granted_with_its_create() -> None:
    create, _ = grant(decided("grants/apply_refused")).commands
    assert create.endswith("--verb=create,patch --resource=configmaps --resource-name=new")


def test_apply_whose_create_alone_is_missing_is_granted_the_create_of_that_name() -> None:
    create, _ = grant(decided("grants/apply_create_refused")).commands
    assert create.endswith("--verb=create --resource=configmaps --resource-name=new")


def test_apply_of_what_was_seen_is_granted_without_a_create() -> None:
    create, _ = grant(decided("grants/apply_of_what_was_seen")).commands
    assert create.endswith("--verb=patch --resource=configmaps --resource-name=settings")


def test_impersonation_beside_it_is_no_part_of_the_grant() -> None:
    finding = decided("rules/rbac_impersonation/hit_user", "rules/rbac_denied/hit_namespace")
    assert "impersonate" not in str(grant(finding))


def test_wildcard_in_a_request_is_granted_by_no_command() -> None:
    (one,) = recorded("rules/rbac_denied/hit_namespace")
    assert one.response is not None
    body = (one.response.body or b"").replace(b'resource \\"pods\\"', b'resource \\"*\\"')
    assert body != one.response.body
    wild = replace(
        one,
        request=replace(one.request, path="/api/v1/namespaces/prod/*"),
        response=replace(one.response, body=body),
    )
    finding = Story.of([wild]).finding
    assert finding is not None
    assert not any("create role" in line or "apply" in line for fix in finding.fix for line in fix.commands)
    assert any("a * in a rule grants more than this request" in fix.text for fix in finding.fix)
