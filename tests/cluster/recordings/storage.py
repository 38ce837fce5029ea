"""What etcd refuses, and what lies in it that cannot be read."""

from __future__ import annotations

import base64

from tests.cluster.record import Recorder, save
from tests.cluster.recordings.case import CONFIGMAPS, records


@records("health-etcd", alone=())
def unreadable(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    path = CONFIGMAPS.format("prod")
    r.cluster._etcd("/v3/kv/put", {"key": _text("/registry/configmaps/prod/broken"), "value": _text("{")})
    save(
        "health-etcd", "hit_unreadable", [r.send("GET", f"{path}/broken")], f"{said}: an object in etcd that is garbage"
    )
    save("health-etcd", "hit_unreadable_list", [r.send("GET", f"{path}?resourceVersion=")], f"{said}: a list with it")
    r.cluster._etcd("/v3/kv/deleterange", {"key": _text("/registry/configmaps/prod/broken")})


@records("health-etcd", alone=("--feature-gates=AllowUnsafeMalformedObjectDeletion=true",))
def unreadable_and_named(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version} with AllowUnsafeMalformedObjectDeletion"
    path = CONFIGMAPS.format("prod")
    r.cluster._etcd("/v3/kv/put", {"key": _text("/registry/configmaps/prod/broken"), "value": _text("{")})
    save("health-etcd", "hit_storage_read_error", [r.send("GET", f"{path}?resourceVersion=")], f"{said}: a list")


@records("health-etcd", alone=())
def locked(r: Recorder) -> None:
    """etcd asks for a password that the API server does not have."""
    said = f"recorded from kube-apiserver {r.version}"
    r.cluster._etcd("/v3/auth/user/add", {"name": "root", "password": "root"})
    r.cluster._etcd("/v3/auth/role/add", {"name": "root"})
    r.cluster._etcd("/v3/auth/user/grant", {"user": "root", "role": "root"})
    r.cluster._etcd("/v3/auth/enable", {})
    save(
        "health-etcd",
        "hit_not_logged_in",
        [r.send("POST", CONFIGMAPS.format("prod"), {"metadata": {"name": "new"}})],
        f"{said}: etcd that asks for a user name",
    )


def _text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
