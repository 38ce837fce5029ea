"""The shapes that secrets have in text which has no structure, and the words without which there is none of them."""

from __future__ import annotations

from analyzers.redact.placeholder import ANY_MASK, ANY_URL_MASK

# One cheap look decides for nearly every string that the patterns need not be tried. Plain search of lowered text is
# tens of times faster than one pattern of alternatives where a body is long.
WORDS = (
    "eyj", "eya", "ewo", "zxlk", "-----begin", "ls0tls1crudj", "k8s-aws-v1", "ya29.", "bearer", "basic", "authoriz",
    "://", "pass", "token", "secret", "key", "akia", "asia", "ghp_", "gho_", "ghu_", "ghr_", "ghs_", "github_pat",
    "glpat", "xox", "aiza", "sha256~", "hvs.", "error found in", "pwd", "credential", "connection", "cookie",
    "sk_live_", "rk_live_", "npm_", "pypi-", "dop_v1_", "dckr_pat_", "hvb.", "sg.", "shpat_", "curl", "value:",
    "executing command", "hooks.slack.com", "webhook.office.com", "sk-proj-", "sk-ant-", "sk-live-", "sk-svcacct-",
    "negotiate", "ntlm", "@tcp(", "@unix(", "identified by", "masterauth", "bindpw", "dbpw", "adminpw", "rootpw",
    "_pw", "-pw", "[]string", "/api/webhooks/", "--from-literal", "--set", "login ", "x-", "exec: ", "no such file",
    "command=", "command '", "command \"", "command \\", "/proxy/", "trying to reach", "code=", "state=", "nonce=",
    "ticket=", "sig=", "samlresponse=", "jwt", "dsn", "psk", "sessionid", "session-id", "session_id", "_auth", "-auth",
    "env[", "headers[", "<input", "<meta", "value\"", "value\\", "not found: ", "shorthand", "invalid port",
    "unknown flag", "/bot", "kubeconfig-",
)  # fmt: skip
NAMES = (
    r"[\w.-]*(?:password|passwd|passphrase|passcode|pwd|token|secret|private[-_]?key|api[-_]?key|access[-_]?key(?:[-_]?id)?"
    r"|account[-_]?key|client-key-data|signing[-_]?key|encryption[-_]?key|connection[-_]?string|credentials?"
    r"|certificate[-_]?key|auth[-_]?key|session[-_]?(?:key|id)|secret[-_]?id|(?:db|_|-|require|user)pass"
    r"|instrumentation[-_]?key|(?:bind|db|admin|root|[_-])pw"
    r"|(?<![\w.-])(?:pass|jwt|dsn|psk)|[_-](?:jwt|dsn|psk|auth))"
)
VARIABLE = r"pass|pwd|token|key|secret|dsn|conn|cred|auth|private|salt|jwt|cookie|session|webhook|_ur[il]\b|_pw\b"
"""Within the name of an environment variable or a header field: its value may be a secret. Whatever its case."""
_NO_MASK = rf"(?!{ANY_MASK})"
_NAMED = rf"[^\"\s]{{0,100}}?(?:{VARIABLE})[^\"\s\\]{{0,100}}"
# A value in quotes, however often it was quoted again, up to where the same quote closes it.
_IN_QUOTES = r"(?:(?!(?P=quote))(?:\\.|.))+"
_QUOTED_OR_WORD = r"(?(quote)(?:(?!(?P=quote))(?:\\.|.))+|[^\s&\"'`,;\\]+)"
_REFUSED = r"(?:(?:Invalid|Unsupported|Duplicate) value|Not found)"
_QUOTED_BY_REFUSAL = r"(?:\\{0,4}\"(?:[^\"\\]|\\.)*\"?|\[[^\]]*\]?|[^\s:,\]\"\\]+)"
# Between the lines of a difference that Go prints.
_BETWEEN = r"(?:[\s\xa0+-]|\\[nt]){0,80}"
_FIELD_ERRORS = (
    r"(?:Required|Invalid|Unsupported|Duplicate) value|Not found|Forbidden|Too (?:long|many|few|short)|Internal error"
)
# The group "keep" stays in front of the mask. Some are slow where names are many, and have words beside them: without
# one of these, in lower case, they cannot match.
SHAPES: tuple[str | tuple[str, tuple[str, ...]], ...] = (
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
    r"\b(?:sk-(?:proj|ant|live|svcacct)-[\w-]{16,}|tskey-[\w-]{16,})",
    r"\b(?:AGE-SECRET-KEY-1[0-9A-Z]{40,}|SG\.[\w-]{16,}\.[\w-]{16,})",
    # Bootstrap tokens; a name like that with a time in it belongs to an Event.
    r"(?<![\w.-])[a-z0-9]{6}\.(?!1[5-9a-f][0-9a-f]{14}(?![\w.-]))[a-z0-9]{16}(?![\w.-])",
    # Words that say what follows them: a header, an option, an assignment, a field of JSON.
    r"(?i:(?P<keep>authorization[\"']?\s*[:=]\s*[\\\"']*(?:(?:bearer|basic|negotiate|digest|token|apikey|oauth|jwt)\s+)?)"
    r"(?!" + ANY_MASK + r"|<masked>|(?:bearer|basic)\b)[^\s\"'\\]+)",
    r"(?P<keep>\b(?i:bearer|basic|negotiate|ntlm)\s+)(?=[\w.~+/-]*(?:[0-9_~+/=]|[a-z][A-Z]))[\w.~+/=-]{8,}",
    r"(?i:(?P<keep>(?:^|(?<=\s))--" + NAMES + r"\s+(?P<quote>\\{0,8}[\"'])?)(?![-\[])" + _QUOTED_OR_WORD + ")",
    r"(?i:(?P<keep>(?:^|(?<=[\s?&;,='\"`>({/:]))-{0,2}"
    + NAMES
    + r"=(?P<quote>\\{0,8}[\"'])?)(?!"
    + ANY_MASK
    + "|"
    + ANY_URL_MASK
    + ")"
    + _QUOTED_OR_WORD
    + ")",
    r"(?i:(?P<keep>\\{0,8}[\"'](?:[\w.-]{1,253}/)?"
    + NAMES
    + r"\\{0,8}[\"']\s*:\s*(?P<quote>\\{0,8}[\"']))"
    + _NO_MASK
    + _IN_QUOTES
    + ")",
    # password:"..." as GraphQL and JavaScript write it; map[password:...] as Go does.
    (
        r"(?i:(?P<keep>(?<![\w.\"'-])" + NAMES + r"\s{0,9}:\s{0,9}(?P<quote>\\{0,8}\"))" + _NO_MASK + _IN_QUOTES + ")",
        (':"', ': "', ":\\", ": \\", ":\t", ":\n", ":  ", ":\r", ":\v", ":\f"),
    ),
    r"(?i:(?P<keep>\bmap\[(?:[^\[\]]{0,2000}\s)?" + NAMES + r":)(?!\[|" + ANY_MASK + r")[^\s\]]+)",
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
    # What a refusal quotes of a field whose name is a secret's, or of a value that a secret may be in.
    (
        r"(?i:(?P<keep>(?<![\w.-])(?:"
        + NAMES
        + r"|[\w.-]*(?:pass|dsn|jwt|auth|database[-_]?url|webhook[-_]?url|kubeconfig|psk|otp|pin))"
        r"\w{0,40}(?:\[[^\]\s]{0,100}\])?(?:\.(?:values?|data|raw|plain|text|content)(?:\[[^\]\s]{0,100}\])?)?: "
        + _REFUSED
        + ": )"
        + _NO_MASK
        + _QUOTED_BY_REFUSAL
        + ")",
        (" value: ", "not found: "),
    ),
    r"(?P<keep>\b(?:env|httpHeaders)\[[^\]]{0,40}\]\.value: " + _REFUSED + ": )" + _NO_MASK + _QUOTED_BY_REFUSAL,
    # A pod's variables and its options, as Go prints them, line by line where it shows a difference; and in JSON.
    r"(?P<keep>Name:[\s\xa0]{0,40}\\{0,4}\"(?i:"
    + _NAMED
    + r")\\{0,4}\","
    + _BETWEEN
    + r"Value:[\s\xa0]{0,40}(?P<quote>\\{0,4}\"))"
    + _NO_MASK
    + _IN_QUOTES,
    r"(?P<keep>Value:[\s\xa0]{0,40}\\{0,4}\""
    + ANY_MASK
    + r"\\{0,4}\","
    + _BETWEEN
    + r"Value:[\s\xa0]{0,40}(?P<quote>\\{0,4}\"))"
    + _NO_MASK
    + _IN_QUOTES,
    r"(?i:(?P<keep>\\{0,8}\"(?:name|key)\\{0,8}\":\s?\\{0,8}\""
    + _NAMED
    + r"\\{0,8}\",\s?\\{0,8}\"value\\{0,8}\":\s?(?P<quote>\\{0,8}\"))"
    + _NO_MASK
    + _IN_QUOTES
    + ")",
    r"(?i:(?P<keep>\\{0,4}\"--?" + NAMES + r"\\{0,4}\",\s{0,9}(?P<quote>\\{0,4}\"))(?!-)" + _NO_MASK + _IN_QUOTES + ")",
    # kubectl and Go repeat what they could not parse.
    r"(?P<keep>unknown shorthand flag: '.' in -\w)[^\s\"'-]+",
    r"(?P<keep>unknown flag: --[\w-]{1,100}=)(?!\[)\S+",
    r"(?P<keep>invalid port \\{0,4}\":)[^\"\\]+(?=\\{0,4}\" after host)",
    r"(?P<keep>\bparse \\{0,4}\"[a-z][a-z0-9+.-]{0,20}://[^\s:/@\"]{0,100}:)[^\s\"]+(?=@)",
    # Files of settings, XML, header fields in a command line, and options whose value is NAME=VALUE.
    r"(?im:(?P<keep>^[ \t]*(?:export[ \t]+)?" + NAMES + r"[ \t]+=[ \t]*)(?!" + ANY_MASK + r")[^\s\"'=].*$)",
    r"(?i:(?P<keep><" + NAMES + r">)(?!" + ANY_MASK + r")[^<>]+)",
    r"(?i:(?P<keep>(?<![\w-])x-[a-z-]{0,40}(?:token|key|secret|password|auth)[a-z-]{0,40}:[ \t]*)(?!"
    + ANY_MASK
    + r")[^\s\"']+)",
    r"(?P<keep>(?<!\S)--(?:from-literal|set|set-string|set-literal)[= ][\"']?[^\s=\"']{1,200}=)(?!"
    + ANY_MASK
    + r")[^\s\"']+",
    r"(?P<keep>\blogin [^\n]{0,300}?(?<=\s)-p[ =]?)(?!" + ANY_MASK + r")[^\s\"'-][^\s\"']*",
    r"(?P<keep>\bhooks\.slack\.com/services/|/api/webhooks/|webhook\.office\.com/webhookb2/)(?!"
    + ANY_MASK
    + r")[\w/-]+",
    # What other programs are given: a .netrc, a database's address, a statement, a file of settings.
    r"(?P<keep>\bmachine \S{1,253} login \S{1,253} password )" + _NO_MASK + r"\S+",
    r"(?P<keep>\b[\w.-]{1,64}:)" + _NO_MASK + r"[^\s@\"']{1,200}(?=@(?:tcp|unix)\()",
    r"(?i:(?P<keep>\b(?:password|passwd|passphrase|pwd|identified by) (?P<quote>\\{0,4}[\"']))"
    + _NO_MASK
    + _IN_QUOTES
    + ")",
    r"(?im:(?P<keep>^[ \t]*(?:requirepass|masterauth)[ \t]+)" + _NO_MASK + r"\S+)",
    r"(?i:(?P<keep>\b(?:yaml|json|decoding)\b[^\n]{0,100}?\s"
    + NAMES
    + r":[ \t]+)(?!"
    + ANY_MASK
    + "|"
    + _FIELD_ERRORS
    + r")\S+)",
    r"(?P<keep>\[\]string\{[^{}]{0,500}?\\{0,4}\"-p)(?=[^\"\\]{3})" + _NO_MASK + r"[^\"\\]+",
    # The chat bot of a webhook, and what Rancher calls its tokens.
    r"(?P<keep>/bot\d{6,12}:)[\w-]{20,}",
    r"\b(?:kubeconfig|token)-[\w-]{1,60}:[a-z0-9]{40,}",
    # A login on its way, in a page or a message.
    r"(?i:(?P<keep>(?:[?&]|&amp;)(?:code|state|nonce|ticket|sig|samlresponse|relaystate)=)(?!"
    + ANY_URL_MASK
    + "|"
    + ANY_MASK
    + r")[^\s&\"'<>\\]+)",
    # Older API servers quote what they could not decode.
    r"(?s:(?P<keep>error found in #\d+ byte of ).*)",
)
# What is repeated of a request: hidden there because it is nobody's business, and perhaps a secret. It is looked for
# nowhere else, because it may be a word like any other.
REPEATED = (
    # The kubelet and container runtimes: of what was to be run, the first word may stay.
    r"(?P<keep>\bexecuting command \[[^\s\]]{1,200}\s)" + _NO_MASK + r"[^\n]{1,2000}(?=\])",
    r"(?P<keep>\b(?:exec: |command )\\{0,4}[\"'][^\s\"'=\\]{1,200}[ =])" + _NO_MASK + r"(?:[^\"'\\]|\\[^\"'])+",
    r"(?P<keep>\bstat [^\s:]{1,200} )" + _NO_MASK + r"[^\n]{1,2000}?(?=: no such file)",
    # The API server and its proxy: what stands behind the first command, and behind /proxy/.
    r"(?P<keep>/exec\?[^\s\"'\\]{0,2000}?command=[^&\s\"'\\]{0,200}&(?:[^&\s\"'\\]{0,200}&){0,8}?command=)"
    r"(?!REDACTED|\[redacted)[^\s\"'\\]+",
    r"(?P<keep>/(?:pods|services|nodes)/[^/\s\"'\\]{1,253}/proxy/)"
    r"(?!REDACTED|(?:healthz|readyz|livez|metrics(?:/\w+)?|version|stats/summary|configz|pods|runningpods|logs/?|spec|index\.html)"
    r"(?:[\s?\"'\\]|$))[^\s\"'\\]+",
    r"(?P<keep>(?:[Tt]rying to reach: '|error trying to reach service: [A-Z]?[a-z]{2,8} \\{0,4}\")\w+://[^/\s\"'\\]+/)"
    r"(?!REDACTED|\[redacted)[^\s\"'\\]+",
    # What a page has in its form.
    r"(?i:(?P<keep><input\b[^<>]{0,300}?\svalue=[\"']))" + _NO_MASK + r"[^\"'<>]+",
    r"(?i:(?P<keep><meta\b[^<>]{0,300}?(?:csrf|token)[^<>]{0,300}?\scontent=[\"']))" + _NO_MASK + r"[^\"'<>]+",
)
