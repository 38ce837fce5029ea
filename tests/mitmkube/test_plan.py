"""What is prepared before a command goes through the proxy, and what is said about it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from analyzers.kubeconfig import KubeconfigError
from mitmkube.plan import is_overlay, plan, proxy_user, standing_plan

PASSWORD = "the-password-of-the-proxy"
CA = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def kubeconfig(path: Path, *clusters: str, **settings: Any) -> Path:
    """A kubeconfig with these clusters, the first of them current."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": clusters[0] if clusters else "",
        "clusters": [{"name": n, "cluster": {"server": f"https://{n}.test:6443", **settings}} for n in clusters],
        "contexts": [{"name": n, "context": {"cluster": n, "user": "jane"}} for n in clusters],
        "users": [{"name": "jane", "user": {"token": "x"}}],
    }
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(yaml.safe_dump(document))
    return path


def environ(tmp_path: Path, *paths: Path | str) -> dict[str, str]:
    found = {"HOME": str(tmp_path), "OTHER": "kept"}
    return {**found, "KUBECONFIG": ":".join(map(str, paths))} if paths else found


def proxy_urls(path: Path) -> dict[str, str]:
    return {entry["name"]: entry["cluster"]["proxy-url"] for entry in yaml.safe_load(path.read_text())["clusters"]}


def test_overlay_leads_every_cluster_through_the_proxy_as_a_user_of_its_own(tmp_path: Path) -> None:
    prepared = plan(("kubectl", "get", "pods"), environ(tmp_path, kubeconfig(tmp_path / "k", "a", "b")), PASSWORD)
    prepared.write_overlay(tmp_path / "overlay", 4711, CA)
    users = {name: proxy_user(prepared.invocation, name) for name in ("a", "b")}
    assert len(set(users.values())) == 2
    assert proxy_urls(tmp_path / "overlay") == {
        name: f"http://{user}:{PASSWORD}@127.0.0.1:4711" for name, user in users.items()
    }


def test_proxy_user_of_a_cluster_stays_when_others_come_and_go(tmp_path: Path) -> None:
    more = standing_plan(environ(tmp_path, kubeconfig(tmp_path / "more", "a", "b")), PASSWORD)
    fewer = standing_plan(environ(tmp_path, kubeconfig(tmp_path / "fewer", "b")), PASSWORD)
    assert proxy_user(more.invocation, "b") == proxy_user(fewer.invocation, "b") != ""
    assert proxy_user(fewer.invocation, "a") == ""


def test_two_clusters_at_one_address_are_told_apart_by_their_proxy_user(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "k", "a", "b")
    path.write_text(path.read_text().replace("b.test", "a.test"))
    prepared = plan(("kubectl", "get", "pods"), environ(tmp_path, path), PASSWORD)
    for name in ("a", "b"):
        found = prepared.upstreams.find("a.test", 6443, proxy_user(prepared.invocation, name))
        assert found is not None
        assert found.cluster == name


def test_overlay_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    prepared = plan(("kubectl", "get", "pods"), environ(tmp_path, kubeconfig(tmp_path / "k", "a")), PASSWORD)
    prepared.write_overlay(tmp_path / "overlay", 1, CA)
    assert stat.S_IMODE((tmp_path / "overlay").stat().st_mode) == 0o600


@pytest.mark.parametrize("listed", [(), ("k",), ("missing", "k"), ("k", "", "l")])
def test_only_kubeconfig_changes_and_the_users_own_list_stays_behind_the_overlay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    kubeconfig(tmp_path / ".kube" / "config", "home")
    kubeconfig(tmp_path / "k", "a")
    before = environ(tmp_path, *listed)
    prepared = plan(("some-program",), before, PASSWORD)
    prepared.write_overlay(tmp_path / "overlay", 1, CA)
    own = ":".join(listed) or str(tmp_path / ".kube" / "config")
    assert prepared.environ == {**before, "KUBECONFIG": f"{tmp_path / 'overlay'}:{own}"}


def test_command_that_needs_no_server_runs_without_an_overlay(tmp_path: Path) -> None:
    before = environ(tmp_path, kubeconfig(tmp_path / "k", "a"))
    prepared = plan(("kubectl", "help"), before, PASSWORD)
    prepared.write_overlay(tmp_path / "overlay", 1, CA)
    assert prepared.environ == before
    assert not (tmp_path / "overlay").exists()
    assert prepared.carry_back() == ()


def test_password_is_in_no_repr(tmp_path: Path) -> None:
    prepared = plan(("kubectl", "get", "pods"), environ(tmp_path, kubeconfig(tmp_path / "k", "a")), PASSWORD)
    prepared.write_overlay(tmp_path / "overlay", 1, CA)
    assert PASSWORD not in repr(prepared)
    assert PASSWORD not in repr(prepared.upstreams)


def test_insecure_cluster_is_said_in_words(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "k", "a", **{"insecure-skip-tls-verify": True})
    (notice,) = plan(("kubectl", "get", "pods"), environ(tmp_path, path), PASSWORD).notices
    assert notice.startswith("Cluster a has insecure-skip-tls-verify")


