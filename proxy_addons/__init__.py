"""What sits between a Kubernetes client and its API server: knows mitmproxy, and as little of Kubernetes as it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy_addons.tunnels import Tunnels


def kube_addons(tunnels: Tunnels) -> list[object]:
    """The addons that carry traffic, in the order in which mitmproxy must meet them, before its own."""
    # Here, so that reading a kubeconfig does not import mitmproxy.
    from proxy_addons.layering import Layering
    from proxy_addons.reach import Reach

    return [Reach(tunnels), Layering(tunnels)]
