"""The story of one command: all its exchanges judged together.

An exchange alone cannot tell a failure from a look-alike: a WebSocket attempt before SPDY, a 404 before a create, a
429 that the client's retry cured. Seen together they can be told apart. What did no harm is noted and not raised, and
of what did, one failure is named as the cause: the one that decided the command's exit status.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from analyzers import clocks, redact, story_notes
from analyzers.classify import classify
from analyzers.exchange import Exchange
from analyzers.facts import Facts
from analyzers.finding import Category, Finding
from analyzers.kubeconfig.credential_source import CredentialSource
from analyzers.left_out import NOTHING, LeftOut
from analyzers.phrase import is_discovery, path_of, phrase
from analyzers.story_details import Seen, detailed
from analyzers.units import duration

# Of kubectl, helm and their like; the first hold NAME=VALUE, of which the name stays.
_ASSIGNING_OPTIONS = frozenset({
    "--auth-provider-arg", "--exec-env", "--from-literal", "--env", "-e", "--set", "--set-string", "--set-literal",
})  # fmt: skip
_SECRET_OPTIONS = _ASSIGNING_OPTIONS | {
    "--token", "--kube-token", "--password", "--docker-password", "--patch", "--overrides",
}  # fmt: skip
# Their values grant access wherever they stand; the others may hold anything.
_GRANTING_OPTIONS = frozenset({"--token", "--kube-token", "--password", "--docker-password", "--from-literal"})
# A document on the command line may be a Secret's; a go-template and a jsonpath begin otherwise.
_DOCUMENT = re.compile(r"\s*(?:\{\s*\"|\[\s*\{\s*\")")
# Options of kubectl and helm that take a value and may stand before the subcommand.
_WITH_VALUE = frozenset({
    "--as", "--as-group", "--as-uid", "--cache-dir", "--certificate-authority", "--client-certificate", "--client-key",
    "--cluster", "--context", "-f", "--filename", "-k", "--kustomize", "--kube-context", "--kubeconfig", "--kuberc",
    "--namespace", "-n", "-o", "--output", "--password", "--profile", "--profile-output", "--proxy-url", "--raw",
    "--request-timeout", "-s", "--server", "--tls-server-name", "--token", "--user", "--username", "-v", "--v",
    "--vmodule",
})  # fmt: skip
# Subcommands that say little without the word after them.
_GROUPS = frozenset({
    "auth", "certificate", "config", "create", "plugin", "rollout", "set", "top", "repo", "dependency",
})  # fmt: skip
_MOST_DETAILED = 50
# What the story adds to these follows from what was sent and refused alone, and not from what was not seen.
_DETAILED_WITH_GAPS = frozenset({Category.AUTH, Category.RBAC})
_SUBCOMMAND = re.compile(r"^[a-z][a-z-]*$")
# Also with a version behind the name, as in kubectl.1.27.
_SUBCOMMAND_PROGRAM = re.compile(r"^(?:kubectl|oc|helm)(?:[._-]?v?\d+(?:\.\d+)*)?(?:\.exe)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandInfo:
    """What is known of a command without looking at its traffic. Times are Unix seconds, 0 where unknown.

    ``argv`` is what ``display_argv`` made of the real one. ``exit_status`` is None while it runs or when a signal ended
    it; then ``signal`` has the name, as in ``SIGINT``. ``notices`` are sentences mitmkube itself has to say.
    ``credential`` says where the command takes its credential from, None where that is not known (of a recording).
    """

    argv: tuple[str, ...] = ()
    context: str = ""
    cluster: str = ""
    server: str = ""
    user: str = ""
    credential: CredentialSource | None = None
    namespace: str = ""
    kubeconfig: tuple[str, ...] = ()
    exit_status: int | None = None
    signal: str = ""
    started: float = 0.0
    ended: float = 0.0
    notices: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """``kubectl get``, ``kubectl rollout status``: the program's name and its subcommand; "" when unknown."""
        if not self.argv:
            return ""
        program = self.argv[0].rpartition("/")[2]
        if not _SUBCOMMAND_PROGRAM.match(program):
            return program
        return " ".join((program, *_subcommand(self.argv[1:])))

    @property
    def succeeded(self) -> bool | None:
        """None where the outcome is not known."""
        if self.signal:
            return False
        return None if self.exit_status is None else self.exit_status == 0


