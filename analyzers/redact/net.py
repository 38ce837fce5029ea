"""The last net: the shapes that secrets have in text which has no structure."""

from __future__ import annotations

import re
from collections.abc import Callable

from analyzers.redact.placeholder import ANY_MASK, ANY_URL_MASK, mask, url_mask

# One cheap look decides for nearly every string that the patterns need not be tried. Plain search of lowered text is
# tens of times faster than one pattern of alternatives where a body is long.
_WORDS = (
    "eyj", "eya", "ewo", "zxlk", "-----begin", "ls0tls1crudj", "k8s-aws-v1", "ya29.", "bearer", "basic", "authoriz",
    "://", "pass", "token", "secret", "key", "akia", "asia", "ghp_", "gho_", "ghu_", "ghr_", "ghs_", "github_pat",
    "glpat", "xox", "aiza", "sha256~", "hvs.", "error found in", "pwd", "credential", "x-amz", "x-goog", "connection",
    "cookie", "sk_live_", "rk_live_", "npm_", "pypi-", "dop_v1_", "dckr_pat_", "hvb.", "age-secret-key", "sg.",
    "shpat_", "curl", "value:", "executing command", "hooks.slack.com", "/api/webhooks/", "--from-literal", "--set",
    " login", "x-",
)  # fmt: skip
_BOOTSTRAP = re.compile(r"[a-z0-9]\.[a-z0-9]{16}")
NAMES = (
    r"[\w.-]*(?:password|passwd|passphrase|pwd|token|secret|private[-_]?key|api[-_]?key|access[-_]?key(?:[-_]?id)?"
    r"|account[-_]?key|client-key-data|signing[-_]?key|encryption[-_]?key|connection[-_]?string|credentials?)"
)
_FIELD_ERRORS = (
    r"(?:Required|Invalid|Unsupported|Duplicate) value|Not found|Forbidden|Too (?:long|many|few|short)|Internal error"
)
# The group "keep" stays in front of the mask.
_SHAPES = (
    # Keys: PEM, cut off too, and PEM in base64 that is neither a certificate nor a public key.
    r"(?s:-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*-----|\Z))",
    r"LS0tLS1CRUdJTi(?!BDRVJU|BQVUJM)[A-Za-z0-9+/_=-]+",
    # Tokens: JWT and JWE, the beginning of one, one in base64; then those with a prefix of their own.
    r"(?<![A-Za-z0-9_-])(?:eyJ|eyA|ewo)[\w-]{8,}(?:(?:\.[\w-]*){4}|\.(?:eyJ|eyA|ewo)[\w-]{4,}(?:\.[\w-]*)?)",
    r"eyJ(?:hbGci|0eXAi|raWQi|jdHki|lbmMi)[\w.-]*",
    r"ZXlKaGJHY[A-Za-z0-9+/_=-]{8,}",
    r"k8s-aws-v1\.[\w-]+",
    r"ya29\.[\w.-]+",
    r"\b(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{8,}|AIza[\w-]{30,})",
    r"\b(?:sha256~[\w-]{40,}|hv[sb]\.[\w-]{16,}|(?:AKIA|ASIA)[0-9A-Z]{16}\b)",
    r"\b(?:[sr]k_live_\w{16,}|npm_\w{30,}|pypi-[\w-]{40,}|dop_v1_[0-9a-f]{40,}|dckr_pat_[\w-]{20,}|shpat_\w{20,})",
    r"\b(?:AGE-SECRET-KEY-1[0-9A-Z]{40,}|SG\.[\w-]{16,}\.[\w-]{16,})",
    # Bootstrap tokens; a name like that with a time in it belongs to an Event.
    r"(?<![\w.-])[a-z0-9]{6}\.(?!1[5-9a-f][0-9a-f]{14}(?![\w.-]))[a-z0-9]{16}(?![\w.-])",
    # Words that say what follows them: a header, an option, an assignment, a field of JSON.
    r"(?i:(?P<keep>authorization[\"']?\s*[:=]\s*[\\\"']*(?:(?:bearer|basic|negotiate|digest|token|apikey|oauth|jwt)\s+)?)"
    r"(?!" + ANY_MASK + r"|<masked>|(?:bearer|basic)\b)[^\s\"'\\]+)",
    r"(?P<keep>\b(?i:bearer|basic)\s+)(?=[\w.~+/-]*(?:[0-9_~+/=]|[a-z][A-Z]))[\w.~+/=-]{8,}",
    r"(?i:(?P<keep>(?:^|(?<=\s))--" + NAMES + r"\s+)(?![-\[])[^\s\"']+)",
    r"(?i:(?P<keep>(?:^|(?<=[\s?&;,='\"`]))-{0,2}"
    + NAMES
    + r"=[\"']?)(?!"
    + ANY_MASK
    + "|"
    + ANY_URL_MASK
    + r")[^\s&\"'`,;]+)",
    r"(?i:(?P<keep>\\{0,8}[\"']"
    + NAMES
    + r"\\{0,8}[\"']\s*:\s*(?P<quote>\\{0,8}[\"']))(?!"
    + ANY_MASK
    + r")(?:(?!(?P=quote)).)+)",
    r"(?i:(?P<keep>(?:^|(?<=[\s\"'`+]))[\"']?(?:"
    + NAMES
    + r"|client_key)[\"']?\s{1,40}=\s{0,40}[\"'])(?!"
    + ANY_MASK
    + r")[^\"'\n]+)",
    r"(?i:(?P<keep>\b(?:set-)?cookie:[ \t]*)(?!" + ANY_MASK + r")[^\s\"'].*)",
    r"(?P<keep>\bcurl\b[^\n]{0,400}?\s(?:-u|--user)[ =]?[\"']?[^\s:\"']{1,100}:)(?!" + ANY_MASK + r")[^\s\"']+",
    r"(?i:(?P<keep>x-(?:amz|goog)-(?:signature|credential|security-token)=)[^\s&\"']+)",
    # kubeconfig and the like: the whole line is a key and its value.
    r"(?im:(?P<keep>^[ \t]*(?:- )?"
    + NAMES
    + r":[ \t]+)(?!"
    + ANY_MASK
    + r"|[|>]?[ \t]*$|"
    + _FIELD_ERRORS
    + r")\S.*$)",
    # What a refusal quotes of a field whose name is a secret's, and of a pod's variables in Go's own form.
    r"(?P<keep>(?<![\w.-])(?i:"
    + NAMES
    + r")\w{0,40}(?:\[[^\]\s]{0,100}\])?: (?:Invalid|Unsupported|Duplicate) value: )(?!"
    + ANY_MASK
    + r")(?:\\{0,4}\"(?:[^\"\\]|\\.)*\"?|\[[^\]]*\]?|[^\s:,\]\"\\]+)",
    r"(?P<keep>Name:\s{0,20}\\{0,4}\"[^\"\s]{0,100}?(?i:pass|pwd|token|key|secret|dsn|conn|cred|auth|private)[^\"\s]{0,100}\","
    r"\s{0,20}Value:\s{0,20}\\{0,4}\")(?!" + ANY_MASK + r")(?:[^\"\\]|\\(?!\"))+",
    # Files of settings, XML, header fields in a command line, and options whose value is NAME=VALUE.
    r"(?im:(?P<keep>^[ \t]*(?:export[ \t]+)?" + NAMES + r"[ \t]+=[ \t]*)(?!" + ANY_MASK + r")[^\s\"'=].*$)",
    r"(?i:(?P<keep><" + NAMES + r">)(?!" + ANY_MASK + r")[^<>]+)",
    r"(?i:(?P<keep>(?<![\w-])x-[a-z-]{0,40}(?:token|key|secret|password|auth)[a-z-]{0,40}:[ \t]*)(?!"
    + ANY_MASK
    + r")[^\s\"']+)",
    r"(?P<keep>(?<!\S)--(?:from-literal|set|set-string|set-literal)[= ][\"']?[^\s=\"']{1,200}=)(?!"
    + ANY_MASK
    + r")[^\s\"']+",
    r"(?P<keep>\b(?:docker|podman|nerdctl|registry|oc|az) login [^\n]{0,300}?(?<=\s)-p[ =]?)(?!"
    + ANY_MASK
    + r")[^\s\"'-][^\s\"']*",
    r"(?P<keep>\bhooks\.slack\.com/services/|/api/webhooks/)(?!" + ANY_MASK + r")[\w/-]+",
    # A kubelet repeats what was to be run; the first word of it may stay.
    r"(?P<keep>\bexecuting command \[[^\s\]]{1,200}\s)(?!" + ANY_MASK + r")[^\n]{1,2000}(?=\])",
    # Older API servers quote what they could not decode.
    r"(?s:(?P<keep>error found in #\d+ byte of ).*)",
)
_NET = tuple(re.compile(shape, re.ASCII) for shape in _SHAPES)
_USER_INFO_ANYWHERE = re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://)([^\s/\"'<>@\\]+)@", re.IGNORECASE)


