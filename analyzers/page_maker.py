"""Whose page it is: the program or service that answered in the API server's place, by what it says of itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer

if TYPE_CHECKING:
    from analyzers.facts import Facts

# Header fields that only one maker sends, or in which makers name themselves.
_HEADERS = ("Server", "Via", "X-Powered-By", "X-Cache", "Proxy-Agent", "WWW-Authenticate", "Location")
_MAKERS = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"zscaler", "Zscaler"),
        (r"fortigate|fortiguard|fortinet", "FortiGate"),
        (r"palo alto networks|globalprotect", "a Palo Alto firewall"),
        (r"blue ?coat|proxysg|symantec web", "Symantec ProxySG"),
        (r"forcepoint|websense", "Forcepoint"),
        (r"mcafee web gateway|skyhigh", "McAfee Web Gateway"),
        (r"netskope", "Netskope"),
        (r"cloudflare", "Cloudflare"),
        (r"akamaighost|akamai", "Akamai"),
        (r"cloudfront", "Amazon CloudFront"),
        (r"awselb|elasticloadbalancing", "an AWS load balancer"),
        (r"microsoft-azure-application-gateway", "Azure Application Gateway"),
        (r"google frontend|\bgws\b|gfe/", "Google Front End"),
        (r"big-?ip|\bf5\b", "F5 BIG-IP"),
        (r"squid", "Squid"),
        (r"haproxy|no server is available to handle this request", "HAProxy"),
        (r"openresty", "OpenResty"),
        (r"traefik", "Traefik"),
        (r"istio-envoy|\benvoy\b|no healthy upstream|upstream connect error", "Envoy"),
        (r"varnish", "Varnish"),
        (r"jenkins|/login\?from=%2f", "Jenkins"),
        (r"rancher", "Rancher"),
        (r"openshift|oauth-openshift", "OpenShift"),
        (r"teleport", "Teleport"),
        (r"keycloak", "Keycloak"),
        (r"\bdex\b", "Dex"),
        (r"gitlab", "GitLab"),
        (r"microsoft-iis|microsoft-httpapi", "Microsoft IIS"),
        (r"nginx", "nginx"),
        (r"apache", "Apache"),
        (r"caddy", "Caddy"),
    )
)
_LONGEST = 4096


def maker(facts: Facts) -> str:
    """``nginx``, ``Cloudflare``, ``an AWS load balancer``; "" where neither headers nor page tell."""
    response = facts.exchange.response
    if response is None:
        return ""
    said = [response.headers.get(name) for name in _HEADERS]
    said.append(answer.said(facts)[:_LONGEST] if answer.html(facts) or len(facts.text) < _LONGEST else "")
    return next((name for pattern, name in _MAKERS for text in said if text and pattern.search(text)), "")