def display_argv(argv: Sequence[str]) -> tuple[str, ...]:
    """``argv`` with what may grant access masked: values of such options, passwords in URLs, and what follows ``--``.

    Behind ``--`` stands another program's command line (``kubectl exec web -- mysql -psecret``): only its name is kept.
    Paths to files stay, they grant nothing.
    """
    shown: list[str] = []
    masked_by = ""
    for place, argument in enumerate(argv):
        option, equals, value = argument.partition("=")
        if masked_by:
            shown.append(_masked(argument, masked_by))
            masked_by = ""
        elif argument == "--":
            behind = len(argv) - place - 2
            shown.extend(argv[place : place + 2])
            if behind > 0:
                shown.append(redact.MASK)
            break
        elif option in _SECRET_OPTIONS and equals:
            shown.append(f"{option}={_masked(value, option)}")
        elif _DOCUMENT.match(argument):
            shown.append(redact.MASK)
        elif equals and _DOCUMENT.match(value):
            shown.append(f"{option}={redact.MASK}")
        else:
            # -p is --patch there, and --previous in "logs".
            is_secret = argument in _SECRET_OPTIONS or (argument == "-p" and "patch" in argv[:place])
            masked_by = argument if is_secret else ""
            shown.append(redact.text(argument))
    return tuple(shown)