def text(value: str) -> str:
    """Free text with the shapes of secrets masked: the last net, after structure."""
    return net(value, mask)


def net(value: str, masked: Callable[[str], str]) -> str:
    """``text`` with other placeholders: ``masked`` makes one of a secret."""
    if len(value) < 5 or value in _harmless:
        return value
    if not _is_suspect(value.lower()):
        _remember(value)
        return value
    return through(value, masked)


def through(value: str, masked: Callable[[str], str]) -> str:
    """Every shape tried, without the first look."""

    def replaced(found: re.Match[str]) -> str:
        keep = found.groupdict().get("keep", "")
        return keep + masked(found[0][len(keep) :])

    for shape in _NET:
        value = shape.sub(replaced, value)
    return _USER_INFO_ANYWHERE.sub(lambda found: f"{found[1]}{user_info_mask(found[2])}@", value)


def user_info_mask(user_info: str) -> str:
    """For ``user:password`` in a URL; the password alone is the secret."""
    _, colon, password = user_info.partition(":")
    return url_mask(password if colon else user_info)


# A session says the same few hundred things in every message: header values, kinds, names of fields and managers.
# Only what has been found to hold nothing is remembered.
_harmless: set[str] = set()
_MOST, _LONGEST = 4096, 128


def _remember(value: str) -> None:
    if len(value) <= _LONGEST:
        if len(_harmless) >= _MOST:
            _harmless.clear()
        _harmless.add(value)


def _is_suspect(lowered: str) -> bool:
    for word in _WORDS:
        if word in lowered:
            return True
    return "." in lowered and _BOOTSTRAP.search(lowered) is not None
