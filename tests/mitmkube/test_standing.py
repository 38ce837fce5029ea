"""A proxy that stays up follows the kubeconfig, and renews its CA before it ends. The time is the test's."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from analyzers.kubeconfig import KubeconfigError
from mitmkube import authority
from mitmkube import standing as standing_module
from mitmkube.plan import Plan, standing_plan
from mitmkube.standing import AUTHORITY_LIFETIME, Changed, Standing
from tests.cluster import pki
from tests.mitmkube.test_plan import environ, kubeconfig

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SECOND, DAY = dt.timedelta(seconds=1), dt.timedelta(days=1)
PASSWORD = "the-password-of-the-proxy"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return kubeconfig(tmp_path / "kube" / "config", "a")


@pytest.fixture
def standing(tmp_path: Path, config: Path) -> Standing:
    return Standing(tmp_path, lambda: standing_plan(environ(tmp_path, config), PASSWORD), NOW)


def writer(tmp_path: Path) -> Callable[[Plan, bytes], None]:
    return lambda plan, ca: plan.write_overlay(tmp_path / "overlay", 4711, ca)


def ends(pem: bytes) -> dt.datetime:
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def key(pem: bytes) -> object:
    return x509.load_pem_x509_certificate(pem).public_key()


def test_nothing_new_is_none(standing: Standing) -> None:
    assert [standing.look(NOW + number * SECOND) for number in range(1, 5)] == [None] * 4
    assert standing.look(NOW + DAY) is None


def test_new_cluster_is_served_and_the_authority_is_for_it_too(standing: Standing, config: Path) -> None:
    kubeconfig(config, "a", "b")
    changed = standing.look(NOW + SECOND)
    assert changed is not None
    assert changed.plan.upstreams.find("b.test", 6443) is not None
    assert set(changed.plan.upstreams.hosts) == {"a.test", "b.test"}
    assert changed.is_ca_new
    assert key(changed.ca) == key(standing.ca)
    assert standing.look(NOW + 2 * SECOND) is None


def test_cluster_that_is_gone_is_served_no_more(standing: Standing, config: Path) -> None:
    kubeconfig(config, "b")
    changed = standing.look(NOW + SECOND)
    assert changed is not None
    assert changed.plan.upstreams.find("a.test", 6443) is None


def full_disk(*_: object) -> bytes:
    raise OSError(28, "No space left on device")


def test_change_that_could_not_be_written_is_tried_again(
    standing: Standing, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig(config, "b")
    with monkeypatch.context() as full:
        full.setattr(authority, "keep", full_disk)
        with pytest.raises(OSError, match="No space left"):
            standing.look(NOW + SECOND)
    changed = standing.look(NOW + 2 * SECOND)
    assert changed is not None
    with pytest.raises(OSError, match="No space left"):
        standing.take(changed, full_disk)  # type: ignore[arg-type]
    again = standing.look(NOW + 3 * SECOND)
    assert again is not None
    assert again.plan.upstreams.find("b.test", 6443) is not None


def test_new_user_leaves_the_authority_as_it_is(standing: Standing, config: Path) -> None:
    document = yaml.safe_load(config.read_text())
    document["users"].append({"name": "bob", "user": {"token": "bobs"}})
    config.write_text(yaml.safe_dump(document))
    changed = standing.look(NOW + SECOND)
    assert changed is not None
    assert not changed.is_ca_new
    assert changed.ca == standing.ca


@pytest.mark.parametrize("replaced", [False, True])
def test_authority_of_a_server_that_was_rotated_is_read_again(tmp_path: Path, config: Path, *, replaced: bool) -> None:
    """Also where its file was put in the place of the old one."""
    file = config.with_name("server-ca.crt")
    one, other = (pki.Authority.create("kubernetes").certificate_pem for _ in range(2))
    file.write_bytes(one)
    kubeconfig(config, "a", **{"certificate-authority": "server-ca.crt"})
    standing = Standing(tmp_path, lambda: standing_plan(environ(tmp_path, config), PASSWORD), NOW)
    if replaced:
        fresh = config.with_name("fresh")
        fresh.write_bytes(other)
        fresh.replace(file)
    else:
        file.write_bytes(other)
    changed = standing.look(NOW + SECOND)
    assert changed is not None
    (upstream,) = changed.plan.invocation.upstreams.values()
    assert upstream.ca == other


def test_kubeconfig_that_cannot_be_read_is_said_once_and_changes_nothing(standing: Standing, config: Path) -> None:
    before, text = standing.plan, config.read_text()
    config.write_text("{")
    with pytest.raises(KubeconfigError):
        standing.look(NOW + SECOND)
    assert standing.look(NOW + 2 * SECOND) is None
    assert standing.plan is before
    config.write_text(text + "\n")
    assert standing.look(NOW + 3 * SECOND) is not None


def test_kubeconfig_that_is_gone_for_a_moment_is_followed_when_it_is_back(standing: Standing, config: Path) -> None:
    text = config.read_text()
    config.unlink()
    with pytest.raises(KubeconfigError):
        standing.look(NOW + SECOND)
    config.write_text(text.replace("a.test", "b.test"))
    changed = standing.look(NOW + 2 * SECOND)
    assert changed is not None
    assert changed.plan.upstreams.find("b.test", 6443) is not None


def test_authority_is_renewed_long_before_it_ends(standing: Standing) -> None:
    until = NOW
    while (changed := standing.look(until)) is None:
        until += DAY
        assert until < ends(standing.ca)
    assert changed.plan is standing.plan
    assert changed.is_ca_new
    assert ends(standing.ca) - until >= AUTHORITY_LIFETIME / 3 - DAY
    assert ends(changed.ca) == until + AUTHORITY_LIFETIME
    assert key(changed.ca) == key(standing.ca)


def test_overlay_is_written_anew_and_what_was_changed_in_it_is_brought_back(
    standing: Standing, config: Path, tmp_path: Path
) -> None:
    write = writer(tmp_path)
    write(standing.plan, standing.ca)
    overlay = yaml.safe_load((tmp_path / "overlay").read_text())
    overlay["contexts"] = [{"name": "mine", "context": {"cluster": "a", "user": "jane"}}]
    (tmp_path / "overlay").write_text(yaml.safe_dump(overlay))
    kubeconfig(config, "a", "b")
    changed = standing.look(NOW + SECOND)
    assert changed is not None
    assert standing.take(changed, write) == ()
    names = [one["name"] for one in yaml.safe_load((tmp_path / "overlay").read_text())["clusters"]]
    assert names == ["a", "b"]
    assert "mine" in [one["name"] for one in yaml.safe_load(config.read_text())["contexts"]]
    assert (standing.plan, standing.ca) == (changed.plan, changed.ca)


def test_it_is_served_before_clients_are_led_there(
    standing: Standing, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing_module, "LOOK_SECONDS", 0.001)
    write = writer(tmp_path)
    write(standing.plan, standing.ca)
    order: list[str] = []
    said: list[str] = []

    def serve(changed: Changed) -> None:
        order.append("served")
        assert "b.test" not in (tmp_path / "overlay").read_text()
        assert changed.plan.upstreams.find("b.test", 6443) is not None

    def lead(plan: Plan, ca: bytes) -> None:
        write(plan, ca)
        order.append("led")

    async def follow() -> None:
        following = asyncio.create_task(standing.follow(serve, lead, said.append, lambda: NOW))
        good = config.read_text()
        config.write_text("{")
        while not said:
            await asyncio.sleep(0.001)
        config.write_text(good)
        kubeconfig(config, "a", "b")
        while "led" not in order:
            await asyncio.sleep(0.001)
        following.cancel()

    asyncio.run(asyncio.wait_for(follow(), 60))
    assert order[:2] == ["served", "led"]
    assert said[0].endswith("; going on with the kubeconfig as it was")


@pytest.mark.parametrize("server", ["https://*.b.test:6443", "https://xn--a.test:6443", "https://a..b:6443"])
def test_server_that_no_certificate_can_name_takes_nothing_from_the_others(
    standing: Standing, config: Path, server: str
) -> None:
    kubeconfig(config, "a", "b")
    config.write_text(config.read_text().replace("https://b.test:6443", server))
    assert server in config.read_text()
    changed = standing.look(NOW + SECOND)
    assert changed is not None
    assert "a.test" in changed.plan.upstreams.hosts


def test_pipe_in_place_of_the_kubeconfig_is_not_waited_for(standing: Standing, config: Path) -> None:
    config.unlink()
    os.mkfifo(config)
    with pytest.raises(KubeconfigError, match="is no file any more"):
        standing.look(NOW + SECOND)


def test_kubeconfig_after_one_that_nobody_has_thought_of_is_followed(
    standing: Standing, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing_module, "LOOK_SECONDS", 0.001)
    said: list[str] = []
    served: list[Changed] = []
    make = standing._make

    def fails_once() -> Plan:
        if not said:
            raise RuntimeError("odd")
        return make()

    monkeypatch.setattr(standing, "_make", fails_once)

    async def follow() -> None:
        following = asyncio.create_task(standing.follow(served.append, writer(tmp_path), said.append, lambda: NOW))
        kubeconfig(config, "a", "b")
        while not said:
            await asyncio.sleep(0.001)
        kubeconfig(config, "a", "b", "c")
        while not served:
            await asyncio.sleep(0.001)
        following.cancel()

    asyncio.run(asyncio.wait_for(follow(), 30))
    assert said == ["the kubeconfig cannot be used (RuntimeError); going on with it as it was"]
