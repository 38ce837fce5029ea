"""Which user of the kubeconfig a refused credential came from, how it is had anew, and why none was sent."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from analyzers import login
from analyzers.finding import Evidence, Fix
from analyzers.rules import auth_anonymous

if TYPE_CHECKING:
    from analyzers.command import CommandInfo, Verdict
    from analyzers.finding import Finding
    from analyzers.kubeconfig.credential_source import CredentialSource
    from analyzers.story_details import Seen

_REFUSED = frozenset({
    "auth-anonymous", "auth-certificate-expired", "auth-certificate-rejected", "auth-client-certificate-alert",
    "auth-clock-skew", "auth-key-not-available", "auth-token-expired", "auth-token-rejected", "auth-unauthorized",
})  # fmt: skip
_KUBECONFIG = "kubeconfig"


# Which kinds of a kubeconfig's user can have been sent as what.
_AS_TOKEN = frozenset({"token", "token-file", "exec", "auth-provider", "flag"})
_AS_CERTIFICATE = frozenset({"client-certificate", "exec", "flag"})
_AS_BASIC = frozenset({"basic", "flag"})


def detailed(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    """The source of the credential as evidence, and the way to a new one as the first fix."""
    info = seen.info
    source = info.credential
    if finding.rule not in _REFUSED or source is None:
        return finding
    if finding.rule == auth_anonymous.RULE.id and (found := _nothing_sent(source, info, verdict)) is not None:
        why, fix = found
        finding = auth_anonymous.finding(verdict.facts, why)
        return replace(finding, fix=(fix, *finding.fix))
    if not _can_be(source, verdict):
        return finding
    finding = replace(finding, evidence=(*finding.evidence, _evidence(source)))
    return replace(finding, fix=_fixes(finding, source, verdict, info))


def _can_be(source: CredentialSource, verdict: Verdict) -> bool:
    """Whether what was sent can have come from there: a program may choose another user than the kubeconfig's own."""
    token, certificate = verdict.facts.credential, verdict.facts.client_certificate
    if token is not None:
        return bool((_AS_BASIC if token.kind == "basic" else _AS_TOKEN) & {*source.kinds})
    return certificate is not None and bool(_AS_CERTIFICATE & {*source.kinds})


def _evidence(source: CredentialSource) -> Evidence:
    if source.kinds == ("flag",):
        return Evidence("the credential stands on the command line", "command line")
    return Evidence(source.phrase, _KUBECONFIG)


def _nothing_sent(source: CredentialSource, info: CommandInfo, verdict: Verdict) -> tuple[Evidence, Fix] | None:
    """Why no credential was sent and what to do, None where one was sent or nothing tells."""
    if auth_anonymous.ignored(verdict.facts) or source.kinds == ("flag",):
        return None
    where = source.file or "the kubeconfig"
    if source.kinds:
        if verdict.exchange.request.scheme != "http":
            return None
        why = f"user {source.user} has a credential, but to a server at http:// no client sends it"
        set_cluster = shlex.join(
            ["kubectl", "config", "set-cluster", info.cluster or "CLUSTER", "--server=https://HOST:PORT"]
        )
        return Evidence(why, _KUBECONFIG), Fix(
            "name the server with https:// in the kubeconfig:", commands=(set_cluster,)
        )
    if source.user:
        why = (
            f"user {source.user} of {where} has {source.holds}" if source.file else f"{where} has no user {source.user}"
        )
        give = Fix(f"give user {source.user} a token, a client certificate or a credential plugin, or log in again")
        return Evidence(why, _KUBECONFIG), login.again(login.Hints.of(verdict.facts, source, info.context)) or give
    if info.context:
        set_context = shlex.join(["kubectl", "config", "set-context", info.context, "--user=USER"])
        why = f"context {info.context} names no user"
        return Evidence(why, _KUBECONFIG), Fix("name one:", commands=("kubectl config get-users", set_context))
    why = "no context of the kubeconfig is in effect, so there is no user either"
    choose = ("kubectl config get-contexts", "kubectl config use-context NAME")
    return Evidence(why, _KUBECONFIG), Fix("choose one:", commands=choose)


def _fixes(finding: Finding, source: CredentialSource, verdict: Verdict, info: CommandInfo) -> tuple[Fix, ...]:
    fixes = finding.fix
    if finding.rule == "auth-key-not-available":
        return fixes
    known = login.again(login.Hints.of(verdict.facts))
    better = login.again(login.Hints.of(verdict.facts, source, info.context))
    if better is not None:
        fixes = (better, *(fix for fix in fixes if fix != known))
    elif source.kinds == ("exec",) and finding.rule != "auth-clock-skew":
        fixes = (Fix(f"log in again with {source.program}, which the kubeconfig takes the credential from"), *fixes)
    elif "token-file" in source.kinds:
        path = source.paths[0] if source.paths else "the token file"
        fixes = (Fix(f"see that {path} is renewed; clients read it again about once a minute"), *fixes)
    return fixes
