"""The clocks of client and API server disagree, and by the server's the credential is not valid.

What you see
    error: You must be logged in to the server (Unauthorized)

Why it happens
    A token or certificate is valid between two moments, and it is the server's clock that counts. A client whose clock
    is behind takes an expired token for a good one and does not renew it; one whose clock is ahead shows a token that
    the server thinks is from the future. Virtual machines that slept and hosts without NTP drift like this. Compared
    here: when the request was sent by the client's clock, the server's Date header, and the credential's own dates.

What to do
    Set the clocks, the one that is wrong by a third one's word: see that NTP runs. Then log in again.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/
    - https://datatracker.ietf.org/doc/html/rfc7519#section-4.1.4
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import clocks, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.unauthorized import unauthorized
from analyzers.units import duration

if TYPE_CHECKING:
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """A 401 to a credential that is valid by the client's clock and not by the server's."""
    found = clocks.to_blame(facts) if unauthorized(facts) else None
    if found is None:
        return None
    both, validity = found
    if validity.not_before is not None and both.server < validity.not_before:
        state, turn = "is not valid yet", f"is valid from {evidence.moment(validity.not_before)}"
    else:
        state, turn = "has expired", f"expired on {evidence.moment(validity.not_after or 0)}"
    whose = "ahead of" if both.skew < 0 else "behind"
    owner = f" of {validity.owner}" if validity.owner else ""
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"This machine's clock is {duration(both.skew)} {whose} the API server's, by which the {validity.what}"
        f"{owner} {state}.",
        evidence=(
            evidence.answer(facts),
            Evidence(f"the {validity.what}{owner} {turn}", _WHERE[validity.what]),
            Evidence(f"the server's clock says {evidence.moment(both.server)}", "response header Date"),
            Evidence(f"this machine's clock said {evidence.moment(both.client)}", "time of the request"),
        ),
        fix=(
            Fix(
                "set this machine's clock (with NTP, so that it stays right), then log in again:",
                commands=("timedatectl set-ntp true", "timedatectl status"),
            ),
            Fix("or set the clock of the API server's node, if that one is wrong", by="a cluster administrator"),
        ),
    )


_WHERE = {"token": "request header Authorization", "client certificate": "client certificate"}

RULE = Rule(id="auth-clock-skew", category=Category.AUTH, step=Step.AUTHENTICATION, check=check)
