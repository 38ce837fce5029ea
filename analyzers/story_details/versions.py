"""How a conflict came about: which version was sent, who had read it, who changed what since, and what was not seen.

Everything comes from the answers of the session that showed the object. Where none did, the finding says so and names
the command that shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from analyzers import evidence, sightings
from analyzers.changed_fields import Changed, changed_fields
from analyzers.decode import managed_fields
from analyzers.finding import Evidence, Fix
from analyzers.phrase import path_of
from analyzers.story_details import namespaces
from analyzers.units import duration

if TYPE_CHECKING:
    from analyzers.command import Verdict
    from analyzers.decode.managed_fields import FieldsOf
    from analyzers.finding import Finding
    from analyzers.sightings import Identity, Sighting
    from analyzers.story_details import Seen

_MOST = 5
_MOST_FIELDS = 3
_MINUTES = 120
_SOMEBODY = "Somebody changed "
_ASKING = "mitmkube run --ask looks by itself"


def detailed(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    """The finding with what the other requests of the session show of the object."""
    tell = _TOLD.get(finding.rule)
    return tell(finding, verdict, seen) if tell is not None else finding


# A version that is no longer the latest


def _stale(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    wanted = sightings.Identity.of(verdict)
    if wanted is None:
        return finding
    shown = sightings.sightings(wanted, seen.everything)
    sent = sightings.sent(verdict)
    version = _version(sent)
    read = next((one for one in reversed(shown) if one.resource_version == version and version), None)
    latest = _latest(shown, version)
    found = [*_read_by(version, read, verdict, seen)]
    changes: tuple[Evidence, ...] = ()
    by: tuple[str, ...] = ()
    if latest is not None:
        found.append(_shown_later(latest, verdict))
        changes, by = _changes(read, sent, latest)
        found += changes
        if latest.whole and not by:
            found += _against(sent, latest, verdict)
    summary = finding.summary
    if summary.startswith(_SOMEBODY):
        who = " and ".join(by[:2]) + (" and others" if len(by) > 2 else "") if by else ""
        if latest is not None and latest.how == "written" and latest.request < verdict.exchange.id:
            who = f"Request {latest.request} of this very session"
        summary = f"{who} changed {summary.removeprefix(_SOMEBODY)}" if who else summary
    fixes = finding.fix
    if latest is None:
        fixes = (_not_seen(fixes[0], "who changed it, and to which version, no request showed"), *fixes[1:])
    return replace(finding, summary=summary, evidence=(*finding.evidence, *found), fix=fixes)


def _shown_later(latest: Sighting, verdict: Verdict) -> Evidence:
    said = f"resourceVersion {latest.resource_version} is what it has by now"
    if latest.request < verdict.exchange.id:
        verb = {"read": "read", "written": "wrote", "watched": "was shown"}[latest.how]
        said = f"request {latest.request} {verb} resourceVersion {latest.resource_version}, a later one"
    return Evidence(said, _where(latest, "metadata"))


def _read_by(version: str, read: Sighting | None, verdict: Verdict, seen: Seen) -> Iterable[Evidence]:
    if not version:
        return
    if read is not None and read.request < verdict.exchange.id:
        # Whole seconds: a recording that keeps fewer digits tells the same.
        ago = int(verdict.exchange.timing.started) - int(read.at)
        span = duration(ago) if ago >= _MINUTES else f"{ago} s" if ago else "less than a second"
        before = f", {span} before" if read.at and ago >= 0 else ""
        verb = {"read": "read", "written": "wrote", "watched": "was shown"}[read.how]
        yield Evidence(f"request {read.request} {verb} resourceVersion {version}{before}", _where(read, "metadata"))
    elif seen.info.argv or len(seen.verdicts) > 1:
        yield Evidence(
            f"no request of this session read resourceVersion {version}: it was in the file or in the program's memory",
            "requests before this one",
        )


def _latest(shown: tuple[Sighting, ...], version: str) -> Sighting | None:
    """The newest state that was shown, None where it is none that the sender did not know."""
    newer = [one for one in shown if one.resource_version and one.resource_version != version]
    if version.isdigit():  # opaque by contract; where both are numbers they count up
        newer = [one for one in newer if not one.resource_version.isdigit() or int(one.resource_version) > int(version)]
    return newer[-1] if newer else None


def _changes(
    read: Sighting | None, sent: Mapping[str, object], latest: Sighting
) -> tuple[tuple[Evidence, ...], tuple[str, ...]]:
    """What changed since and whose doing it was: evidence, and the managers' names."""
    managers = latest.managers
    if read is not None and read.whole and latest.whole:
        changed: dict[FieldsOf | None, list[Changed]] = {}
        for difference in changed_fields(read.document, latest.document):
            owner = next(iter(managed_fields.owners(managers, difference.path)), None)
            changed.setdefault(owner, []).append(difference)
        if changed:
            found = [Evidence(_changed(what, owner), _where(latest, "")) for owner, what in changed.items()]
            return tuple(found[:_MOST]), tuple(dict.fromkeys(owner.manager for owner in changed if owner is not None))
    # What was sent was read somewhere, and may still say who had written what by then.
    before = {entry.key: entry for entry in (read.managers if read is not None else managed_fields.decode(sent))}
    if not before:
        return _last_writers(latest), ()
    wrote = [entry for entry in managers if _differs(entry, before.get(entry.key))]
    where = _where(latest, "metadata.managedFields")
    return (
        tuple(Evidence(f"since then wrote {_wrote(entry)}", where) for entry in wrote[:_MOST]),
        tuple(dict.fromkeys(entry.manager for entry in wrote)),
    )


