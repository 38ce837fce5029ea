"""``mitmkube rbac FILE…``: the roles that allow what a recorded session did, as YAML, and nothing beside it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analyzers.attributes import Attributes
from analyzers.decode import audit_event
from analyzers.rbac_grant import can_i_list
from analyzers.rbac_manifest import Subject, commented, default_name, slug
from analyzers.rbac_rules import PolicyRule, Role, needed, roles, scope
from analyzers.rbac_session import Session, Use
from analyzers.readers.audit_lines import Broken, documents, events
from analyzers.readers.recognise import recognise
from analyzers.readers.source import Source
from mitmkube import reading, stderr, stdout
from mitmkube.errors import UserError

_GENERATED = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5}$")
MOST_LINES = 8
_GROUP = "group:"


@dataclass(frozen=True, slots=True, kw_only=True)
class RbacOptions:
    """``user``: only what this one did. ``subject``: whom to bind instead of who asked; ``group:NAME`` is a group."""

    files: tuple[str, ...]
    user: str = ""
    subject: str = ""
    name: str = ""
    refused_only: bool = False
    any_name: bool = False


def rbac(options: RbacOptions) -> int:
    """Write the YAML to stdout and what cannot be granted to stderr. Returns the exit status; raises UserError."""
    _check_name(options.name)
    session = _read(options.files or (reading.STDIN,))
    wanted = {
        user: uses
        for user, all_uses in session.uses().items()
        if (not options.user or user == options.user) and (uses := _chosen(all_uses, options))
    }
    text = "---\n".join(_documents(wanted, options))
    with stdout.writing() as out:
        out.write(text)
    for note in _notes(session, wanted, options):
        stderr.say(note)
    return 0


def _read(names: Sequence[str]) -> Session:
    session = Session()
    for name in names:
        with reading.opened(name) as source:
            if recognise(source.peek()) == "audit-log":
                _read_audit_log(session, source, name)
                continue
            for passage in reading.passages(source):
                session.take(passage.exchanges)
                for note in passage.notes:
                    stderr.say(f"{name}: {note}")
    return session


def _read_audit_log(session: Session, source: Source, name: str) -> None:
    """Every event: to explain a log, those that failed are enough."""
    broken = Broken()
    for _, _, document in documents(source, broken, lambda _: True):
        for found in events(document):
            event = audit_event.decode(found)
            if event is not None:
                session.take_event(event)
    if broken.count:
        more = f", and {broken.count - 1} more" if broken.count > 1 else ""
        stderr.say(f"{name}: line {broken.first} is no audit event{more}; the rest was read")
    if broken.ends_in:
        stderr.say(f"{name}: the file breaks off in line {broken.ends_in}; everything before it was read")


def _chosen(uses: Sequence[Use], options: RbacOptions) -> tuple[Use, ...]:
    """What is to be granted, without names where any will do."""
    kept = [use for use in uses if use.refused or not options.refused_only]
    if not options.any_name:
        return tuple(kept)
    merged: dict[Attributes, Use] = {}
    for use in kept:
        asked = replace(use.asked, name="")
        before = merged.get(asked, Use(asked=asked, requests=0, refused=0))
        merged[asked] = replace(before, requests=before.requests + use.requests, refused=before.refused + use.refused)
    return tuple(merged.values())


def _documents(wanted: dict[str, tuple[Use, ...]], options: RbacOptions) -> Iterator[str]:
    names: set[str] = set()
    for user, uses in wanted.items():
        granted = roles(use.asked for use in uses)
        subject = _named(options.subject) if options.subject else _asking(user)
        bound = Subject.of("") if subject is None else subject
        name = options.name or default_name(granted, bound)
        if options.name and len(wanted) > 1 and not options.subject:
            name = f"{options.name}-{slug(user.rpartition(':')[2] or 'unknown')}"
        if name in names:
            name = default_name(granted, bound)
        names.add(name)
        yield commented(granted, subject, name, _Comments(uses), _title(user, granted, subject))


class _Comments:
    """Says of every rule which requests it is for."""

    def __init__(self, uses: Sequence[Use]) -> None:
        self._uses = sorted(uses, key=lambda use: (-use.requests, use.asked.phrase))

    def __call__(self, role: Role, rule: PolicyRule) -> list[str]:
        found = [
            use
            for use in self._uses
            if role.namespace in ("", scope(use.asked)) and any(map(rule.allows, needed(use.asked)))
        ]
        counted: dict[str, tuple[int, int]] = {}
        for use in found:
            requests, refused = counted.get(use.asked.phrase, (0, 0))
            counted[use.asked.phrase] = (requests + use.requests, refused + use.refused)
        lines = [f"{phrase}: {_requests(*counts)}" for phrase, counts in counted.items()]
        if len(lines) > MOST_LINES:
            return [*lines[: MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1} more"]
        return lines


def _title(user: str, granted: Sequence[Role], subject: Subject | None) -> list[str]:
    title = [f"Allows what {user or 'a user who is not known'} asked for, and nothing else."]
    if subject is not None and subject.kind != "Group":
        title += [f"To see it: {can_i_list(role.namespace, subject)}" for role in granted]
    return title


def _requests(requests: int, refused: int) -> str:
    said = "1 request" if requests == 1 else f"{requests} requests"
    if not refused:
        return said
    return f"{said}, refused" if refused == requests else f"{said}, {refused} of them refused"


def _named(subject: str) -> Subject:
    """Whom --for names."""
    if subject.startswith(_GROUP):
        return Subject(kind="Group", name=subject.removeprefix(_GROUP))
    return Subject.of(subject)


def _asking(user: str) -> Subject | None:
    """Who asked, whatever the name looks like; None where nobody is known."""
    return Subject.of(user) if user else None


def _notes(session: Session, wanted: dict[str, tuple[Use, ...]], options: RbacOptions) -> Iterator[str]:
    left_out, kept = (_by_reason(counts, options.user) for counts in (session.notes, session.remarks))
    if opened := sum(count for user, count in session.open.items() if options.user in ("", user)):
        left_out["every authenticated user may make them (discovery, questions about oneself)"] = opened
    for reason, count in sorted(left_out.items()):
        yield f"{_requests(count, 0)} left out: {reason}"
    for reason, count in sorted(kept.items()):
        yield f"{_requests(count, 0)} in the roles, yet {reason}"
    if "" in wanted and not options.subject:
        yield "who asked is not known, so nobody is bound: name them with --for USER"
    names = {use.asked.name for uses in wanted.values() for use in uses if _GENERATED.search(use.asked.name)}
    if names:
        said = _some(sorted(names))
        yield f"{said}: controllers make such names, and make others next time; --any-name grants by type"
    granted = {role.namespace for uses in wanted.values() for role in roles(use.asked for use in uses)}
    for namespace in sorted(session.made & granted):
        yield f"namespace {namespace} was made by the session: its Role can be applied once the namespace is there"
    if not wanted:
        users = [user for user in session.uses() if user]
        if options.user and users:
            yield f"{options.user} did nothing that a role could grant; there is traffic of {_some(users)}"
        else:
            yield "nothing to grant: no request that needs a role was found"


def _by_reason(counts: Counter[tuple[str, str]], only: str) -> Counter[str]:
    """The counts without the users, or those of one user."""
    found: Counter[str] = Counter()
    for (user, reason), count in counts.items():
        if only in ("", user):
            found[reason] += count
    return found


def _some(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _check_name(name: str) -> None:
    """As the API server checks it: a segment of a path."""
    if name in (".", "..") or "/" in name or "%" in name:
        raise UserError(f"{name} is no name for a role: it must not be . or .. and not hold / or %")
