"""``mitmkube rbac``: YAML on stdout, what cannot be granted on stderr."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from analyzers.readers import wire_text
from mitmkube import cli, rbac

RECORDINGS = Path(__file__).parents[1] / "analyzers"


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    loggers = (logging.getLogger(), logging.getLogger("mitmkube"))
    before = [(logger, list(logger.handlers), logger.propagate) for logger in loggers]
    yield
    for logger, handlers, propagate in before:
        logger.handlers[:] = handlers
        logger.propagate = propagate


def recording(name: str) -> str:
    return str(RECORDINGS / f"{name}.http")


class Printed:
    """What ``mitmkube rbac ARGUMENTS`` printed."""

    def __init__(self, captured: pytest.CaptureFixture[str], *arguments: str) -> None:
        assert cli.main(["rbac", *arguments]) == 0
        self.text, notes = captured.readouterr()
        self.notes = notes.splitlines()
        self.objects: list[Any] = list(yaml.safe_load_all(self.text)) if self.text else []

    @property
    def kinds(self) -> list[str]:
        return [one["kind"] for one in self.objects]

    @property
    def rules(self) -> list[Any]:
        return [rule for one in self.objects for rule in one.get("rules", [])]


def test_role_and_binding_are_printed_with_what_they_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    printed = Printed(capsys, recording("rules/rbac_denied/hit_namespace"))
    assert printed.kinds == ["Role", "RoleBinding"]
    assert printed.rules == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    assert printed.objects[1]["subjects"][0]["name"] == "jane"
    head = printed.text.splitlines()[:2]
    assert head == [
        "# Allows what jane asked for, and nothing else.",
        "# To see it: kubectl auth can-i --list -n prod --as=jane",
    ]
    assert "# list pods in namespace prod: 1 request, refused" in printed.text
    assert printed.notes == []


def test_same_files_give_the_same_text(capsys: pytest.CaptureFixture[str]) -> None:
    files = [recording("grants/several_refused"), recording("grants/apply_created")]
    assert Printed(capsys, *files).text == Printed(capsys, *files).text


def test_stdin_is_read_where_no_file_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Path(recording("rules/rbac_denied/hit_namespace")).read_bytes()
    for arguments in ([], ["-"]):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        assert Printed(capsys, *arguments).kinds == ["Role", "RoleBinding"]


def test_every_user_has_roles_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    files = [recording("rules/rbac_denied/hit_namespace"), recording("rules/rbac_denied/hit_service_account")]
    printed = Printed(capsys, *files)
    assert printed.kinds == ["Role", "RoleBinding"] * 2
    assert [one["subjects"][0]["kind"] for one in printed.objects if "subjects" in one] == ["User", "ServiceAccount"]
    assert len({one["metadata"]["name"] for one in printed.objects}) == 2
    named = Printed(capsys, *files, "--name=ci")
    assert {one["metadata"]["name"] for one in named.objects} == {"ci-jane", "ci-deployer"}


def test_user_chooses_whose_traffic_counts(capsys: pytest.CaptureFixture[str]) -> None:
    files = [recording("rules/rbac_denied/hit_namespace"), recording("rules/rbac_denied/hit_service_account")]
    printed = Printed(capsys, *files, "--user", "system:serviceaccount:ci:deployer")
    assert printed.rules == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]
    nobody = Printed(capsys, *files, "--user=nobody")
    assert nobody.text == ""
    assert nobody.notes == [
        "mitmkube: nobody did nothing that a role could grant; there is traffic of jane, "
        "system:serviceaccount:ci:deployer"
    ]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("bob", {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "bob"}),
        ("group:dev", {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "dev"}),
        ("system:serviceaccount:ci:bot", {"kind": "ServiceAccount", "name": "bot", "namespace": "ci"}),
    ],
)
def test_another_can_be_bound_than_who_asked(
    capsys: pytest.CaptureFixture[str], subject: str, expected: dict[str, str]
) -> None:
    printed = Printed(capsys, recording("grants/apply_created"), "--for", subject, "--name", "deploy")
    assert printed.objects[1]["subjects"] == [expected]
    assert printed.objects[0]["metadata"]["name"] == printed.objects[1]["roleRef"]["name"] == "deploy"


def test_nobody_is_bound_where_who_asked_is_not_known(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    exchanges = wire_text.read(Path(recording("grants/opaque_token")).read_text("utf-8"))
    (tmp_path / "unknown").write_text(
        wire_text.write(exchanges[:1]).replace("/version", "/metrics").replace("client-certificate", "timing")
    )
    printed = Printed(capsys, str(tmp_path / "unknown"))
    assert printed.kinds == ["ClusterRole"]
    assert any("--for USER" in note for note in printed.notes)
    bound = Printed(capsys, str(tmp_path / "unknown"), "--for=bob")
    assert bound.kinds == ["ClusterRole", "ClusterRoleBinding"]


def test_refused_only_leaves_out_what_was_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    name = recording("grants/apply_create_refused")
    assert [rule["verbs"] for rule in Printed(capsys, name).rules] == [["create", "patch"]]
    assert [rule["verbs"] for rule in Printed(capsys, name, "--refused-only").rules] == [["create"]]


def test_names_that_controllers_make_are_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    name = recording("grants/makes_a_namespace")
    printed = Printed(capsys, name)
    assert any("web-7c9f8d6b5c-x2x9q" in note and "--any-name" in note for note in printed.notes)
    assert "mitmkube: namespace made was made by the session: its Role can be applied once the namespace is there" in (
        printed.notes
    )
    pods = next(rule for rule in Printed(capsys, name, "--any-name").rules if rule["resources"] == ["pods"])
    assert "resourceNames" not in pods


def test_what_is_left_out_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    printed = Printed(capsys, recording("grants/open_to_all"))
    assert printed.text == ""
    assert printed.notes == [
        "mitmkube: 2 requests left out: every authenticated user may make them (discovery, questions about oneself)",
        "mitmkube: nothing to grant: no request that needs a role was found",
    ]


def test_audit_log_is_read_whole_and_not_for_its_failures_only(capsys: pytest.CaptureFixture[str]) -> None:
    printed = Printed(capsys, str(RECORDINGS / "readers" / "audit" / "audit.log"))
    assert ": 1 request\n" in printed.text
    assert " refused\n" in printed.text


@pytest.mark.parametrize("name", [".", "..", "a/b", "a%b"])
def test_name_that_rbac_does_not_take_is_refused(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert cli.main(["rbac", recording("grants/open_to_all"), "--name", name]) == 2
    assert f"{name} is no name for a role" in capsys.readouterr().err


def test_file_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rbac", "/no/such/file"]) == 2
    assert capsys.readouterr().err == "mitmkube: /no/such/file cannot be read: No such file or directory\n"


def test_long_list_of_requests_is_cut(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (one,) = wire_text.read(Path(recording("grants/apply_changed")).read_text("utf-8"))
    text = wire_text.write([one])
    stories = [text.replace("/configmaps/new", f"/configmaps/new-{number}") for number in range(30)]
    (tmp_path / "many").write_text("---\n".join(stories))
    lines = Printed(capsys, str(tmp_path / "many")).text.splitlines()
    assert sum(line.startswith("# patch") for line in lines) == rbac.MOST_LINES - 1
    assert "# and 23 more" in lines


def test_user_with_the_name_of_an_option_is_bound_as_a_user(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    event = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "1", "stage": "ResponseComplete", "verb": "list",
        "requestURI": "/api/v1/namespaces/prod/pods", "user": {"username": "group:system:masters"},
        "objectRef": {"resource": "pods", "namespace": "prod", "apiVersion": "v1"}, "responseStatus": {"code": 200},
    }  # fmt: skip
    log = tmp_path / "audit.log"
    log.write_text(json.dumps(event) + "\n")
    documents = list(yaml.safe_load_all(Printed(capsys, str(log)).text))
    subjects = [subject for document in documents for subject in document.get("subjects", ())]
    assert [(subject["kind"], subject["name"]) for subject in subjects] == [("User", "group:system:masters")]
