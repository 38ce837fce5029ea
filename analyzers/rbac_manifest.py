"""Roles and their bindings as YAML: compact for a line of a report to paste, commented for a file to keep.

The names in it come from traffic. They are quoted so that none can end the line, the comment or the here-document that
it stands in. The text is ASCII, which every terminal and every pipe passes on as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from analyzers.rbac_rules import PolicyRule, Role

API_GROUP = "rbac.authorization.k8s.io"
UNKNOWN_USER = "USER"
"""Stands for whoever asked, where that is not known."""

_SERVICE_ACCOUNT = re.compile(
    r"system:serviceaccount:(?P<namespace>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?):(?P<name>[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)"
)
# kubectl reads 1e3 as a number, and PyYAML writes it without quotes.
_WORD = re.compile(r"[A-Za-z/][A-Za-z0-9./:_-]*")
_LONGEST_NAME = 63
_WIDTH = 120
_MOST_COMMENT = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who is bound. ``namespace`` is a service account's."""

    kind: Literal["User", "Group", "ServiceAccount"]
    name: str
    namespace: str = ""

    @classmethod
    def of(cls, user: str) -> Subject:
        """The subject for a user name as the API server knows it; ``USER`` for ""."""
        if found := _SERVICE_ACCOUNT.fullmatch(user):
            return cls(kind="ServiceAccount", name=found["name"], namespace=found["namespace"])
        return cls(kind="User", name=user or UNKNOWN_USER)


Comment = Callable[[Role, PolicyRule], Sequence[str]]
"""The lines to be said of a rule."""


def default_name(roles: Sequence[Role], subject: Subject) -> str:
    """A name that another grant does not have: whom it is for, and a digest of what it grants."""
    canonical = json.dumps([repr(subject), repr(tuple(roles))]).encode()
    digest = hashlib.sha256(canonical).hexdigest()[:8]
    who = slug(subject.name.rsplit(":", 1)[-1])[: _LONGEST_NAME - 9].rstrip("-.")
    return f"{who}-{digest}"


def slug(text: str) -> str:
    """A name that any RBAC object may have."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:_LONGEST_NAME].rstrip("-.") or "grant"


def compact(roles: Sequence[Role], subject: Subject, name: str, comment: Comment | None = None) -> str:
    """Every rule on one line, the comment behind it. Ends without a line feed."""
    documents = []
    for role in roles:
        head = _head(role.kind, name, role.namespace)
        rules = [
            f"- {_flow(rule_object(rule))}{_behind(comment(role, rule) if comment else ())}" for rule in role.rules
        ]
        documents.append("\n".join([*head, "rules:", *rules]))
        documents.append("\n".join(_binding(role, subject, name)))
    return "\n---\n".join(documents)


def commented(roles: Sequence[Role], subject: Subject | None, name: str, comment: Comment, title: Sequence[str]) -> str:
    """A file: the title, then each role and its binding, comments above each rule. Without a subject, roles only."""
    documents = []
    for role in roles:
        lines = [*_head(role.kind, name, role.namespace), "rules:"]
        for rule in role.rules:
            lines += [_comment(said) for said in comment(role, rule)]
            fields = [_field(key, value) for key, value in rule_object(rule).items()]
            lines.append("- " + "\n  ".join(fields))
        documents.append("\n".join(lines))
        if subject is not None:
            documents.append("\n".join(_binding(role, subject, name)))
    return "\n".join([*map(_comment, title), "\n---\n".join(documents)]) + "\n"


def rule_object(rule: PolicyRule) -> dict[str, list[str]]:
    """The rule under RBAC's own field names."""
    if rule.paths:
        return {"nonResourceURLs": list(rule.paths), "verbs": list(rule.verbs)}
    names = {"resourceNames": list(rule.names)} if rule.names else {}
    return {"apiGroups": list(rule.groups), "resources": list(rule.resources), **names, "verbs": list(rule.verbs)}


def subject_object(subject: Subject) -> dict[str, str]:
    """The subject under RBAC's own field names."""
    if subject.kind == "ServiceAccount":
        return {"kind": subject.kind, "name": subject.name, "namespace": subject.namespace}
    return {"apiGroup": API_GROUP, "kind": subject.kind, "name": subject.name}


def _head(kind: str, name: str, namespace: str) -> list[str]:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return [f"apiVersion: {API_GROUP}/v1", f"kind: {kind}", f"metadata: {_flow(metadata)}"]


def _binding(role: Role, subject: Subject, name: str) -> list[str]:
    reference = {"apiGroup": API_GROUP, "kind": role.kind, "name": name}
    bound = [f"roleRef: {_flow(reference)}", f"subjects: {_flow([subject_object(subject)])}"]
    return [*_head(f"{role.kind}Binding", name, role.namespace), *bound]


def _comment(text: str) -> str:
    said = "".join(character if character.isprintable() else " " for character in text)
    said = " ".join(said.split())
    said = said if len(said) <= _MOST_COMMENT else said[:_MOST_COMMENT] + " ..."
    return "# " + said.encode("ascii", "backslashreplace").decode("ascii")


def _behind(comments: Sequence[str]) -> str:
    return f"  {_comment('; '.join(comments))}" if comments else ""


class _Dumper(yaml.SafeDumper):
    """Quotes every string that another reader of YAML may take for something else, and lets none leave its line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    bare = _WORD.fullmatch(text) is not None and text.lower() not in ("y", "n")
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if bare else '"')


_Dumper.add_representer(str, _string)


def _field(key: str, values: list[str]) -> str:
    """A field of a rule, its list on as many lines as it takes."""
    return f"{key}: " + _flow(values, width=_WIDTH - 16).replace("\n", "\n    ")


def _flow(value: object, width: int = 1 << 30) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=width, sort_keys=False)
    return text.rstrip("\n")
