"""The smallest RBAC grant that allows refused requests, as commands that can be pasted.

A Role where the request names a namespace, a ClusterRole elsewhere; only the verb, resource, subresource, object name
or path that was refused, because a wider grant is for the administrator to decide.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

from analyzers.attributes import Attributes
from analyzers.finding import Fix
from analyzers.rbac_manifest import Comment, Subject, compact, default_name, slug
from analyzers.rbac_rules import PolicyRule, Role, needed, roles, scope, why_not

# What kubectl create role takes as one of a list that commas separate.
_ONE_WORD = re.compile(r"[^,\"\s]+")


def fix(attributes: Attributes, text: str = "") -> Fix:
    """The grant as a fix, or why none is shown. ``text`` overrides "grant exactly that"."""
    if reason := why_not(attributes):
        return Fix(f"no role is shown that would allow it: {reason}", by=administrator(attributes))
    return Fix(text or "grant exactly that:", by=administrator(attributes), commands=lines([attributes]))


def administrator(attributes: Attributes) -> str:
    """Who can make such a grant."""
    return administrators([attributes])


def administrators(attributes: Iterable[Attributes]) -> str:
    """Who can make all these grants."""
    namespaces = sorted({scope(asked) for asked in attributes})
    if "" in namespaces or not namespaces:
        return "a cluster administrator"
    if len(namespaces) == 1:
        return f"an administrator of namespace {namespaces[0]}"
    return f"an administrator of namespaces {', '.join(namespaces[:-1])} and {namespaces[-1]}"


def commands(attributes: Attributes) -> tuple[str, str]:
    """``kubectl create role …`` and ``kubectl create rolebinding …``, or their cluster-wide kin."""
    asked = needed(attributes)
    rule = PolicyRule(
        verbs=tuple(dict.fromkeys(one.verb for one in asked)),
        groups=() if attributes.path else (attributes.group,),
        resources=() if attributes.path else (_combined(attributes),),
        names=(asked[0].name,) if asked[0].name and not attributes.path else (),
        paths=(attributes.path,) if attributes.path else (),
    )
    return _create(Role(namespace=scope(attributes), rules=(rule,)), Subject.of(attributes.user))


def lines(attributes: Sequence[Attributes], comment: Comment | None = None) -> tuple[str, ...]:
    """What to paste to allow all of them, which are one user's: two ``kubectl create`` where one rule is enough, else a
    manifest for ``kubectl apply``, as one string of several lines. Empty when ``why_not`` speaks against each."""
    found = roles(attributes)
    if not found:
        return ()
    subject = Subject.of(attributes[0].user)
    if len(found) == 1 and len(found[0].rules) == 1 and _fits_create(found[0].rules[0]):
        return _create(found[0], subject)
    manifest = compact(found, subject, default_name(found, subject), comment)
    return (f"kubectl apply -f - <<'EOF'\n{manifest}\nEOF",)


def can_i(attributes: Attributes) -> str:
    """``kubectl auth can-i …``, which asks the same question again and changes nothing."""
    a = attributes
    if a.path:
        return shlex.join(["kubectl", "auth", "can-i", a.verb, a.path])
    kind = a.resource if not a.group else f"{a.resource}.{a.group}"
    asked = f"{kind}/{a.name}" if needed(a)[0].name else kind
    subresource = [f"--subresource={a.subresource}"] if a.subresource else []
    within = ["-n", a.namespace] if a.namespace else ["-A"] if a.namespaced else []
    return shlex.join(["kubectl", "auth", "can-i", a.verb, asked, *subresource, *within])


def can_i_list(namespace: str, subject: Subject) -> str:
    """``kubectl auth can-i --list …``: all that a user or service account may do, for an administrator to see."""
    user = subject.name
    if subject.kind == "ServiceAccount":
        user = f"system:serviceaccount:{subject.namespace}:{subject.name}"
    within = ["-n", namespace] if namespace else []
    return shlex.join(["kubectl", "auth", "can-i", "--list", *within, f"--as={user}"])


def check(attributes: Attributes) -> Fix:
    """The question as a fix: what to run to see whether the grant has arrived."""
    return Fix("to see whether it is allowed by now:", commands=(can_i(attributes),))


def _create(role: Role, subject: Subject) -> tuple[str, str]:
    """The role of one rule, and its binding."""
    (rule,) = role.rules
    kind = role.kind.lower()
    within = ["-n", role.namespace] if role.namespace else []
    things = [resource.replace("/", "-") for resource in rule.resources] or ["path" + path for path in rule.paths]
    name = slug("-".join([*things, *rule.names, *rule.verbs]))
    create = ["kubectl", "create", kind, name, *within, f"--verb={','.join(rule.verbs)}"]
    if rule.paths:
        create.append(f"--non-resource-url={','.join(rule.paths)}")
    else:
        typed = [_typed(resource, group) for group in rule.groups for resource in rule.resources]
        create += [f"--resource={','.join(typed)}", *(f"--resource-name={name}" for name in rule.names)]
    bound = slug(f"{subject.name.rsplit(':', 1)[-1]}-{name}")
    bind = ["kubectl", "create", f"{kind}binding", bound, *within, f"--{kind}={name}", _option(subject)]
    return shlex.join(create), shlex.join(bind)


def _fits_create(rule: PolicyRule) -> bool:
    return all(map(_ONE_WORD.fullmatch, (*rule.verbs, *rule.resources, *rule.paths)))


def _combined(asked: Attributes) -> str:
    return f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource


def _typed(resource: str, group: str) -> str:
    """RESOURCE[.GROUP][/SUBRESOURCE], as kubectl create role reads it."""
    kind, slash, subresource = resource.partition("/")
    return kind + (f".{group}" if group else "") + slash + subresource


def _option(subject: Subject) -> str:
    if subject.kind == "ServiceAccount":
        return f"--serviceaccount={subject.namespace}:{subject.name}"
    return f"--{subject.kind.lower()}={subject.name}"
