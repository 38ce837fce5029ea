"""Who asked, in words: what the request carried to say so, and what the API server made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers.units import until

if TYPE_CHECKING:
    from analyzers.facts import Facts


def claimed(facts: Facts, now: float = 0.0) -> str:
    """What the request says of its sender: ``client certificate CN=jane, O=dev, until 3 Jan``. "" when nothing.

    A claim, not a proof: only ``known_as`` is what the API server said. ``now`` is a Unix time, 0 when unknown.
    """
    parts = []
    certificate, credential, impersonation = facts.client_certificate, facts.credential, facts.impersonation
    if certificate is not None:
        names = [f"CN={certificate.subject_cn}", *(f"O={name}" for name in certificate.organizations)]
        names += [f"UID={certificate.uid}"] if certificate.uid else []
        parts.append(f"client certificate {', '.join(names)}, {until(certificate.not_after, now)}")
    if credential is not None:
        said = credential.phrase
        if credential.ignored:
            said += " (the API server ignores it)"
        if credential.expires is not None:
            said += f", {until(credential.expires, now)}"
        parts.append(said)
    if impersonation is not None:
        parts.append(f"acting as {impersonation.user or 'another user'}")
    return "; ".join(parts)


def known_as(facts: Facts) -> str:
    """The user name that the API server itself gave in its answer, "" where it gave none.

    It does so only where it refuses: ``User "jane" cannot list …``.
    """
    text = facts.status.message if facts.status is not None else facts.text
    return facts.user if facts.user and f'User "{facts.user}"' in text else ""


def who_asked(facts: Facts, now: float = 0.0) -> str:
    """Both together: ``jane, says the API server; client certificate CN=jane, O=dev, until 3 Jan``. "" when unknown."""
    known, claim = known_as(facts), claimed(facts, now)
    if not known:
        return claim
    return f"{known}, says the API server; {claim or 'no credential was sent'}"
