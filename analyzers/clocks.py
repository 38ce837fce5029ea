"""Two clocks: the server's decides whether a credential is valid, the client's when it is renewed."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzers.exchange import Exchange
    from analyzers.facts import Facts

NOTABLE_SECONDS = 60.0
"""A difference below this has no bearing: the Date header counts whole seconds, and answers take time to arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Unix seconds at the moment of one answer: what the client's clock and the server's said."""

    client: float
    server: float

    @property
    def skew(self) -> float:
        """Seconds by which the server's clock is ahead of the client's; negative where it is behind."""
        return self.server - self.client

    @property
    def differ(self) -> bool:
        """Whether they are far enough apart to matter."""
        return abs(self.skew) >= NOTABLE_SECONDS


def of(exchange: Exchange) -> Clocks | None:
    """Both clocks at the answer, None where one of them is not known. What a cache kept shows an old time."""
    server = server_date(exchange)
    response, timing = exchange.response, exchange.timing
    if server is None or response is None or not timing.started or "Age" in response.headers:
        return None
    # Whole seconds, as the Date header counts: a recording that keeps fewer digits tells the same.
    spent = sum(part for part in (timing.connect, timing.tls, timing.send, timing.wait) if part)
    return Clocks(client=int(timing.started) + int(round(spent, 3)), server=server)


def server_date(exchange: Exchange) -> float | None:
    """The Date header in Unix seconds, None without a readable one."""
    response = exchange.response
    date = response.headers.get("Date") if response is not None else ""
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, TypeError, OverflowError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """One credential's span. Unix seconds, None for an end that is not told. ``what`` is ``token`` or the like."""

    what: str
    owner: str
    not_before: float | None
    not_after: float | None

    def over_but_for(self, clocks: Clocks) -> bool:
        """Whether its time has passed by the server's clock and not by the client's, which therefore did not renew it.

        That it is from the future by such a client's clock says nothing: no client looks at that.
        """
        return self.not_after is not None and clocks.client <= self.not_after < clocks.server

    def early_but_for(self, clocks: Clocks) -> bool:
        """Whether its time has come by the client's clock, which may have made it, and not by the server's."""
        return self.not_before is not None and clocks.server < self.not_before <= clocks.client


def validities(facts: Facts) -> tuple[Validity, ...]:
    """What the credentials of a request say of their own time: the token first, whose time passes sooner."""
    found = []
    token, certificate = facts.credential, facts.client_certificate
    if token is not None and not token.ignored and (token.expires is not None or token.not_before is not None):
        found.append(
            Validity(
                what="token",
                owner=token.username or token.subject,
                not_before=token.not_before,
                not_after=token.expires,
            )
        )
    if certificate is not None:
        found.append(
            Validity(
                what="client certificate",
                owner=certificate.subject_cn,
                not_before=certificate.not_before,
                not_after=certificate.not_after,
            )
        )
    return tuple(found)


def to_blame(facts: Facts) -> tuple[Clocks, Validity] | None:
    """The credential that is refused by the server's clock and good by the client's, None where that explains nothing.

    Only where they are far enough apart; that the answer is a refusal is for the caller to know.
    """
    clocks = of(facts.exchange)
    if clocks is None or not clocks.differ:
        return None
    for validity in validities(facts):
        if validity.over_but_for(clocks) or validity.early_but_for(clocks):
            return clocks, validity
    return None
