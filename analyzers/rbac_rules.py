"""The fewest RBAC rules that allow a set of questions to the authorizer, and nothing beside them.

RBAC multiplies: a rule with two verbs and two resources allows all four pairs. So rules are joined only where every
pair was asked for. Follows how the API server reads a rule: pkg/apis/rbac/v1/evaluation_helpers.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from analyzers.attributes import Attributes

_UPGRADES = frozenset({"exec", "attach", "portforward"})
_VERB_ORDER = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
_FINER_IMPERSONATION = re.compile(r"^impersonate(?:-on)?:")
_NODE = re.compile(r"^system:node(?::|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """RBAC's PolicyRule. Without ``names`` it is for every object; it has ``paths``, or else groups and resources.

    ``resources`` are RESOURCE or RESOURCE/SUBRESOURCE.
    """

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def allows(self, asked: Attributes) -> bool:
        """Whether the rule, bound where ``asked`` happens, allows it."""
        if asked.verb not in self.verbs:
            return False
        if asked.path:
            return asked.path in self.paths
        if asked.group not in self.groups or _combined(asked) not in self.resources:
            return False
        return not self.names or asked.name in self.names


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """The rules for one namespace, or a ClusterRole where ``namespace`` is ""."""

    namespace: str
    rules: tuple[PolicyRule, ...]

    @property
    def kind(self) -> str:
        """``Role`` or ``ClusterRole``."""
        return "Role" if self.namespace else "ClusterRole"


def why_not(asked: Attributes) -> str:
    """Why no rule can grant exactly this, in words; "" where one can."""
    if asked.user == "system:anonymous":
        return "nobody was logged in, and what system:anonymous may do everybody may"
    if _NODE.match(asked.user):
        return "what a node may do follows from the pods that are bound to it, and from no role"
    if _FINER_IMPERSONATION.match(asked.verb):
        return "to act as somebody else gives all that they may do, and is decided for that person, not by request"
    if not asked.verb:
        return "the request's method has no verb that a rule could name"
    parts = (asked.path[-1:], asked.verb, asked.group, asked.resource, asked.subresource)
    if any("*" in part for part in parts):
        return "a * in a rule grants more than this request"
    return ""


def scope(asked: Attributes) -> str:
    """The namespace whose Role can grant it, "" where it takes a ClusterRole.

    The API server reads a namespace's own name as its namespace, too; but a namespace may not be there yet, and then
    nor can its Role.
    """
    return "" if asked.resource == "namespaces" and not asked.group else asked.namespace


def needed(asked: Attributes) -> tuple[Attributes, ...]:
    """The question as the authorizer may ask it, one verb each, without a name that RBAC does not look at.

    exec, attach and port-forward ask with GET (WebSocket) and POST (SPDY); from Kubernetes 1.35 on the GET needs the
    verb create as well. A create has a name only where it is an update or an apply of what is not there yet.
    """
    verbs = asked.verb.split(",")
    if asked.subresource in _UPGRADES and {"get", "create"} & set(verbs):
        verbs = sorted({*verbs, "get", "create"}, key=_verb_place)
    return tuple(replace(asked, verb=verb, name="" if verb == "deletecollection" else asked.name) for verb in verbs)


def roles(attributes: Iterable[Attributes]) -> tuple[Role, ...]:
    """The ClusterRole, if any, then a Role for each namespace. What ``why_not`` speaks against is left out.

    What the ClusterRole allows in every namespace is not granted once more in one.
    """
    scopes: dict[str, list[Attributes]] = {}
    for asked in attributes:
        if not why_not(asked):
            scopes.setdefault(scope(asked), []).extend(needed(asked))
    everywhere = rules(scopes.pop("", ()))
    found = [Role(namespace="", rules=everywhere)] if everywhere else []
    for namespace, wanted in sorted(scopes.items()):
        rest = [asked for asked in wanted if not any(rule.allows(asked) for rule in everywhere)]
        if rest:
            found.append(Role(namespace=namespace, rules=rules(rest)))
    return tuple(found)


def rules(attributes: Iterable[Attributes]) -> tuple[PolicyRule, ...]:
    """The rules for questions of one scope, sorted: by group and resource, paths last."""
    whole: dict[str, set[tuple[str, str]]] = {}  # group: (resource, verb)
    named: dict[tuple[str, str], set[tuple[str, str]]] = {}  # (group, resource): (name, verb)
    paths: set[tuple[str, str]] = set()
    for asked in attributes:
        if asked.path:
            paths.add((asked.path, asked.verb))
        elif asked.name:
            named.setdefault((asked.group, _combined(asked)), set()).add((asked.name, asked.verb))
        else:
            whole.setdefault(asked.group, set()).add((_combined(asked), asked.verb))
    # (resources, names, verbs): groups
    joined: dict[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for group, pairs in sorted(whole.items()):
        for resources, verbs in _rectangles(pairs):
            joined.setdefault((resources, (), verbs), []).append(group)
    for (group, names, verbs), same in sorted(_by_names(named, whole).items()):
        joined.setdefault((tuple(same), names, verbs), []).append(group)
    found = [
        PolicyRule(verbs=verbs, groups=tuple(groups), resources=resources, names=names)
        for (resources, names, verbs), groups in joined.items()
    ]
    found.sort(key=lambda rule: (rule.groups, rule.resources, rule.names, rule.verbs))
    return (*found, *(PolicyRule(verbs=verbs, paths=of) for of, verbs in _rectangles(paths)))


def _by_names(
    named: dict[tuple[str, str], set[tuple[str, str]]], whole: dict[str, set[tuple[str, str]]]
) -> dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]]:
    """(group, names, verbs): resources, without what is granted for every name."""
    found: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, resource), pairs in sorted(named.items()):
        left = {(name, verb) for name, verb in pairs if (resource, verb) not in whole.get(group, ())}
        for names, verbs in _rectangles(left):
            found.setdefault((group, names, verbs), []).append(resource)
    return found


def _rectangles(pairs: set[tuple[str, str]]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Pairs of (thing, verb) as products (things, verbs) that hold these pairs only: by thing, or by verb where that
    takes fewer."""
    by_thing = _grouped(pairs)
    by_verb = [(things, verbs) for verbs, things in _grouped({(verb, thing) for thing, verb in pairs})]
    chosen = by_verb if len(by_verb) < len(by_thing) else by_thing
    return sorted((tuple(sorted(things)), tuple(sorted(verbs, key=_verb_place))) for things, verbs in chosen)


def _grouped(pairs: set[tuple[str, str]]) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Those that go with the same set, together with it."""
    partners: dict[str, set[str]] = {}
    for one, other in pairs:
        partners.setdefault(one, set()).add(other)
    same: dict[frozenset[str], set[str]] = {}
    for one, others in partners.items():
        same.setdefault(frozenset(others), set()).add(one)
    return [(frozenset(ones), others) for others, ones in same.items()]


def _verb_place(verb: str) -> tuple[int, str]:
    return (_VERB_ORDER.index(verb) if verb in _VERB_ORDER else len(_VERB_ORDER), verb)


def _combined(asked: Attributes) -> str:
    return f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
