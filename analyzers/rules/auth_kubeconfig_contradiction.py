"""The kubeconfig says two things that exclude each other, or not all that it must.

What you see
    error: more than one authentication method found for jane; found [token basicAuth], only one is allowed
    error: specifying a root certificates file with the insecure flag is not allowed
    error: client-key-data or client-key must be specified for jane to use the clientCert authentication method.

Why it happens
    A user has several credentials, a certificate without a key, or data and file for the same thing; or a cluster has
    a certificate authority and is not to be checked at once. Merged files and flags on the command line do this too.

What to do
    Take out one of the two.

References
    - https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_BOTH = re.compile(
    r"\b(?P<data>[\w-]{1,40}) and (?P<file>[\w-]{1,40}) are both specified for (?P<whose>[^\s;]*[^\s;.])"
)
_WAYS = re.compile(r"more than one authentication method found for (?P<user>[^\s;]+); found \[(?P<ways>[^\]]*)\]")
_BASIC = re.compile(r"username/password or bearer token may be set, but not both")
_INSECURE = re.compile(r"specifying a root certificates file with the insecure flag is not allowed")
_NO_KEY = re.compile(r"client-key-data or client-key must be specified for (?P<user>\S+)")
_PLUGIN = re.compile(
    r"(?P<field>command|apiVersion|interactiveMode|env variable name) must be specified for (?P<user>\S+) to use exec"
    r"|(?P<bad>invalid interactiveMode) for (?P<whose>[^\s:]+)"
)
_PROVIDER = re.compile(r"authProvider cannot be provided in combination with an exec plugin for (?P<user>\S+)")
_GROUPS = re.compile(r"requesting uid, groups or user-extra for (?P<user>\S+) without impersonating a user")
_PROXY = re.compile(r"invalid 'proxy-url'|unsupported scheme \"[^\"]*\", must be http, https, or socks5")
_FIELDS = {
    "client-cert-data": "client-certificate-data",
    "client-cert": "client-certificate",
}


def check(facts: Facts) -> Finding | None:
    """client-go's words for a user or cluster stanza that cannot be."""
    found = _read(printed(facts))
    if found is None:
        return None
    summary, fix = found
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=summary,
        evidence=evidence.refused(facts),
        fix=(
            fix,
            Fix(
                "see what is in effect after all files and flags are merged:",
                commands=("kubectl config view --minify",),
            ),
        ),
    )


def _read(text: str) -> tuple[str, Fix] | None:
    """What is wrong, and what to do about it."""
    if found := _BOTH.search(text):
        names = [_FIELDS.get(found[part], found[part]) for part in ("data", "file")]
        kind = "clusters" if found["data"].startswith("certificate-authority") else "users"
        return (
            f"The kubeconfig has both {names[0]} and {names[1]} for {found['whose']}.",
            _unset(f"{kind}.{found['whose']}.{names[1]}"),
        )
    if found := _WAYS.search(text):
        ways = " and ".join("user name and password" if way == "basicAuth" else way for way in found["ways"].split())
        return (
            f"The kubeconfig's user {found['user']} has more than one way to log in: {ways}.",
            _unset(f"users.{found['user']}.username", f"users.{found['user']}.password"),
        )
    if _BASIC.search(text):
        return ("The client was given both a token and a user name with a password.", Fix("take one of the two out"))
    if _INSECURE.search(text):
        return (
            "The kubeconfig or the command line names a certificate authority, and says not to check certificates.",
            _unset("clusters.NAME.insecure-skip-tls-verify"),
        )
    if found := _NO_KEY.search(text):
        return (
            f"The kubeconfig's user {found['user']} has a client certificate and no key to it.",
            Fix("add client-key or client-key-data to the user; the key was made together with the certificate"),
        )
    if found := _PLUGIN.search(text):
        field, user = found["field"] or "interactiveMode", found["user"] or found["whose"]
        more = ": Never, IfAvailable or Always" if field == "interactiveMode" else ""
        return (
            f"The credential plugin of the kubeconfig's user {user} lacks a valid {field}.",
            Fix(f"write {field} into the user's exec stanza{more}"),
        )
    if found := _PROVIDER.search(text):
        return (
            f"The kubeconfig's user {found['user']} has both an auth-provider and a credential plugin.",
            _unset(f"users.{found['user']}.auth-provider"),
        )
    if found := _GROUPS.search(text):
        return (
            f"The kubeconfig's user {found['user']} acts with groups, a UID or extras, and as no user.",
            Fix("say as whom with as or --as, or take the groups, UID and extras out"),
        )
    if _PROXY.search(text):
        return (
            "The cluster's proxy-url is none that the client can use.",
            Fix(
                "write http://, https:// or socks5:// in front of the proxy's address:",
                commands=("kubectl config set-cluster CLUSTER --proxy-url=http://PROXY:PORT",),
            ),
        )
    return None


def _unset(*properties: str) -> Fix:
    return Fix(
        "take one of the two out, for instance:",
        commands=tuple(shlex.join(["kubectl", "config", "unset", one]) for one in properties),
    )


RULE = Rule(id="auth-kubeconfig-contradiction", category=Category.AUTH, step=Step.COMMAND, check=check)