def _masked(value: str, option: str) -> str:
    """The value of an option; where it is NAME=VALUE, the name stays."""
    name, equals, content = value.partition("=")
    assigns = bool(equals) and option in _ASSIGNING_OPTIONS
    if option in _GRANTING_OPTIONS:
        redact.SEEN.add((content if assigns else value).encode("utf-8", "replace"))
    return f"{name}={redact.MASK}" if assigns else redact.MASK


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One exchange and what became of it in the light of the others.

    ``findings`` are raised, the deciding one first. ``noted`` are findings that did no harm, and ``notes`` say in words
    why, or what else is worth a word. ``cured_by`` is the id of the exchange that made good for this one, 0 for none.
    """

    exchange: Exchange
    facts: Facts
    findings: tuple[Finding, ...] = ()
    noted: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    cured_by: int = 0

    @property
    def phrase(self) -> str:
        """``list pods in prod``."""
        return phrase(self.exchange, self.facts.request_info)

    @property
    def deciding(self) -> Finding | None:
        """The finding that says best what happened, raised or noted."""
        return next(iter((*self.findings, *self.noted)), None)

    @property
    def failed(self) -> bool:
        """True when the answer is an error, or there is none, or a rule found something; noted or raised."""
        return bool(self.findings or self.noted) or is_failure(self.exchange)

    @property
    def raised(self) -> bool:
        """True when it failed and nothing shows that it did no harm."""
        return bool(self.findings) or (self.failed and not self.noted and not self.notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the request table: one exchange, or several that are the same to a reader.

    ``kind`` is "one", "repeated" (the same request with the same answer), "retried" (failures and the success that
    ended them) or "discovery" (many types looked up, all answered).
    """

    kind: str
    verdicts: tuple[Verdict, ...]

    @property
    def first(self) -> Verdict:
        return self.verdicts[0]

    @property
    def last(self) -> Verdict:
        return self.verdicts[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One command: its exchanges in the order of their ids, each with its verdict.

    ``cause`` is the verdict that decided the outcome, None where nothing failed or where no request explains it.
    ``asked`` is what mitmkube itself asked afterwards to complete the story (``run --ask``): not judged, and no part of
    the command. ``left_out`` are requests of the command that are not among ``verdicts``.
    """

    info: CommandInfo = field(default_factory=CommandInfo)
    verdicts: tuple[Verdict, ...] = ()
    cause: Verdict | None = None
    asked: tuple[Verdict, ...] = ()
    left_out: LeftOut = NOTHING

    @classmethod
    def of(
        cls,
        exchanges: Iterable[Exchange],
        info: CommandInfo | None = None,
        classified: Mapping[int, tuple[Finding, ...]] | None = None,
        left_out: LeftOut = NOTHING,
    ) -> Story:
        """The story of ``exchanges``. ``classified`` saves classifying again what was classified live, by id."""
        info = info or CommandInfo()
        known = classified or {}
        ordered = sorted(exchanges, key=lambda exchange: exchange.id)
        asked = tuple(_verdict(exchange, ()) for exchange in ordered if exchange.asked)
        verdicts = tuple(_verdict(exchange, known.get(exchange.id)) for exchange in ordered if not exchange.asked)
        verdicts = _told_apart(verdicts, info)
        gone = _gone_as_asked(verdicts)
        cause = _cause(verdicts, gone)
        if cause is not None:
            verdicts = tuple(_beside(verdict, cause, gone) for verdict in verdicts)
        seen = Seen(info=info, verdicts=verdicts, asked=asked)
        found = [verdict for verdict in verdicts if verdict.findings]
        # A program that fails again and again would be looked at as often as it has requests, for each of them.
        worth = {
            verdict.exchange.id
            for verdict in (*found[-_MOST_DETAILED:], *([cause] if cause else []))
            if not left_out.anything or {finding.category for finding in verdict.findings} <= _DETAILED_WITH_GAPS
        }
        told = tuple(detailed(verdict, seen) if verdict.exchange.id in worth else verdict for verdict in verdicts)
        decided = next((at for at, verdict in enumerate(verdicts) if verdict is cause), None)
        cause = None if decided is None else told[decided]
        return cls(info=info, verdicts=told, cause=cause, asked=asked, left_out=left_out)

    @property
    def finding(self) -> Finding | None:
        """The deciding finding; None also when the cause is an answer that no rule knows."""
        return self.cause.findings[0] if self.cause is not None and self.cause.findings else None

    @property
    def others(self) -> tuple[Verdict, ...]:
        """The raised verdicts beside the cause."""
        return tuple(verdict for verdict in self.verdicts if verdict.raised and verdict is not self.cause)

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The raised verdicts, the cause first."""
        return (() if self.cause is None else (self.cause,)) + self.others

    @property
    def notices(self) -> tuple[str, ...]:
        """What mitmkube has to say of the command, and of clocks that disagree where no finding does."""
        if self.finding is not None and self.finding.rule == "auth-clock-skew":
            return self.info.notices
        return (*self.info.notices, *_clock_notice(self.verdicts))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth a word about the command as a whole and is no finding."""
        if self.left_out.bodies:
            return (_without_bodies(self.left_out.bodies),)
        return () if self.left_out.anything else story_notes.of(self)

    @property
    def failed(self) -> bool:
        """True when there is something to tell a reader who wants failures only; a signal alone is none."""
        return self.cause is not None or self.info.exit_status not in (None, 0)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The request table."""
        return _rows(self.verdicts, self.left_out)

    @property
    def main(self) -> Verdict | None:
        """The exchange the command was about: the cause, else the last that is no discovery, else the last."""
        if self.cause is not None:
            return self.cause
        real = [v for v in self.verdicts if not is_discovery(v.exchange) and not v.exchange.foreign]
        answered = [verdict for verdict in real if not verdict.failed]
        for candidates in (answered, real, self.verdicts):
            if candidates:
                return candidates[-1]
        return None


def _without_bodies(count: int) -> str:
    return (
        f"so much was received that the bodies of {count:,} early requests that went well were let go of:"
        " nothing is said here of what stood in them"
    )


def _clock_notice(verdicts: tuple[Verdict, ...]) -> tuple[str, ...]:
    """One sentence if the last answer of an API server shows another time than the client's clock."""
    answered = [clocks.of(verdict.exchange) for verdict in verdicts[-8:] if verdict.facts.audit_id]
    known = [found for found in answered if found is not None]
    if not known or not known[-1].differ:
        return ()
    skew = known[-1].skew
    return (f"This machine's clock is {duration(skew)} {'behind' if skew > 0 else 'ahead of'} the API server's.",)


def is_failure(exchange: Exchange) -> bool:
    """True for no answer, an answer of 400 or more, or an ERROR event in a watch."""
    response = exchange.response
    if exchange.failure is not None:
        return True
    return response is not None and (response.status >= 400 or response.error_event is not None)


def _verdict(exchange: Exchange, findings: tuple[Finding, ...] | None) -> Verdict:
    found = classify(exchange) if findings is None else findings
    return Verdict(exchange=exchange, facts=Facts.of(exchange), findings=found)


def _told_apart(verdicts: tuple[Verdict, ...], info: CommandInfo) -> tuple[Verdict, ...]:
    later = _Later(verdicts)
    told = []
    for place, verdict in enumerate(verdicts):
        note, cured_by = _look_alike(place, verdict, later)
        if verdict.exchange.foreign:
            note = "no API server, let through by --allow-host"
        if not note and info.signal and _cut_short(verdict.exchange):
            note = f"ended with the command ({info.signal})"
        if not note and verdict.failed and info.succeeded:
            note = f"did no harm: the command exited {info.exit_status}"
        told.append(_noted(verdict, note, cured_by) if note else verdict)
    return tuple(told)


def _noted(verdict: Verdict, note: str, cured_by: int = 0) -> Verdict:
    return Verdict(
        exchange=verdict.exchange,
        facts=verdict.facts,
        noted=verdict.findings,
        notes=(note, *verdict.notes),
        cured_by=cured_by,
    )


def _beside(verdict: Verdict, cause: Verdict, gone: Mapping[int, int]) -> Verdict:
    """What did no harm because another request is known to have decided."""
    at = verdict.exchange.id
    if not verdict.raised or verdict is cause:
        return verdict
    if is_discovery(verdict.exchange) and not is_discovery(cause.exchange) and at < cause.exchange.id:
        return _noted(verdict, f"discovery went on without it, to request {cause.exchange.id}")
    if at in gone and cause.exchange.id not in gone:
        return _noted(verdict, f"it is gone, as request {gone[at]} asked")
    return verdict


def _gone_as_asked(verdicts: tuple[Verdict, ...]) -> dict[int, int]:
    """The 404s of those who delete or evict and then wait until it is gone: id to the id of the request that did."""
    asked: dict[str, int] = {}
    gone: dict[int, int] = {}
    for verdict in verdicts:
        exchange, info = verdict.exchange, verdict.facts.request_info
        method, path = exchange.request.method, _path_key(exchange)
        if method == "DELETE" and not is_failure(exchange):
            asked[path] = exchange.id
        elif method == "POST" and info is not None and info.subresource == "eviction":
            asked[path.removesuffix("/eviction")] = exchange.id
        elif method == "GET" and path in asked and _code(verdict) == 404:
            gone[exchange.id] = asked[path]
    return gone


def _cut_short(exchange: Exchange) -> bool:
    """True for a good answer that was still under way."""
    response = exchange.response
    return response is not None and response.status < 400 and exchange.failure is not None


class _Later:
    """Looks up exchanges that came after a given one, by what identifies a request."""

    def __init__(self, verdicts: tuple[Verdict, ...]) -> None:
        self._by_path: dict[str, list[tuple[int, Exchange]]] = {}
        self._by_authority: dict[str, list[tuple[int, Exchange]]] = {}
        for place, verdict in enumerate(verdicts):
            exchange = verdict.exchange
            self._by_path.setdefault(_path_key(exchange), []).append((place, exchange))
            if exchange.request.method != "CONNECT":
                self._by_authority.setdefault(exchange.request.authority, []).append((place, exchange))

    def on_path(self, place: int, exchange: Exchange, path: str = "") -> list[Exchange]:
        key = f"{exchange.request.authority}{path}" if path else _path_key(exchange)
        return [other for at, other in self._by_path.get(key, ()) if at > place]

    def through(self, place: int, authority: str) -> list[Exchange]:
        return [other for at, other in self._by_authority.get(authority, ()) if at > place]


def _path_key(exchange: Exchange) -> str:
    return f"{exchange.request.authority}{path_of(exchange)}"


def _look_alike(place: int, verdict: Verdict, later: _Later) -> tuple[str, int]:
    """Why a failure is none, and the id of the exchange that made good for it; ("", 0) when it stays a failure."""
    exchange = verdict.exchange
    response = exchange.response
    if response is not None and response.status == 304:
        return "not modified: what the client had kept is still good", 0
    if not verdict.failed:
        return "", 0
    if exchange.tunnel:
        after = later.through(place, exchange.request.path)
        return ("connected at a later attempt", after[0].id) if after else ("", 0)
    same_path = later.on_path(place, exchange)
    for check in (_cured_by_retry, _websocket_before_spdy, _listed_again, _looked_before_writing, _probed):
        note, cured_by = check(place, verdict, same_path, later)
        if note:
            return note, cured_by
    return "", 0


def _cured_by_retry(_: int, verdict: Verdict, same_path: list[Exchange], __: _Later) -> tuple[str, int]:
    request = verdict.exchange.request
    if not is_failure(verdict.exchange):
        return "", 0
    for other in same_path:
        same = other.request.method == request.method and other.request.path == request.path
        if same and other.response is not None and not is_failure(other):
            return f"cured: request {other.id} asked again and was answered", other.id
    return "", 0


def _websocket_before_spdy(_: int, verdict: Verdict, same_path: list[Exchange], __: _Later) -> tuple[str, int]:
    request = verdict.exchange.request
    if request.method != "GET" or request.headers.get("Upgrade").lower() != "websocket":
        return "", 0
    for other in same_path:
        if other.request.method == "POST" and other.request.headers.get("Upgrade").lower().startswith("spdy"):
            return f"a WebSocket was tried first; request {other.id} asks for SPDY instead and decides", other.id
    return "", 0


def _listed_again(_: int, verdict: Verdict, same_path: list[Exchange], __: _Later) -> tuple[str, int]:
    exchange = verdict.exchange
    if exchange.request.method != "GET":
        return "", 0
    query = _query(exchange)
    watched = _watches(query)
    code = _code(verdict)
    if watched and ("sendInitialEvents" in query or code in (410, 504)):
        reason = "the resourceVersion was too old to watch from" if code == 410 else "the watch did not start"
    elif "continue" in query and code == 410:
        reason = "the continue token had expired"
    else:
        return "", 0
    for other in same_path:
        other_query = _query(other)
        if other.request.method == "GET" and not _watches(other_query) and "continue" not in other_query:
            if is_failure(other):
                continue
            return f"{reason}; request {other.id} lists again", other.id
    return "", 0


def _looked_before_writing(place: int, verdict: Verdict, same_path: list[Exchange], later: _Later) -> tuple[str, int]:
    exchange, info = verdict.exchange, verdict.facts.request_info
    if exchange.request.method != "GET" or _code(verdict) != 404 or info is None or not info.name:
        return "", 0
    collection = path_of(exchange).rpartition("/")[0]
    creates = [other for other in later.on_path(place, exchange, collection) if other.request.method == "POST"]
    writes = [other for other in same_path if other.request.method in ("PATCH", "PUT")]
    for other in sorted((*creates, *writes), key=lambda found: found.id):
        return f"it was not there yet; request {other.id} writes it", other.id
    return "", 0


def _probed(place: int, verdict: Verdict, _: list[Exchange], later: _Later) -> tuple[str, int]:
    status = verdict.facts.status
    exchange = verdict.exchange
    if exchange.request.method != "POST" or status is None or status.reason != "AlreadyExists":
        return "", 0
    name = status.details.name
    for other in later.on_path(place, exchange, f"{path_of(exchange)}/{name}") if name else ():
        if other.request.method in ("PATCH", "PUT") and not is_failure(other):
            return f"it was there already; request {other.id} changes it instead", other.id
    return "", 0


def _code(verdict: Verdict) -> int:
    """The code of the Status where there is one (a watch fails inside a 200), else of the answer, else 0."""
    response, status = verdict.exchange.response, verdict.facts.status
    if response is None:
        return 0
    if response.status < 400 and status is not None and status.code:
        return status.code
    return response.status


def _query(exchange: Exchange) -> dict[str, list[str]]:
    try:
        return parse_qs(exchange.request.path.partition("?")[2], keep_blank_values=True)
    except ValueError:
        return {}


def _watches(query: Mapping[str, list[str]]) -> bool:
    values = query.get("watch")
    return values is not None and values[0].lower() not in ("0", "false")


def _cause(verdicts: tuple[Verdict, ...], gone: Mapping[int, int]) -> Verdict | None:
    """The last raised failure: discovery only where nothing else failed, an unknown answer only before no known one,
    and what is gone as it was asked to only where it is the only failure."""
    raised = [verdict for verdict in verdicts if verdict.raised]
    if not raised:
        return None
    return max(
        enumerate(raised),
        key=lambda at: (
            not is_discovery(at[1].exchange),
            bool(at[1].findings),
            at[1].exchange.id not in gone,
            at[0],
        ),
    )[1]


def _rows(verdicts: tuple[Verdict, ...], left_out: LeftOut) -> tuple[Row, ...]:
    rows: list[list[Verdict]] = []
    # A client repeats its whole discovery up to five times: the same failure again belongs to its row.
    discovery_failures: dict[tuple[str, str, int, str], list[Verdict]] = {}
    for verdict in verdicts:
        gap = rows and left_out.between(rows[-1][-1].exchange.id, verdict.exchange.id)
        if rows and not gap and _continues(rows[-1], verdict):
            rows[-1].append(verdict)
            continue
        if verdict.failed and is_discovery(verdict.exchange):
            key = (verdict.exchange.request.method, _path_key(verdict.exchange), *_outcome(verdict))
            if (earlier := discovery_failures.get(key)) is not None:
                earlier.append(verdict)
                continue
            discovery_failures[key] = row = [verdict]
        else:
            row = [verdict]
        rows.append(row)
    return tuple(_row(row) for row in rows)


def _continues(row: list[Verdict], verdict: Verdict) -> bool:
    """True when ``verdict`` is to a reader the same as the row before it."""
    last = row[-1]
    before, request = last.exchange.request, verdict.exchange.request
    if before.method == request.method and _path_key(last.exchange) == _path_key(verdict.exchange) and last.failed:
        again = _outcome(last) == _outcome(verdict)
        return again if verdict.failed else last.cured_by == verdict.exchange.id and before.path == request.path
    return _plain_discovery(last) and _plain_discovery(verdict)


def _row(verdicts: list[Verdict]) -> Row:
    if len(verdicts) == 1:
        return Row(kind="one", verdicts=tuple(verdicts))
    if verdicts[0].failed:
        return Row(kind="repeated" if verdicts[-1].failed else "retried", verdicts=tuple(verdicts))
    return Row(kind="discovery", verdicts=tuple(verdicts))


def _plain_discovery(verdict: Verdict) -> bool:
    return is_discovery(verdict.exchange) and not verdict.failed


def _outcome(verdict: Verdict) -> tuple[int, str]:
    exchange = verdict.exchange
    problem = exchange.failure.message if exchange.failure is not None else ""
    return (exchange.response.status if exchange.response is not None else 0, problem)


def _subcommand(arguments: Sequence[str]) -> tuple[str, ...]:
    found: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            break
        if argument.startswith("-"):
            if argument in _WITH_VALUE:
                next(rest, None)
            continue
        if found and not _SUBCOMMAND.match(argument):
            break  # what the options before it left over, such as a file's name
        found.append(argument)
        if found[0] not in _GROUPS or len(found) > 1:
            break
    return tuple(found)
