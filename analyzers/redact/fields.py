"""What the name of a field says of its value: whether it grants access, or only says where something is that does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyzers.redact.net import text

# At the end of a name, whatever stands before it: dbPassword, registry-token; the last ones only alone.
_SECRET_END = re.compile(
    r"(?:password|passwd|passphrase|passcode|pwd|token|secret|secretvalue|privatekey|apikey|accesskey|accesskeyid"
    r"|secretkey|accountkey|signingkey|encryptionkey|masterkey|sharedkey|presharedkey|psk|hmackey|keydata|hmac|jwt|otp"
    r"|connectionstring|connectionurl|databaseurl|dsn|webhookurl|credentials?|authorization|bearer|dockerconfigjson"
    r"|certificatekey|authkey|sessionkey|unsealkey|recoverykey|subscriptionkey|integrationkey|appkey|registryauth|masterauth"
    r"|basicauth|authheader|secretid|secretstring|secretbinary|secretdata|securejsondata|tokenvalue|passkey|mnemonic|otpseed"
    r"|aeskey|cryptokey|gpgkey|sshkey|deploykey|licensekey|joinkey|storagekey|restuserkey|hashsalt"
    r"|tokenstring|secrettext"
    r"|assertion|samlrequest|samlresponse|devicecode|sessid|(?:admin|root|db|user|bind)pw"
    r"|dockercfg|kubeconfig|cookie|sessionid|sastoken|(?<!by)(?<!com)pass)s?(?:v?\d{1,2})?$"
    r"|^(?:auth|auths|pin|seed|salt|sas|privkey|private)$"
)
# Anywhere in a name, unless its end says that the value is something else.
_SECRET_ANYWHERE = re.compile(
    r"password|passwd|passphrase|secretkey|secretaccesskey|privatekey|apikey|accesstoken|refreshtoken|idtoken|authtoken"
    r"|bearertoken|clientsecret"
)
_ABOUT_A_SECRET = re.compile(
    r"(?:name|names|namespace|ref|refs|reference|from|path|file|files|filename|dir|key|keys|field|length|size|policy"
    r"|type|types|kind|url|uri|endpoint|issuer|audience|audiences|seconds|duration|ttl|expiry|expires|expiration|expiresin"
    r"|expirationtimestamp|age|enabled|disabled|required|allowed|mode|method|methods|count|version|format|algorithm"
    r"|encoding|rotation|interval|at|time|timestamp|provider|store|mount|mounted|auth|login|grant|scope|scopes)$"
)
_APPLIED = re.compile(r"last-(?:applied|handled)|applied-config|rio\.cattle\.io/applied$", re.IGNORECASE)
# What a reference to a secret is made of: SecretKeySelector, SecretReference, SecretVolumeSource and the like.
_REFERENCE = frozenset(
    {
        "name",
        "namespace",
        "kind",
        "group",
        "apigroup",
        "apiversion",
        "version",
        "key",
        "secretname",
        "secretnamespace",
        "optional",
        "path",
        "mode",
        "items",
        "defaultmode",
        "audience",
        "expirationseconds",
        "type",
        "uid",
        "resourceversion",
        "fieldpath",
        "volumename",
        "store",
        "secretstoreref",
        "storeref",
        "property",
        "remoteref",
        "index",
        "url",
        "uri",
        "endpoint",
        "issuer",
    }
)
# A map's keys are whatever somebody wrote, perhaps a token; only what can be a field of the API is remembered.
_API_FIELD = re.compile(r"(?:f:)?[a-z]{1,20}(?:[A-Z][a-z]{0,20}){0,4}")

_known: dict[str, Name] = {}
_MOST_KNOWN = 4_096
_learned: set[str] = set()
_MOST_LEARNED = 10_000


@dataclass(frozen=True, slots=True)
class Name:
    """A field's name. ``shown`` may stand in a report; ``plain`` is in lower case without dashes, dots and underscores.

    ``applied``: the value is another copy of the object. ``secret``: it grants access. ``reference``: beside others, it
    says where a secret is.
    """

    shown: str
    plain: str
    applied: bool
    secret: bool
    reference: bool


def name(key: str) -> Name:
    """What ``key`` says."""
    found = _known.get(key)
    if found is None:
        found = _looked_at(key)
        if len(key) <= 40 and _API_FIELD.fullmatch(key) and len(_known) < _MOST_KNOWN:
            _known[key] = found
    if _learned and not found.secret and found.plain in _learned:
        return Name(found.shown, found.plain, found.applied, secret=True, reference=False)
    return found


def is_secret(key: str) -> bool:
    """Whether a value of this name grants access."""
    return name(key).secret


def learn(schema: Mapping[str, Any]) -> None:
    """The fields of which the properties of an OpenAPI schema say ``format: password``."""
    for key, told in schema.items():
        if isinstance(told, dict) and told.get("format") == "password" and len(_learned) < _MOST_LEARNED:
            _learned.add(_plain(str(key)))


def _looked_at(key: str) -> Name:
    plain = _plain(key)
    secret = _SECRET_END.search(plain) is not None or (
        _SECRET_ANYWHERE.search(plain) is not None and _ABOUT_A_SECRET.search(plain) is None
    )
    return Name(text(key), plain, _APPLIED.search(key) is not None, secret, plain in _REFERENCE)


def _plain(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "").replace(".", "")
