"""Whatever a file holds that grants access: none of it is in what is told of the file."""

from __future__ import annotations

import base64
import json
import random
import string
from urllib.parse import quote

import pytest

from analyzers.output import explained as output
from tests.analyzers.readers.conftest import Explain

REFUSED = 'secrets "db" is forbidden: User "jane" cannot get resource "secrets" in API group "" in the namespace "prod"'
ROUNDS = 5
U = "https://10.0.0.1:6443/api/v1/namespaces/prod/secrets/db"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(value: str) -> str:
    applied = json.dumps({"kind": "Secret", "stringData": {"x": value}})
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": applied}
    data = {"password": encoded(value), "user": encoded(value)}
    metadata = {"name": "db", "annotations": annotations}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def status(message: str, code: int, reason: str) -> str:
    cause = {"reason": "FieldValueInvalid", "message": message.partition(": ")[2], "field": "data[password]"}
    details = {"name": "db", "kind": "Secret", "causes": [cause]}
    fields = {"status": "Failure", "message": message, "reason": reason, "details": details, "code": code}
    return json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, **fields})


def har(value: str, code: int, answer: str, sent: str = "") -> str:
    headers = [{"name": "Authorization", "value": f"Bearer {value}"}, {"name": "Cookie", "value": f"a={value}"}]
    body = {"postData": {"mimeType": "application/json", "text": sent}} if sent else {}
    url = U.replace("//", f"//u:{value}@") + f"?access_token={value}"
    request = {"method": "PUT", "url": url, "headers": headers, **body}
    content = {"mimeType": "application/json", "text": answer, "size": len(answer)}
    response = {"status": code, "headers": [{"name": "Set-Cookie", "value": value}], "content": content}
    entry = {"startedDateTime": "2024-01-01T00:00:00Z", "request": request, "response": response}
    return json.dumps({"log": {"creator": {"name": "Chrome"}, "entries": [entry]}})


def audit(value: str, code: int, message: str) -> str:
    event = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "auditID": "1",
        "stage": "ResponseComplete", "requestURI": f"/api/v1/namespaces/prod/secrets?token={value}", "verb": "create",
        "user": {"username": "jane", "extra": {"token": [value]}}, "requestObject": json.loads(secret(value)),
        "objectRef": {"resource": "secrets", "namespace": "prod", "apiVersion": "v1"},
        "responseStatus": {"status": "Failure", "message": message, "reason": "Invalid", "code": code},
    }  # fmt: skip
    return json.dumps(event) + "\n"


def dump(data: bytes) -> str:
    """As encoding/hex.Dump prints it."""
    rows = (data[at : at + 16] for at in range(0, len(data), 16))
    return "".join(
        f"{16 * place:08x}  {row.hex(' '):<47}   |{''.join(chr(c) if 32 <= c < 127 else '.' for c in row)}|\n"
        for place, row in enumerate(rows)
    )


KLOG = "I0612 10:00:00.000000   123 "
INVALID = 'Secret "db" is invalid: data[password]: Invalid value: "{}": too short'
INPUTS = {
    "command line": lambda v: f"$ kubectl --token={v} --password '{v} {v}' get secrets\nError from server: {REFUSED}\n",
    "literal": lambda v: f"$ kubectl create secret generic db --from-literal=a={v}\nError from server: {REFUSED}\n",
    "curl's command line": lambda v: f"$ curl -u admin:{v} -b 'sid={v}' -H 'X-Key: {v}' {U}\ncurl: (7) Failed to "
    "connect to 10.0.0.1 port 6443: Connection refused\n",
    "URL": lambda v: f'error: Get "https://u:{v}@10.0.0.1/api?token={v}": dial tcp 10.0.0.1:443: connect: connection '
    "refused\n",
    "cookies in text": lambda v: f"Error from server: error 403 Set-Cookie: session={v}; Path=/ Cookie: sid={v}\n",
    "refused Secret": lambda v: "The " + INVALID.format(v) + "\n",
    "Status of a Secret": lambda v: status(INVALID.format(v), 422, "Invalid") + "\n",
    "Secret in a message": lambda v: f"error: unable to recognize: {secret(v)}\n",
    "Secret behind a message": lambda v: f"Error: etcdserver: request is too large: {secret(v)}\n",
    "YAML in a message": lambda v: f'Error: UPGRADE FAILED: cannot patch "db":\n  data:\n    a: {v}\n    b: {v}\n',
    "terraform's source": lambda v: '│ Error: Get "https://h/api": dial tcp 10.0.0.1:443: connect: connection refused\n'
    f'│   2:   token = "{v}"\n│   3:   client_key = "{v}"\n',
    "curl -v": lambda v: f"> GET /api/v1/namespaces/prod/secrets/db?token={v} HTTP/1.1\n> Host: h\n> Authorization: "
    f"Basic {encoded('u:' + v)}\n> Cookie: {v}\n< HTTP/1.1 500 Oops\n< Set-Cookie: {v}\n<\n{secret(v)}\n",
    "kubectl -v=10": lambda v: f"{KLOG}request.go:1] Request Body: {secret(v)}\n{KLOG}round_trippers.go:1] curl -v "
    f"-XPUT  -H \"Authorization: Bearer {v}\" '{U}?token={v}'\n{KLOG}round_trippers.go:1] PUT {U}?token={v} 500 "
    f"Internal Server Error in 3 milliseconds\n{KLOG}request.go:1] Response Body: {secret(v)}\n",
    "kubectl -v=8, protobuf": lambda v: f"{KLOG}round_trippers.go:1] PUT {U} 500 Internal Server Error in 3 "
    f"milliseconds\n{KLOG}request.go:1] Response Body:\n" + dump(b"k8s\0\n\x0c\n\x02v1\x12\x06Secret" + v.encode()),
    "HAR": lambda v: har(v, 500, secret(v)),
    "HAR of a refused Secret": lambda v: har(v, 422, status(INVALID.format(v), 422, "Invalid"), secret(v)),
    "HAR without its end": lambda v: har(v, 500, secret(v))[:-3],
    "audit log": lambda v: audit(v, 422, INVALID.format(v)),
    "recording": lambda v: f"> PUT /api/v1/namespaces/prod/secrets/db HTTP/1.1\nhost: h\nauthorization: Bearer {v}\n"
    f"content-type: application/json\n\n{secret(v)}\n\n< HTTP/1.1 500 Oops\ncontent-type: application/json\n\n"
    f"{secret(v)}\n",
}  # fmt: skip


@pytest.mark.parametrize("where", INPUTS)
def test_secret_is_in_nothing_that_is_told(where: str, explained: Explain) -> None:
    seeded = random.Random(where)
    for _ in range(ROUNDS):
        value = "".join(seeded.choices(string.ascii_letters + string.digits, k=24))
        items = explained(INPUTS[where](value))
        told = "".join(output.item_text(item, "-") + output.item_json(item, "-") + repr(item) for item in items)
        assert told
        forms = {value, value[:10], value[-10:], quote(value), value[::-1], value.encode().hex()}
        # At every alignment in base64, without the ends that depend on what is beside it.
        forms |= {encoded("x" * before + value)[4:-4] for before in range(3)}
        assert not [form for form in forms if form in told]
