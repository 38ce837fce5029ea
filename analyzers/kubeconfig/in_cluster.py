"""The configuration that client-go falls back to inside a pod: the service account's files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from analyzers.kubeconfig.key_pair import certificates_in
from analyzers.kubeconfig.model import Cluster, Context, Kubeconfig, User

_FOLDER = Path("var/run/secrets/kubernetes.io/serviceaccount")


def in_cluster(environ: Mapping[str, str], root: Path = Path("/"), name: str = "in-cluster") -> Kubeconfig | None:
    """A kubeconfig with one cluster, user and context, all called ``name``, or None outside a pod.

    The user names the token file and never its content. Without a usable ca.crt the system's roots are meant, as in
    client-go. The namespace is POD_NAMESPACE, else the service account's, else "default".
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "")
    folder = root / _FOLDER
    token = folder / "token"
    if not host or not port or not token.is_file():
        return None
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    raw = {"server": server}
    if certificates_in(_read(folder / "ca.crt")):
        raw["certificate-authority"] = str(folder / "ca.crt")
    namespace = environ.get("POD_NAMESPACE", "") or _read(folder / "namespace").decode(errors="replace").strip()
    user = User.of(name, token, {"tokenFile": str(token)})
    return Kubeconfig(
        current_context=name,
        clusters={name: Cluster.of(name, token, raw)},
        users={name: user},
        contexts={name: Context(name=name, file=token, cluster=name, user=name, namespace=namespace or "default")},
        all_users=(user,),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