def nested(tmp_path: Path, *own: Path) -> dict[str, str]:
    """The environment inside a run."""
    outer = plan(("kubectl", "get", "pods"), environ(tmp_path, *own), "the password of the outer one")
    outer.write_overlay(tmp_path / "outer", 1, CA)
    return outer.environ


def test_overlay_of_another_mitmkube_is_set_aside_and_said_in_words(tmp_path: Path) -> None:
    own = kubeconfig(tmp_path / "k", "a")
    prepared = plan(("kubectl", "get", "pods"), nested(tmp_path, own), PASSWORD)
    prepared.write_overlay(tmp_path / "inner", 2, CA)
    assert prepared.environ == environ(tmp_path, tmp_path / "inner", own)
    assert prepared.notices == ("This ran inside another mitmkube; the outer one saw nothing of this command.",)


def test_environment_without_kubeconfig_is_found_again_inside_another_mitmkube(tmp_path: Path) -> None:
    kubeconfig(tmp_path / ".kube" / "config", "home")
    prepared = plan(("kubectl", "help"), nested(tmp_path), PASSWORD)
    assert prepared.environ == environ(tmp_path)


def test_overlay_is_recognised(tmp_path: Path) -> None:
    nested(tmp_path, kubeconfig(tmp_path / "k", "a", "b"))
    assert is_overlay(tmp_path / "outer")


@pytest.mark.parametrize("content", [None, "", "a: [", "- a", "clusters: []", "clusters: [{name: a, cluster: {}}]"])
def test_other_file_is_no_overlay(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "file").write_text(content)
    assert not is_overlay(tmp_path / "file")


def test_kubeconfig_with_a_proxy_of_the_users_own_is_no_overlay(tmp_path: Path) -> None:
    assert not is_overlay(kubeconfig(tmp_path / "k", "a", **{"proxy-url": "http://proxy.corp:3128"}))


def test_standing_proxy_needs_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="names no cluster"):
        standing_plan(environ(tmp_path, kubeconfig(tmp_path / "k")), PASSWORD)


def test_standing_proxy_serves_every_cluster_of_every_file(tmp_path: Path) -> None:
    paths = kubeconfig(tmp_path / "k", "a"), kubeconfig(tmp_path / "l", "b")
    prepared = standing_plan(environ(tmp_path, *paths), PASSWORD)
    prepared.write_overlay(tmp_path / "overlay", 1, CA)
    assert list(proxy_urls(tmp_path / "overlay")) == ["a", "b"]


def test_what_is_changed_in_the_overlay_is_carried_back_without_the_proxy(tmp_path: Path) -> None:
    own = kubeconfig(tmp_path / "k", "a")
    prepared = standing_plan(environ(tmp_path, own), PASSWORD)
    prepared.write_overlay(tmp_path / "overlay", 1, CA)
    text = (tmp_path / "overlay").read_text()
    (tmp_path / "overlay").write_text(text.replace("a.test", "new.test"))
    assert prepared.carry_back() == ()
    assert yaml.safe_load(own.read_text())["clusters"] == [
        {"name": "a", "cluster": {"server": "https://new.test:6443"}}
    ]


def test_overlay_that_another_mitmkube_wrote_over_is_not_carried_back(tmp_path: Path) -> None:
    own = kubeconfig(tmp_path / "k", "a")
    before = own.read_text()
    prepared = standing_plan(environ(tmp_path, own), PASSWORD)
    prepared.write_overlay(tmp_path / "overlay", 1, CA)
    standing_plan(environ(tmp_path, own), "another password").write_overlay(tmp_path / "overlay", 2, CA)
    (notice,) = prepared.carry_back()
    assert "Another mitmkube wrote over the overlay" in notice
    assert own.read_text() == before


# Proxies on the way


SOCKS = "socks5://jane:secret@bastion.test:1080"


@pytest.mark.parametrize("line", ["kubectl get pods", "kubectl get pods --context=a", "helm list", "sh -c ./deploy"])
def test_proxy_that_cannot_be_passed_is_refused_before_anything_is_run(tmp_path: Path, line: str) -> None:
    path = kubeconfig(tmp_path / "k", "a", **{"proxy-url": SOCKS})
    with pytest.raises(KubeconfigError) as refused:
        plan(tuple(line.split()), environ(tmp_path, path), PASSWORD)
    assert str(refused.value) == (
        "the way to cluster a leads through socks5://bastion.test:1080, and mitmkube passes http and https proxies"
        " only; run the command without mitmkube, or have an http proxy in its place"
    )


