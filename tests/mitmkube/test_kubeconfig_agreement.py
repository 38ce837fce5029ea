"""The kubeconfig is read as kubectl reads it: each file here is given to the real kubectl too."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from analyzers.kubeconfig import KubeconfigError, load
from analyzers.kubeconfig.syntax import text_of


def as_kubectl_sees_it(kubectl: str, folder: Path, kubeconfig: str) -> dict[str, Any] | None:
    """None when kubectl refuses it."""
    done = subprocess.run(
        [kubectl, "config", "view", "--raw", "-o", "json"],
        env={"KUBECONFIG": kubeconfig, "HOME": str(folder), "PATH": os.environ["PATH"]},
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "# a comment\n",
        "clusters: null",
        "clusters: [",
        "just text",
        "- a",
        "clusters: {}",
        "clusters: [text]",
        "clusters: [{name: a}]",
        "clusters: [{name: a, cluster: null}]",
        "clusters: [{name: a, cluster: text}]",
        "clusters: [{name: a, cluster: {server: x}}, {name: a, cluster: {server: y}}]",
        "clusters: [{name: a, cluster: {certificate-authority-data: '***'}}]",
        "clusters: [{name: 12, cluster: {server: 2024-01-01}}]",
        "clusters: [{name: 0b11, cluster: {server: 12:30}}]",
        "clusters: [{name: yes, cluster: {server: a}}]",
        "clusters: [{name: y, cluster: {server: a}}]",
        "clusters: [{name: a, cluster: {server: =}}]",
        "clusters: [{name: a, cluster: {server: 0o17}}]",
        "clusters: [{name: a, cluster: {server: 12:30}}]",
        "clusters: [{name: a, cluster: {server: 2024-01-01}}]",
        "clusters: [{name: a, cluster: {server: a, disable-compression: yes, unknown: 1}}]",
        "clusters: [{name: a, cluster: {server: a, insecure-skip-tls-verify: 'true'}}]",
        "users: [{name: u, user: {token: 0123}}]",
        "clusters: [{name: a, cluster: {server: 0x1f, unknown: 1}}]",
        "kind: Pod\napiVersion: v1",
        "kind: Config",
        "apiVersion: v2",
        '{\n\t"clusters": [\n\t\t{"name": "a", "cluster": {"server": "https://a"}}\n\t]\n}',
        "contexts:\n- name: &n a\n  context: {cluster: *n}\ncurrent-context: *n",
        "\ufeffcurrent-context: a",
        "a: b: c",
        "current-context: 5",
    ],
)
def test_file_is_accepted_and_read_as_kubectl_does(kubectl: str, tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    expected = as_kubectl_sees_it(kubectl, tmp_path, "config")
    try:
        kubeconfig = load((tmp_path / "config",))
    except KubeconfigError:
        assert expected is None
        return
    assert expected is not None
    assert kubeconfig.current_context == (expected["current-context"] or "")
    assert {name: cluster.server for name, cluster in kubeconfig.clusters.items()} == {
        entry["name"]: entry["cluster"]["server"] for entry in expected["clusters"] or ()
    }
    assert set(kubeconfig.contexts) == {entry["name"] for entry in expected["contexts"] or ()}


def test_files_merge_as_kubectl_merges_them(kubectl: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(
        "current-context: ''\nclusters: [{name: c, cluster: {server: 'https://a'}}]\nusers: [{name: u, user: {}}]"
    )
    (tmp_path / "b").write_text(
        "current-context: b\nclusters: [{name: c, cluster: {server: 'https://b', tls-server-name: b}}]\n"
        "users: [{name: u, user: {token: t}}, {name: v, user: {token: t}}]\n"
        "contexts: [{name: b, context: {cluster: c, user: v}}]"
    )
    expected = as_kubectl_sees_it(kubectl, tmp_path, "missing:a::b:a")
    assert expected is not None
    kubeconfig = load((tmp_path / "missing", tmp_path / "a", tmp_path / "b"))
    assert {name: dict(user.raw) for name, user in kubeconfig.users.items()} == {
        entry["name"]: entry["user"] for entry in expected["users"]
    }
    (only,) = expected["clusters"]
    assert dict(kubeconfig.clusters["c"].raw) == only["cluster"]
    assert kubeconfig.current_context == text_of(expected, "current-context")