def _differs(entry: FieldsOf, earlier: FieldsOf | None) -> bool:
    return earlier is None or (earlier.time, earlier.paths) != (entry.time, entry.paths)


def _last_writers(latest: Sighting) -> tuple[Evidence, ...]:
    """The last two: a controller often writes the status within the same second."""
    entries = [entry for entry in latest.managers if entry.time is not None]
    entries.sort(key=lambda entry: (-(entry.time or 0), bool(entry.subresource)))
    where = _where(latest, "metadata.managedFields")
    words = ("the last to write was", "and before that, or in the same second,")
    return tuple(Evidence(f"{said} {_wrote(entry)}", where) for said, entry in zip(words, entries, strict=False))


def _against(sent: Mapping[str, object], latest: Sighting, verdict: Verdict) -> Iterable[Evidence]:
    """What would have been changed, where nothing shows what the sender had read."""
    info = verdict.facts.request_info
    patch = verdict.exchange.request.method == "PATCH"
    status = info is not None and info.subresource == "status"
    found = changed_fields(sent, latest.document, only_sent=patch, status=status)[:_MOST] if sent else ()
    if found:
        managers = latest.managers
        paths = ", ".join(_both(difference, managers) for difference in found)
        yield Evidence(f"what was sent differs from it in {paths}", _where(latest, ""))


def _both(difference: Changed, managers: tuple[FieldsOf, ...]) -> str:
    said = [f"sent {difference.first}, there {difference.second}"] if difference.first and difference.second else []
    said += [f"written by {owner.who}" for owner in managed_fields.owners(managers, difference.path)[:1]]
    return difference.path + (f" ({', '.join(said)})" if said else "")


def _changed(what: list[Changed], owner: FieldsOf | None) -> str:
    """``kubectl-scale changed .spec.replicas (0 to 1)``."""
    said = []
    for difference in what[:_MOST_FIELDS]:
        values = f" ({difference.first} to {difference.second})" if difference.first and difference.second else ""
        said.append(f"{difference.path}{values}")
    more = f" and {len(what) - _MOST_FIELDS} more" if len(what) > _MOST_FIELDS else ""
    when = f" at {evidence.moment(owner.time)}" if owner is not None and owner.time is not None else ""
    return f"{owner.who if owner is not None else 'somebody'} changed {', '.join(said)}{more}{when}"


def _wrote(entry: FieldsOf) -> str:
    # A map that is owned together with what is in it says no more than that.
    paths = sorted(path for path in entry.paths if not any(other.startswith(f"{path}.") for other in entry.paths))
    more = f" and {len(paths) - _MOST_FIELDS} more fields" if len(paths) > _MOST_FIELDS else ""
    when = f" at {evidence.moment(entry.time)}" if entry.time is not None else ""
    return f"{entry.who}: {', '.join(paths[:_MOST_FIELDS]) or 'no field'}{more}{when}"


# Server-side apply


