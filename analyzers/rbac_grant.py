"""The smallest RBAC grant that allows a refused request, as kubectl commands that can be pasted.

A Role where the request names a namespace, a ClusterRole elsewhere; only the verb, resource, subresource, object name
or path that was refused, because a wider grant is for the administrator to decide.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

from analyzers.attributes import Attributes
from analyzers.finding import Fix

_SERVICE_ACCOUNT = re.compile(r"^system:serviceaccount:([^:]+):([^:]+)$")
_UPGRADES = frozenset({"exec", "attach", "portforward"})


def fix(attributes: Attributes, text: str = "") -> Fix:
    """The grant as a fix. ``text`` overrides "grant exactly that"."""
    return Fix(text or "grant exactly that:", by=administrator(attributes), commands=(*commands(attributes),))


def administrator(attributes: Attributes) -> str:
    """Who can make such a grant."""
    return (
        f"an administrator of namespace {attributes.namespace}" if attributes.namespace else "a cluster administrator"
    )


def commands(attributes: Attributes) -> tuple[str, str]:
    """``kubectl create role …`` and ``kubectl create rolebinding …``, or their cluster-wide kin."""
    a = _both_ways_to_upgrade(attributes)
    kind = "role" if a.namespace else "clusterrole"
    scope = ["-n", a.namespace] if a.namespace else []
    name = _slug("-".join(part for part in (a.resource or "path" + a.path, a.subresource, *a.verb.split(",")) if part))
    create = ["kubectl", "create", kind, name, *scope, f"--verb={a.verb}"]
    if a.path:
        create.append(f"--non-resource-url={a.path}")
    else:
        create.append(f"--resource={_typed(a)}")
        if _names_object(a):
            create.append(f"--resource-name={a.name}")
    bind = [
        "kubectl",
        "create",
        f"{kind}binding",
        _slug(f"{a.user.rsplit(':', 1)[-1]}-{name}"),
        *scope,
        f"--{kind}={name}",
    ]
    return shlex.join(create), shlex.join([*bind, _subject(a.user)])


def can_i(attributes: Attributes) -> str:
    """``kubectl auth can-i …``, which asks the same question again and changes nothing."""
    a = attributes
    if a.path:
        return shlex.join(["kubectl", "auth", "can-i", a.verb, a.path])
    kind = a.resource if not a.group else f"{a.resource}.{a.group}"
    asked = f"{kind}/{a.name}" if _names_object(a) else kind
    subresource = [f"--subresource={a.subresource}"] if a.subresource else []
    scope = ["-n", a.namespace] if a.namespace else ["-A"] if a.namespaced else []
    return shlex.join(["kubectl", "auth", "can-i", a.verb, asked, *subresource, *scope])


def check(attributes: Attributes) -> Fix:
    """The question as a fix: what to run to see whether the grant has arrived."""
    return Fix("to see whether it is allowed by now:", commands=(can_i(attributes),))


def _both_ways_to_upgrade(a: Attributes) -> Attributes:
    """exec asks with GET (WebSocket) and POST (SPDY); from Kubernetes 1.35 on the GET needs create as well."""
    if a.subresource in _UPGRADES and a.verb in ("get", "create"):
        return replace(a, verb="get,create")
    return a


def _names_object(a: Attributes) -> bool:
    """A name can be granted wherever the authorizer sees one: not where an object is yet to be created."""
    return bool(a.name) and (a.verb != "create" or bool(a.subresource))


def _typed(a: Attributes) -> str:
    """RESOURCE[.GROUP][/SUBRESOURCE], as kubectl create role reads it."""
    return a.resource + (f".{a.group}" if a.group else "") + (f"/{a.subresource}" if a.subresource else "")


def _subject(user: str) -> str:
    if found := _SERVICE_ACCOUNT.match(user):
        return f"--serviceaccount={found[1]}:{found[2]}"
    return f"--user={user}"


def _slug(text: str) -> str:
    """A name that any RBAC object may have."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:63].rstrip("-.") or "grant"
