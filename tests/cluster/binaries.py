"""The programs that the tests on a real cluster need, built once from their Go modules into a cache folder.

``python -m tests.cluster.binaries`` builds them all and prints the folder of the cluster's. If KUBEBUILDER_ASSETS names
a folder that holds the cluster's programs, that one is taken.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.cluster.go_programs import BuildFailed, GoBuild, GoPrograms, say
from tests.cluster.kubectl import OLDER_KUBECTLS, find_kubectls

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kwok")
# So many are wanted; where PATH has fewer, older ones are built.
KUBECTLS = 3

# kubectl is the newest one to test with, beside those on PATH.
_KUBE = tuple(f"k8s.io/kubernetes/cmd/{name}" for name in ("kube-apiserver", "kube-controller-manager", "kubectl"))
_CLUSTER = GoPrograms(
    what="the cluster's programs, which takes about ten minutes on two cores,",
    source=Path(__file__).parent / "go",
    builds=(
        GoBuild(module="kube", packages=("./cmd/etcd", *_KUBE), versioned="k8s.io/kubernetes"),
        GoBuild(module="kwok", packages=("sigs.k8s.io/kwok/cmd/kwok",)),
    ),
)
# helm, and a program that watches as a controller does.
CLIENTS = GoPrograms(
    what="the clients that are not kubectl, which takes about two minutes,",
    source=Path(__file__).parent / "go-clients",
    builds=(GoBuild(packages=("./cmd/informers", "helm.sh/helm/v3/cmd/helm")),),
)


def binaries() -> Path:
    """The folder with the cluster's programs; builds them if need be, which takes minutes. Raises BuildFailed."""
    if folder := built():
        return folder
    if given := os.environ.get("KUBEBUILDER_ASSETS"):
        say(f"KUBEBUILDER_ASSETS={given} does not hold all of {', '.join(PROGRAMS)}: building them")
    return _CLUSTER.build()


def built() -> Path | None:
    """The folder with the cluster's programs if they are there already."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if given and all(os.access(Path(given) / name, os.X_OK) for name in PROGRAMS):
        return Path(given).absolute()
    return _CLUSTER.built()


def build_all() -> Path:
    """Build whatever the tests need and this machine has not. Raises BuildFailed."""
    folder = binaries()
    CLIENTS.build()
    if len(find_kubectls(folder)) < KUBECTLS:
        OLDER_KUBECTLS.build()
        find_kubectls.cache_clear()
    return folder


if __name__ == "__main__":
    try:
        print(build_all())
    except BuildFailed as failed:
        sys.exit(f"cluster: {failed}")
