"""Why the API server could not use a server that it depends on: a webhook, an aggregated API, a kubelet, a workload.

The words are Go's, as everywhere, but on this hop they mean that the server side is unwell and not the client's network
or certificates.
"""

from __future__ import annotations

import re

_WHYS = (
    (r"no endpoints available", "has no pod that is ready"),
    (r'service \\?"[^"\\]*\\?" not found|services? .* not found', "belongs to a service that does not exist"),
    (r"x509: .*unknown authority", "shows a certificate that the CA configured for it did not sign"),
    (r"x509: .*(?:expired|not yet valid)", "shows a certificate that has expired or is not yet valid"),
    (r"x509: .*(?:is valid for|IP SANs|not valid for any names|Common Name)", "shows a certificate for another name"),
    (r"x509: |failed to verify certificate", "shows a certificate that cannot be verified"),
    (r"remote error: tls", "refused the TLS handshake"),
    (r"connection refused", "refuses connections"),
    (r"no such host|server misbehaving|lookup \S+", "has a name that the API server cannot look up"),
    (r"no route to host|network is unreachable", "cannot be reached from the control plane"),
    (r"HTTP response to HTTPS client|does not look like a TLS", "does not speak TLS"),
    (r"timeout|timed out|deadline exceeded|Client\.Timeout", "did not answer in time"),
    (r"unauthorized|Unauthorized|\b401\b", "does not accept the API server's credentials"),
    (r"EOF|reset by peer|broken pipe|connection lost", "closed the connection"),
    (
        r"invalid webhook response|expected (?:webhook )?response|unexpected response|decod|unmarshal",
        "answered with something invalid",
    ),
    (r"the server could not find the requested resource|\b404\b", "does not know the path that is configured for it"),
    (r"the server rejected our request|\b4\d\d\b", "rejected the API server's question"),
    (r"an error on the server|unable to handle|\b5\d\d\b", "answered with an error of its own"),
)


def why(reason: str) -> str:
    """A verb phrase with the cause: ``refuses connections``, ``did not answer in time``."""
    for pattern, words in _WHYS:
        if re.search(pattern, reason, re.DOTALL):
            return words
    return "could not be used"
