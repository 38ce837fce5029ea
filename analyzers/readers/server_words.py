"""The API server's answers as clients print them: which message means which code and reason.

A printed message has lost its status line. What the server says for which code is fixed in its source
(k8s.io/apimachinery, pkg/api/errors/errors.go, and where each admission plugin and handler makes its own), so the code
can be told again. In the table the first that matches counts: whoever wraps another's message stands before it.
"""

from __future__ import annotations

import re

from analyzers.decode.status import Cause, Details, Status

REASONS = {
    "Unauthorized": 401, "Forbidden": 403, "NotFound": 404, "AlreadyExists": 409, "Conflict": 409, "Gone": 410,
    "Invalid": 422, "ServerTimeout": 500, "StorageReadError": 500, "Timeout": 504, "TooManyRequests": 429,
    "BadRequest": 400, "MethodNotAllowed": 405, "NotAcceptable": 406, "RequestEntityTooLarge": 413,
    "UnsupportedMediaType": 415, "InternalError": 500, "Expired": 410, "ServiceUnavailable": 503,
}  # fmt: skip
_NAME = r'"(?P<name>(?:[^"\\\n]|\\.)*)"'
# Each begins where a word does, and never gives back what it took: a long word is looked at once.
_RESOURCE = r"(?<![a-z0-9-])(?P<resource>[a-z][a-z0-9-]*+)(?P<group>(?:\.[a-z0-9-]++){0,20}+)"
_OBJECT = rf"{_RESOURCE} {_NAME}"
# In the plural, as types are: "node \"n1\" not found" is what a kubelet says of its own cache.
_OBJECTS = (
    r"(?<![a-z0-9-])(?P<resource>[a-z][a-z0-9-]{0,62}"
    rf"(?:s(?P<group>(?:\.[a-z0-9-]{{1,63}}){{0,10}})|(?:\.[a-z0-9-]{{1,63}}){{1,10}})) {_NAME}"
)
_MAYBE_NAMED = rf"{_RESOURCE}(?: {_NAME})?"
_KIND = rf"(?<![A-Za-z0-9])(?P<kind>[A-Z][A-Za-z0-9]*+)(?P<group>(?:\.[a-z0-9-]++){{0,20}}+) {_NAME}"