def test_proxy_of_the_environment_that_cannot_be_passed_is_refused_too(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "k", "a")
    with pytest.raises(KubeconfigError, match=r"leads through socks5://bastion\.test:1080"):
        plan(("kubectl", "get", "pods"), {**environ(tmp_path, path), "HTTPS_PROXY": SOCKS}, PASSWORD)
    plan(("kubectl", "get", "pods"), {**environ(tmp_path, path), "HTTPS_PROXY": SOCKS, "NO_PROXY": ".test"}, PASSWORD)


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("kubectl get pods", False),
        ("kubectl get pods --context=b", True),
        ("kubectl get pods --context=b --proxy-url=http://proxy.test:3128", False),
        ("kubectl get pods --proxy-url=socks5://127.0.0.1:1080", True),
        ("kubectl config get-contexts", False),
        ("kubectl no-builtin --context=b", False),
        ("./deploy.sh", False),
    ],
)
def test_proxy_of_a_cluster_that_is_not_used_is_no_obstacle(tmp_path: Path, line: str, refused: bool) -> None:
    paths = (kubeconfig(tmp_path / "a", "a"), kubeconfig(tmp_path / "b", "b", **{"proxy-url": SOCKS}))
    if refused:
        with pytest.raises(KubeconfigError, match="leads through socks5"):
            plan(tuple(line.split()), environ(tmp_path, *paths), PASSWORD)
    else:
        assert plan(tuple(line.split()), environ(tmp_path, *paths), PASSWORD).argv


def test_standing_proxy_says_which_cluster_it_cannot_serve(tmp_path: Path) -> None:
    paths = (kubeconfig(tmp_path / "a", "a"), kubeconfig(tmp_path / "b", "b", **{"proxy-url": SOCKS}))
    (said,) = standing_plan(environ(tmp_path, *paths), PASSWORD).notices
    assert said.startswith("the way to cluster b leads through socks5://bastion.test:1080")
    with pytest.raises(KubeconfigError, match="leads through socks5"):
        standing_plan(environ(tmp_path, paths[1]), PASSWORD)


def test_password_of_a_proxy_is_not_repeated(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "k", "a", **{"proxy-url": SOCKS})
    with pytest.raises(KubeconfigError) as refused:
        plan(("kubectl", "get", "pods"), environ(tmp_path, path), PASSWORD)
    assert "secret" not in str(refused.value)


# Programs that know only the environment's proxy


def test_environments_proxy_leads_to_the_cluster_of_the_context(tmp_path: Path) -> None:
    own = {**environ(tmp_path, kubeconfig(tmp_path / "k", "b", "a")), "NO_PROXY": "x.test", "HTTP_PROXY": "http://own"}
    prepared = plan(("./deploy.sh",), own, PASSWORD)
    prepared.write_overlay(tmp_path / "overlay", 4711, CA)
    prepared.set_environment_proxy(4711, tmp_path / "ca.crt")
    clusters = yaml.safe_load((tmp_path / "overlay").read_text())["clusters"]
    url = next(entry["cluster"]["proxy-url"] for entry in clusters if entry["name"] == "b")
    assert {name: value for name, value in prepared.environ.items() if own.get(name) != value} == {
        "HTTPS_PROXY": url,
        "https_proxy": url,
        "MITMKUBE_CA": str(tmp_path / "ca.crt"),
        "KUBECONFIG": prepared.environ["KUBECONFIG"],
    }
    assert prepared.notices == ()


def test_server_that_no_proxy_names_is_said_to_be_unseen(tmp_path: Path) -> None:
    own = {**environ(tmp_path, kubeconfig(tmp_path / "k", "a")), "no_proxy": "localhost,.test"}
    prepared = plan(("./deploy.sh",), own, PASSWORD)
    prepared.set_environment_proxy(4711, tmp_path / "ca.crt")
    assert prepared.notices == ("NO_PROXY names a.test: what goes by the environment's proxy was not seen.",)


def test_command_that_runs_directly_keeps_its_environment(tmp_path: Path) -> None:
    prepared = plan(("kubectl", "config", "view"), environ(tmp_path, kubeconfig(tmp_path / "k", "a")), PASSWORD)
    prepared.set_environment_proxy(4711, tmp_path / "ca.crt")
    assert "HTTPS_PROXY" not in prepared.environ


# Hosts that were let through by name


def test_host_that_is_let_through_is_one_of_the_upstreams_and_no_cluster(tmp_path: Path) -> None:
    own = {**environ(tmp_path, kubeconfig(tmp_path / "k", "a")), "HTTPS_PROXY": "http://proxy.test:3128"}
    prepared = plan(("kubectl", "get", "pods"), own, PASSWORD, [("oauth.test", 443), ("::1", 8443)])
    found = prepared.upstreams.find("OAUTH.test", 443)
    assert found is not None
    assert (found.foreign, found.cluster, found.server_name, found.ca, found.insecure) == (
        True, "", "oauth.test", None, False,
    )  # fmt: skip
    assert found.via is not None
    assert found.via.host == "proxy.test"
    assert prepared.upstreams.find("::1", 8443)
    assert prepared.upstreams.find("oauth.test", 444) is None
    prepared.write_overlay(tmp_path / "overlay", 4711, CA)
    assert set(proxy_urls(tmp_path / "overlay")) == {"a"}


def test_cluster_that_is_let_through_besides_stays_a_cluster(tmp_path: Path) -> None:
    own = environ(tmp_path, kubeconfig(tmp_path / "k", "a"))
    prepared = plan(("kubectl", "get", "pods"), own, PASSWORD, [("a.test", 6443)])
    found = prepared.upstreams.find("a.test", 6443)
    assert found is not None
    assert not found.foreign
