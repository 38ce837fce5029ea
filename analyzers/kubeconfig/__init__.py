"""The user's kubeconfig as client-go reads it: which files, how they merge, and what a call would select.

Nothing here reads the environment: variables, the home folder and the root of the file system come in as values.
"""

from analyzers.kubeconfig.forward_proxy import forward_proxy, passes_by, proxy_address
from analyzers.kubeconfig.in_cluster import in_cluster
from analyzers.kubeconfig.key_pair import KeyPair, KeyPairSource, certificates_in
from analyzers.kubeconfig.load import config_paths, load
from analyzers.kubeconfig.model import Cluster, Context, Kubeconfig, Selection, User
from analyzers.kubeconfig.syntax import KubeconfigError

__all__ = [
    "Cluster",
    "Context",
    "KeyPair",
    "KeyPairSource",
    "Kubeconfig",
    "KubeconfigError",
    "Selection",
    "User",
    "certificates_in",
    "config_paths",
    "forward_proxy",
    "in_cluster",
    "load",
    "passes_by",
    "proxy_address",
]
