"""The names that a certificate of the proxy's is for, as X.509 has them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from cryptography import x509


def leaf_names(hosts: Iterable[str]) -> list[x509.DNSName | x509.IPAddress]:
    """Each of ``hosts`` once, in order: an address as an address, a name as clients compare it.

    What no certificate can be for (a label that is empty or too long, a pattern) is left out; no client could verify it
    either.
    """
    found: dict[x509.DNSName | x509.IPAddress, None] = {}
    for host in hosts:
        try:
            found[x509.IPAddress(_without_zone(host))] = None
            continue
        except ValueError:
            pass
        try:
            # Go refuses a whole certificate whose constraint ends with a dot.
            name = host.rstrip(".").encode("idna").decode().lower()
        except UnicodeError:
            continue
        if name and "*" not in name:
            found[x509.DNSName(name)] = None
    return list(found)


def _without_zone(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address in ``host``; a zone such as ``%eth0`` is no part of a certificate."""
    return ipaddress.ip_address(ipaddress.ip_address(host).packed)
