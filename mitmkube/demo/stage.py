"""Where the demo's commands run: a home and a kubeconfig for each who asks, all in one folder that goes away."""

from __future__ import annotations

import json
import site
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mitmkube.demo.pki import Authority, KeyPair
from mitmkube.demo.recorded import Recordings
from mitmkube.demo.scenes import MANIFEST
from mitmkube.private_files import private_folder, write_private

# They would lead the commands to the user's own clusters, caches and proxies.
_NOT_PASSED_ON = ("KUBE", "XDG_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def environment(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What the commands get: home and temporary files in ``folder``, nothing that leads to a real cluster."""
    kept = {name: value for name, value in environ.items() if not name.upper().startswith(_NOT_PASSED_ON)}
    return {
        **kept,
        "HOME": str(private_folder(folder / "home")),
        "TMPDIR": str(private_folder(folder / "tmp")),
        # mitmkube itself may be installed below the real home.
        "PYTHONUSERBASE": site.getuserbase(),
    }


def work_folder(folder: Path, authority: Authority, recordings: Recordings, server: str, closed: int) -> Path:
    """Where the commands run: a kubeconfig for each ``who``, and the manifest that was fetched before it changed."""
    work = private_folder(folder / "work")
    admin = _certificate(authority.client("admin", "system:masters"))
    _kubeconfig(work, "admin", server, authority.file, admin)
    _kubeconfig(work, "jane", server, authority.file, _certificate(authority.client("jane", "dev")))
    _kubeconfig(work, "stranger", server, authority.file, {"token": "a-token-of-another-cluster"})
    _kubeconfig(work, "moved", f"https://127.0.0.1:{closed}", authority.file, admin)
    (stale,) = recordings.by_file["admin/stale_deployment"]
    manifest = yaml.safe_dump(json.loads(stale.request.body or b"{}"), sort_keys=False)
    write_private(work / MANIFEST, manifest.encode())
    return work


def _certificate(pair: KeyPair) -> dict[str, str]:
    return {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}


def _kubeconfig(work: Path, who: str, server: str, ca: Path, user: Mapping[str, str]) -> None:
    cluster = "moved" if who == "moved" else "demo"
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority": str(ca)}}],
        "users": [{"name": who, "user": dict(user)}],
        "contexts": [{"name": who, "context": {"cluster": cluster, "user": who}}],
        "current-context": who,
    }
    write_private(work / f"{who}.kubeconfig", yaml.safe_dump(document, sort_keys=False).encode())