_SAID: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    # Admission: it may quote anything, so it comes first.
    (403, "Forbidden", (r'admission webhook "[^"]*(?:" (?:denied the request|does not support dry run)|\Z)',
        r"GKE Warden rejected the request",)),
    (422, "Invalid", (rf"(?:{_OBJECT} is forbidden: )?ValidatingAdmissionPolicy '",)),
    (403, "Invalid", (r"policy '[^']*' with binding '[^']*' denied request",)),
    (500, "InternalError", (
        r"(?:Internal error occurred: )?failed calling (?:admission )?webhook",
        r"failed to call webhook:|failed to connect to webhook \"",
    )),
    (500, "", (r"conversion webhook for \S.{0,300}? failed",)),
    # The kubelet, and what else lies behind the API server.
    (403, "", (r"Forbidden \(user=[^)]*verb=",)),
    (500, "", (
        r"(?:Internal error occurred: )?error dialing backend: ",
        r'Get "?https?://[^\s"]+(?::10250/|:23(?:79|80)/|/containerLogs/)',
    )),
    (503, "ServiceUnavailable", (r"error trying to reach service: ", r'no endpoints available for service "')),
    # The authorizer, and admission plugins of the server itself.
    (403, "Forbidden", (
        rf"{_MAYBE_NAMED} is forbidden(?::(?: \S|\s*$)|\s*$| User)",
        r'forbidden: User "[^"\n]*" cannot |User "[^"\n]*" cannot "',
        r'User "[^"\n]*" cannot "?[\w:*-]+"? (?:resource |path |on "|[a-z][\w.*/-]* (?:in|at) )',
        r"unable to create new content in namespace \S+ because it is being terminated",
        r"(?:user|User) \S+ \([^)]*\) is attempting to grant (?:RBAC permissions|extra privileges)",
        r"\bviolates PodSecurity \"",
        r"exceeded quota: \S+(?:,|\Z)",
        r"attempt to grant extra privileges|Forbidden: \"/[^\"]*\", Reason: ",
        r"the server does not allow access to the requested resource",
        r"(?<=: )unknown \((?:get|post|put|patch|delete) [a-z][\w./-]*\)",
    )),
    # Storage.
    (409, "Conflict", (
        r"Operation cannot be fulfilled on ",
        r"the object has been modified; please apply your changes|(?:resource|object) has been modified",
        r"Apply failed with \d+ conflicts?",
        r"StorageError: invalid object",
        r"Precondition failed: UID in precondition",
    )),
    (409, "AlreadyExists", (rf"(?:object is being deleted: )?{_OBJECT} already exists",)),
    (409, "Conflict", (r"the server reported a conflict",)),
    (410, "Expired", (
        r"too old resource version: ",
        r"The resourceVersion for the provided (?:watch|list) is too old",
        r"The provided continue parameter is too old",
    )),
    (504, "Timeout", (
        r"(?:Timeout: )?Too large resource version: ",
        r"(?:Timeout: )?couldn't update PodDisruptionBudget \"[^\"]*\" due to conflicts",
    )),
    (500, "StorageReadError", (r"failed to read one or more \S+ from the storage",)),
    (500, "", (
        r"etcdserver: |mvcc: |etcd cluster is unavailable or misconfigured|All the given peers are not reachable",
        r"rpc error: code = \w+ desc = (?:etcdserver|trying to send message larger|grpc: received message larger)",
        r"retrying of unary invoker failed|transport: [^\n]*:2379|addrConn\.createTransport failed[^\n]*2379",
        r"healthz check \S+ failed|unable to sync kubernetes service: rpc error: ",
    )),
    # Too many, too late, not now.
    (429, "TooManyRequests", (r"Cannot evict pod as it would violate the pod's disruption budget",)),
    (500, "", (r"This pod has more than one PodDisruptionBudget",)),
    (503, "ServiceUnavailable", (
        r"[Tt]he apiserver is shutting down|apiserver is shutting down",
        r"the request has been made before all known HTTP paths have been installed",
        r"Sending HTTP/\S+ 503 response to \S+: starting",
    )),
    (429, "TooManyRequests", (
        r"storage is \(re\)initializing|due to server-side throttling, FlowSchema UID",
        r"the server has received too many requests and has asked us to try again later",
        r"Too many requests(?:, please try again later|: )|429 Too Many Requests",
    )),
    (504, "Timeout", (
        r"(?:Timeout: )?request did not complete within (?:(?:the allotted|requested) timeout|allowed duration)",
        r"http: Handler timeout",
        r"the server was unable to return a response in the time allotted",
    )),
    (500, "ServerTimeout", (r"The \S+ operation against \S+ could not be completed at this time",)),
    (503, "ServiceUnavailable", (
        r"(?:\b[\w-]{1,63}(?:\.[\w-]{1,63}){1,10}/v\d\w*: )?the server is currently unable to handle the request",
        r"(?:failing or missing|no) response from https?://\S+",
        r"Error: '[^'\n]*'\s*Trying to reach: '",
        r"stale GroupVersion discovery: |failed to discover some groups: ",
    )),
    # Who are you?
    (401, "Unauthorized", (
        r"\boidc: [^\n]{0,500}?(?:expired|verify|audience|issuer)",
        r"You must be logged in to the server",
        r"the server has asked for the client to provide credentials",
        r"Unable to authenticate the request|token provided is invalid or expired",
    )),
    # The request itself.
    (422, "Invalid", (
        rf"(?:The )?{_KIND} is invalid(?:[:.]|\s*$)",
        r"The request is invalid",
        r"\b(?:spec|metadata|data|status|rules|subjects|roleRef|webhooks|provisioner|parameters)[\w.\[\]]*: "
        r"(?:Required value|Invalid value|Unsupported value|Forbidden|Duplicate value|Too long|Not found)",
        r'"" is invalid: patch: ',
    )),
    (400, "BadRequest", (
        r"(?:error )?strict decoding (?:error|patch)|cannot be handled as a |the object provided is unrecognized",
        r"error decoding patch: |failed to create typed (?:patch|live) object|field not declared in schema",
        r"error (?:strict )?decoding YAML",
        r"the namespace of the (?:provided )?object |the name of the object \(|the API version in the data \(",
        r"a container name must be specified for pod|container \S+ is not valid for pod|choose one of: \[",
        r'container "[^"]*" in pod "[^"]*" is (?:waiting to start|not available|terminated)',
        r"pod \S+ does not have a host assigned|previous terminated container ",
        r"invalid resource version|invalid continue token|field label not supported|unable to parse requirement",
        r"the server rejected our request for an unknown reason",
        r"Upgrade request required|name in URL does not match name in|invalid timeout specified in the request URL",
        r"metadata\.managedFields must be nil",
        r"specifying resource version is not allowed|without impersonating a user|strconv\.ParseInt: parsing",
    )),
    (422, "Invalid", (r"the server rejected our request due to an error in our request",)),
    (405, "MethodNotAllowed", (
        r"the server does not allow this method on the requested resource",
        r"is not supported on resources of kind",
    )),
    (406, "NotAcceptable", (
        r"the server was unable to respond with a content type",
        r"only the following media types are accepted|406: Not Acceptable",
    )),
    (413, "RequestEntityTooLarge", (r"[Rr]equest entity too large",)),
    (415, "UnsupportedMediaType", (r"the body of the request was in an unknown format|415: Unsupported Media Type",)),
    (400, "", (r"Client sent an HTTP request to an HTTPS server",)),
    (404, "NotFound", (
        r"the server could not find the requested resource|404 page not found",
        rf"{_OBJECTS} not found",
        r'The [a-z]+ "[^"\n]*" does not exist',
    )),
    # Whatever else went wrong inside.
    (500, "", (
        r"resourceVersion should not be set on objects to be created|resourceVersion: Invalid value: \"",
        r"couldn't get version/kind; json parse error",
        r"This request caused apiserver to panic|Internal Server Error: \"",
        r"apiserver received an error that is not an metav1\.Status|apiserver was unable to write a",
    )),
    (500, "InternalError", (r"Internal error occurred: ",)),
)  # fmt: skip
PATTERNS = tuple(pattern for _, _, patterns in _SAID for pattern in patterns)
"""Regular expressions of what servers say."""
_TABLE = tuple(
    (re.compile(pattern, re.DOTALL), code, reason) for code, reason, patterns in _SAID for pattern in patterns
)
_PRINTED = re.compile(r"Error from server(?: \((?P<reason>[A-Za-z]*)\))?: (?P<said>.*)", re.DOTALL)
_ON_THE_SERVER = re.compile(r'an error on the server \("(?P<body>.*?)(?:"\) has prevented the request|\Z)', re.DOTALL)
_OTHER_CODE = re.compile(
    r"the server responded with the status code (?P<code>\d{3}) but did not return more information"
)
# What kubectl puts before the server's message; a patch among it may hold the data of a Secret.
_CONTEXT = re.compile(
    r"^.*(?:error when (?:creating|patching|replacing|retrieving current configuration of|deleting|applying patch)"
    r'[^"\n]*"[^"]*": |\bfor: "[^"]*": )',
    re.DOTALL,
)
_OBJECT_FIRST = re.compile(
    rf"(?:object is being deleted: |The )?{_MAYBE_NAMED} (?:is forbidden|not found|already exists)"
)
_FULFILLED = re.compile(rf"Operation cannot be fulfilled on {_OBJECT}")
_KIND_FIRST = re.compile(rf"(?:The )?{_KIND} is invalid")
_CONFLICTS = re.compile(
    r'conflicts? with (?P<manager>"[^"]*"[^:\n]{0,200}(?:\d\d:\d\d:\d\dZ)?):(?P<paths>(?:\s*(?:- )?\.\S+)+)'
)
_CAUSE_LINE = re.compile(r"^[ \t]*\* (?P<field>[\w.\[\]\"'/*<>()-]+): (?P<message>.+)$", re.MULTILINE)
_TYPE = (
    r"(?:Not found|Required value|Duplicate value|Invalid value|Unsupported value|Forbidden|Too long|Too many|Too few"
    r"|Too short|Internal error)"
)
_PATH = r"(?<![\w.\[\]\"'/*()-])[a-zA-Z][\w.\[\]\"'/*()-]*+"
_INLINE_CAUSE = re.compile(rf"(?P<field>{_PATH}): (?P<message>{_TYPE}(?::.*?)?)(?=, {_PATH}: {_TYPE}|\]?\Z)", re.DOTALL)
_TYPES = {
    "Not found": "FieldValueNotFound", "Required value": "FieldValueRequired", "Duplicate value": "FieldValueDuplicate",
    "Invalid value": "FieldValueInvalid", "Unsupported value": "FieldValueNotSupported",
    "Too long": "FieldValueTooLong",
    "Forbidden": "FieldValueForbidden", "Too many": "FieldValueTooMany", "Internal error": "InternalError",
}  # fmt: skip


