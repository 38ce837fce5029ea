"""The login that the credential plugin relies on has ended, or there never was one.

What you see
    Error loading SSO Token: Token for my-sso does not exist
    Unable to locate credentials. You can configure credentials by running "aws configure".
    ERROR: (gcloud.config.config-helper) You do not currently have an active account selected.
    Reauthentication failed. cannot prompt during non-interactive execution.
    AADSTS700082: The refresh token has expired due to inactivity.

Why it happens
    A credential plugin makes a Kubernetes token out of a login at a cloud or an identity provider. That login ends
    after hours or days, belongs to a profile that is not chosen, or was never made on this machine.

What to do
    Log in again with the provider's own command, then repeat the Kubernetes command.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers.client_failure import printed
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_SSO = re.compile(
    r"Error loading SSO Token|SSO session (?:associated with this profile )?has expired"
    r"|Error when retrieving token from sso"
    r"|Token has expired and refresh failed|token provider.{0,40}\bsso|UnauthorizedSSOTokenError|SSOTokenLoadError",
    re.IGNORECASE,
)
_AWS = re.compile(
    r"Unable to locate credentials|ExpiredToken(?:Exception)?\b|InvalidClientTokenId|UnrecognizedClientException"
    r"|security token included in the request is (?:expired|invalid)|The config profile \([^)]*\) could not be found"
    r"|NoCredentialProviders|no EC2 IMDS role found|failed to refresh cached credentials|Partial credentials found"
    r"|could not get token: (?:AccessDenied|WebIdentityErr|NoCredential|InvalidIdentityToken)"
    r"|AccessDenied\b.{0,80}sts:AssumeRole|AssumeRole(?:WithWebIdentity)?\b.{0,80}(?:AccessDenied|ExpiredToken)",
    re.DOTALL,
)
_GOOGLE = re.compile(
    r"do not currently have an active account|There was a problem refreshing (?:your )?(?:current )?auth tokens"
    r"|Reauthentication (?:failed|required|is needed)|Failed to retrieve access token"
    r"|could not find default credentials|print credential failed with error"
)
_AZURE = re.compile(
    r"\bAADSTS\d{4,}|Please run .?az login|(?:AzureCLI|DefaultAzure|DeviceCode|ManagedIdentity|InteractiveBrowser"
    r"|ClientSecret|WorkloadIdentity|AzureDeveloperCLI)Credential(?::| authentication failed)"
    r"|failed to get token: .{0,60}(?:credential|expired)"
)
_OTHER = re.compile(
    r"[Pp]lease (?:run|use|execute|re-?login|log ?in)\b"
    r".{0,60}\b(?:tsh|oc|ibmcloud|doctl auth|kubectl vsphere|oci session) "
    r"|Your (?:Teleport )?(?:session|credentials) (?:has|have) expired"
)
_PROVIDERS = (
    (_SSO, "AWS IAM Identity Center", ("aws sso login", "aws sts get-caller-identity")),
    (_AWS, "AWS", ("aws sts get-caller-identity", "aws configure list")),
    (_GOOGLE, "Google Cloud", ("gcloud auth login", "gcloud auth list")),
    (_AZURE, "Azure", ("az login", "az account show")),
    (_OTHER, "the identity provider", ()),
)
_NONE = re.compile(
    r"Unable to locate|does not exist|could not be found|not currently have|could not find|NoCredential|no EC2",
    re.IGNORECASE,
)


def check(facts: Facts) -> Finding | None:
    """The words of the clouds' own tools, alone or behind client-go's."""
    text = printed(facts)
    found = next(((words, where, how) for words, where, how in _PROVIDERS if words.search(text)), None)
    if found is None:
        return None
    words, where, how = found
    seen = words.search(text)
    assert seen is not None
    state = "There is no login" if _NONE.search(text) else "The login has ended or is not accepted"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"{state} at {where}, from which the credential plugin gets its token.",
        evidence=(Evidence(_line_with(text, seen.start()), "printed by the credential plugin"), *_outer(facts, text)),
        fix=(
            Fix("log in, and see as whom:" if how else "log in with the provider's command", commands=how),
            Fix(
                "see which profile, account or tenant the plugin is told to use:",
                commands=("kubectl config view --minify",),
            ),
        ),
    )


def _line_with(text: str, place: int) -> str:
    start = text.rfind("\n", 0, place) + 1
    return " ".join(text[start:].partition("\n")[0].split())[:400]


def _outer(facts: Facts, text: str) -> tuple[Evidence, ...]:
    """What client-go added, where it stands in the same text."""
    place = text.rfind("getting credentials: ")
    return (
        (Evidence(" ".join(text[place:].split())[:300], "printed by the client"),)
        if place >= 0 and "\n" in text
        else ()
    )


RULE = Rule(id="auth-plugin-login", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