def _apply(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    status = verdict.facts.status
    wanted = sightings.Identity.of(verdict)
    if status is None or wanted is None:
        return finding
    shown = [one for one in sightings.sightings(wanted, seen.everything) if one.managers]
    fields = tuple(dict.fromkeys(cause.field for cause in status.causes if cause.field))
    if not shown or not fields:
        fixes = tuple(
            _not_seen(fix, "since when, no request showed") if any("managed-fields" in c for c in fix.commands) else fix
            for fix in finding.fix
        )
        return replace(finding, fix=fixes)
    latest = shown[-1]
    values = {one.path: one for one in changed_fields(sightings.sent(verdict), latest.document, only_sent=True)}
    found: list[Evidence] = []
    for field in fields[:_MOST]:
        for owner in managed_fields.owners(latest.managers, field)[:2]:
            value = values.get(field) if latest.whole else None
            said = f"{owner.who} owns {field} (set with {owner.operation or 'an unknown operation'}"
            said += f" at {evidence.moment(owner.time)})" if owner.time is not None else ")"
            if value is not None and value.first and value.second:
                said += f": {value.second} there, {value.first} here"
            found.append(Evidence(said, _where(latest, "metadata.managedFields")))
    return replace(finding, evidence=(*finding.evidence, *found))


# An object that is gone, was made again, or was there already


def _precondition(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    wanted = sightings.Identity.of(verdict)
    shown = sightings.sightings(wanted, seen.everything) if wanted is not None else ()
    first = next((one for one in shown if one.request < verdict.exchange.id and one.uid), None)
    last = next((one for one in reversed(shown) if one.request > verdict.exchange.id and one.uid), None)
    found = [Evidence(f"request {first.request} showed UID {first.uid}", _where(first, "metadata"))] if first else []
    if last is not None and (first is None or last.uid != first.uid):
        found.append(Evidence(f"the object there now has UID {last.uid}{_made(last)}", _where(last, "metadata")))
    gone = _gone(wanted, verdict, seen)
    return replace(finding, evidence=(*finding.evidence, *found, *gone))


def _exists(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    wanted = sightings.Identity.of(verdict)
    shown = sightings.sightings(wanted, seen.everything) if wanted is not None else ()
    there = next((one for one in reversed(shown) if one.created is not None), None)
    if there is None:
        return finding
    said = Evidence(f"the one that is there has UID {there.uid}{_made(there)}", _where(there, "metadata"))
    return replace(finding, evidence=(*finding.evidence, said))


def _made(shown: Sighting) -> str:
    """``, made at 2026-01-31 12:00:00 UTC by kubectl-create``: whose entry bears the time of creation."""
    if shown.created is None:
        return ""
    makers = [entry for entry in shown.managers if entry.time == shown.created]
    by = f" by {makers[0].manager}" if len(makers) == 1 else ""
    return f", made at {evidence.moment(shown.created)}{by}"


def _gone(wanted: Identity | None, verdict: Verdict, seen: Seen) -> Iterable[Evidence]:
    """A later request that found nothing."""
    for other in seen.everything:
        response = other.exchange.response
        if other.exchange.id <= verdict.exchange.id or response is None or response.status != 404:
            continue
        if wanted is not None and other.exchange.request.method == "GET" and sightings.Identity.of(other) == wanted:
            yield Evidence(f"request {other.exchange.id} found that it is not there", f"request {other.exchange.id}")
            return


# A list or watch that cannot go on


def _expired(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    """A list that went well afterwards makes a note of the finding; so here none did, or it failed."""
    exchange = verdict.exchange
    later = [
        other
        for other in seen.verdicts
        if other.exchange.id > exchange.id
        and other.exchange.request.method == "GET"
        and path_of(other.exchange) == path_of(exchange)
        and other.exchange.request.authority == exchange.request.authority
    ]
    if later:
        response = later[-1].exchange.response
        answered = f"was answered {response.status}" if response is not None else "got no answer"
        said = f"request {later[-1].exchange.id} asked again and {answered}"
        return replace(finding, evidence=(*finding.evidence, Evidence(said, f"request {later[-1].exchange.id}")))
    if not seen.info.argv and len(seen.verdicts) < 2:
        return finding
    said = "the client did not list again"
    return replace(finding, evidence=(*finding.evidence, Evidence(said, "requests after this one")))


# Words


def _version(document: Mapping[str, object]) -> str:
    metadata = document.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) else ""


def _where(shown: Sighting, place: str) -> str:
    asked = ", asked afterwards" if shown.asked else ""
    return f"request {shown.request}{asked}, response body{', ' if place else ''}{place}"


def _not_seen(fix: Fix, what: str) -> Fix:
    """A fix whose command shows what no request did."""
    return replace(fix, text=f"{what}; {fix.text.rstrip(':')} ({_ASKING}):")


_TOLD: Mapping[str, Callable[[Finding, Verdict, Seen], Finding]] = {
    "conflict-stale": _stale,
    "conflict-apply": _apply,
    "conflict-precondition": _precondition,
    "conflict-exists": _exists,
    "conflict-expired": _expired,
    "conflict-namespace-terminating": namespaces.detailed,
}