def recognise(text: str) -> Status | None:
    """The Status that was printed somewhere in ``text``, with what its message tells of its details; None without one.

    Where the client printed no code, ``code`` is the one that the API server answers this message with.
    """
    if found := _PRINTED.search(text):
        said = _CONTEXT.sub("", found["said"]).strip()
        reason = found["reason"] or ""
        own = _from_table(said)
        code = REASONS.get(reason, own.code if own is not None and not reason else 500)
        if not reason and own is not None:
            reason = "" if own.code == 500 else own.reason
        return _status(said, code, reason)
    if found := _OTHER_CODE.search(text):
        return _status(found[0], int(found["code"]), "")
    own = _from_table(text)
    return own and _status(own.message, own.code, own.reason)


def body_on_the_server(text: str) -> str | None:
    """The body that client-go quotes for an answer that was no Status, unquoted; None where it quotes none."""
    found = _ON_THE_SERVER.search(text)
    return found["body"].replace('\\"', '"').replace("\\n", "\n").replace("\\u003c", "<") if found else None


def _from_table(text: str) -> Status | None:
    for pattern, code, reason in _TABLE:
        if found := pattern.search(text):
            return Status(status="Failure", message=text[found.start() :].strip(), reason=reason, code=code)
    return None


def _status(message: str, code: int, reason: str) -> Status:
    return Status(status="Failure", message=message, reason=reason, code=code, details=_details(message))


def _details(message: str) -> Details:
    for pattern in (_FULFILLED, _OBJECT_FIRST, _KIND_FIRST):
        if found := pattern.match(message):
            part = found.groupdict()
            return Details(
                name=part.get("name") or "",
                group=(part.get("group") or "").removeprefix("."),
                kind=part.get("resource") or part.get("kind") or "",
                causes=_causes(message[found.end() :]) if pattern is _KIND_FIRST else (),
            )
    return Details(causes=_conflicts(message))


def _causes(text: str) -> tuple[Cause, ...]:
    listed = tuple(_CAUSE_LINE.finditer(text)) or tuple(
        _INLINE_CAUSE.finditer(text.strip().removeprefix(":").strip(" ["))
    )
    return tuple(
        Cause(
            reason=_TYPES.get(one["message"].partition(":")[0], ""), message=one["message"].strip(), field=one["field"]
        )
        for one in listed
    )


def _conflicts(text: str) -> tuple[Cause, ...]:
    return tuple(
        Cause(reason="FieldManagerConflict", message=f"conflict with {found['manager']}", field=path.removeprefix("- "))
        for found in _CONFLICTS.finditer(text)
        for path in re.findall(r"\.\S+", found["paths"])
    )
