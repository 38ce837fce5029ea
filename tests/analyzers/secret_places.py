"""Where secrets stand in what a client and an API server say to each other.

``DOCUMENTS`` are objects, patches and reviews with the secret in them; ``FORMS`` the ways in which a document travels;
``EXCHANGES`` the places outside of documents.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import yaml

from analyzers.exchange import Exchange, Failure, Headers, Request, Response

NS = "/api/v1/namespaces/dev"
type Document = dict[str, Any]
type Make = Callable[[str], Any]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _pem(secret: str, what: str = "RSA PRIVATE KEY") -> str:
    return f"-----BEGIN {what}-----\n{_encoded(secret * 2)}\n-----END {what}-----\n"


def _jwt(secret: str) -> str:
    parts = ['{"alg":"RS256"}', json.dumps({"sub": "jane", "x": secret}), secret]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


def _kubeconfig(secret: str) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "users": [{"name": "u", "user": {"token": secret, "password": secret, "client-key-data": _encoded(secret)}}],
    }


def _secret(**fields: Any) -> Document:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "dev"}, **fields}


def _pod(**container: Any) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "c", "image": "busybox", **container}]},
    }


def _env(name: str) -> Make:
    return lambda secret: _pod(env=[{"name": name, "value": secret}])


def _annotated(key: str, make: Make) -> Make:
    return lambda secret: {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "annotations": {key: make(secret)}},
    }


def _custom(**spec: Make) -> Make:
    return lambda secret: {
        "apiVersion": "example.test/v1",
        "kind": "Database",
        "metadata": {"name": "db"},
        "spec": {key: make(secret) for key, make in spec.items()},
    }


def _plain(secret: str) -> str:
    return secret


_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SPEC_FIELDS = (
    "password", "passwd", "adminPassword", "db_password", "dbPass", "token", "authToken", "bearer-token",
    "clientSecret", "client_secret", "secret", "secretKey", "secretAccessKey", "accessKey", "accessKeyID",
    "apiKey", "api-key", "privateKey", "private_key", "signingKey", "encryptionKey", "connectionString", "dsn",
    "databaseUrl", "webhookUrl", "credential", "credentials", "kubeconfig", "dockerconfigjson", "passphrase",
    "pwd", "jwt", "cookie", "sasToken", "refreshToken", "idToken", "password2", "TOKEN_V2", "rootPasswordValue",
    "sharedKey", "auth", "certificateKey", "authKey", "sessionKey", "recoveryKey", "registryAuth", "basicAuth",
    "secretId", "secretString", "tokenValue", "passkey", "sshKey", "bindPW", "SAMLResponse", "device_code",
)  # fmt: skip
_VARIABLES = (
    "PASSWORD", "DB_PASS", "API_TOKEN", "SECRET", "AWS_SECRET_ACCESS_KEY", "DATABASE_DSN", "CONNECTION_STRING", "JWT",
    "COOKIE_SALT", "AUTH", "PRIVATE_KEY", "SLACK_WEBHOOK", "SESSION_ID", "REDIS_URL", "CREDENTIALS", "MYSQL_PW",
)  # fmt: skip

DOCUMENTS: dict[str, Make] = {
    "secret data": lambda secret: _secret(data={"password": _encoded(secret)}),
    "secret stringData": lambda secret: _secret(stringData={"password": secret}),
    "secret with a harmless name": lambda secret: _secret(stringData={"colour": secret}),
    "secret with two values": lambda secret: _secret(data={"a": _encoded("x"), "b": _encoded(secret)}),
    "secret with a value in text": lambda secret: _secret(data={"notes": _encoded(f"see {secret} there")}),
    "bootstrap token": lambda secret: _secret(
        type="bootstrap.kubernetes.io/token", stringData={"token-secret": secret}
    ),
    "service account token": lambda secret: _secret(
        type="kubernetes.io/service-account-token", data={"token": _encoded(_jwt(secret))}
    ),
    "registry": lambda secret: _secret(
        type="kubernetes.io/dockerconfigjson",
        data={".dockerconfigjson": _encoded(json.dumps({"auths": {"r": {"auth": _encoded(f"u:{secret}")}}}))},
    ),
    "helm release": lambda secret: _secret(type="helm.sh/release.v1", data={"release": _encoded(_encoded(secret))}),
    "tls key": lambda secret: _secret(type="kubernetes.io/tls", data={"tls.key": _encoded(_pem(secret))}),
    "config map data": lambda secret: {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": secret}},
    "config map binaryData": lambda secret: {"kind": "ConfigMap", "binaryData": {"a": _encoded(secret)}},
    "cluster-info": lambda secret: {"kind": "ConfigMap", "data": {"jws-kubeconfig-abcdef": secret}},
    "token request": lambda secret: {"kind": "TokenRequest", "status": {"token": _jwt(secret)}},
    "opaque token request": lambda secret: {"kind": "TokenRequest", "status": {"token": secret}},
    "token review": lambda secret: {"kind": "TokenReview", "spec": {"token": secret}},
    "exec credential": lambda secret: {
        "kind": "ExecCredential",
        "status": {"token": secret, "clientKeyData": _pem(secret)},
    },
    "kubeconfig": _kubeconfig,
    "kubeconfig of an auth provider": lambda secret: {
        "kind": "Config",
        "users": [{"user": {"auth-provider": {"config": {"id-token": secret, "refresh-token": secret}}}}],
    },
    "kubeconfig with a plugin": lambda secret: {
        "kind": "Config",
        "users": [{"user": {"exec": {"command": "x", "env": [{"name": "X_SECRET", "value": secret}]}}}],
    },
    "kubeconfig with a plugin's argument": lambda secret: {
        "kind": "Config",
        "users": [{"user": {"exec": {"command": "x", "args": ["--client-secret", secret]}}}],
    },
    "option in args": lambda secret: _pod(args=["--password", secret]),
    "option with = in args": lambda secret: _pod(args=[f"--token={secret}"]),
    "option in command": lambda secret: _pod(command=["login", "--api-key", secret]),
    "mysql's -p": lambda secret: _pod(command=["mysql", f"-p{secret}"]),
    "curl's -u": lambda secret: _pod(command=["curl", "-u", f"jane:{secret}", "https://x"]),
    "curl's -u in a shell": lambda secret: _pod(command=["sh", "-c", f"curl -u jane:{secret} https://x"]),
    "assignment in a shell": lambda secret: _pod(command=["sh", "-c", f"PGPASSWORD={secret} psql"]),
    "option with a name that the kind has for it": lambda secret: _pod(args=["--requirepass", secret]),
    "option in a list of another name": _custom(extraArgs=lambda secret: ["--v=2", "--password", secret]),
    "redis-cli's -a": lambda secret: _pod(command=["redis-cli", "-a", secret]),
    "sshpass's -p": lambda secret: _pod(command=["sshpass", "-p", secret, "ssh", "h"]),
    "mysql's -p in a shell": lambda secret: _pod(command=["sh", "-c", f"mysql -u root '-p{secret}' x"]),
    "quoted assignment in a shell": lambda secret: _pod(command=["sh", "-c", f"PGPASSWORD='my {secret}' psql"]),
    "variables of another list": _custom(extraEnv=lambda secret: [{"name": "REDIS_AUTH", "value": secret}]),
    "variables in a map": _custom(env=lambda secret: {"AUTH_SALT": secret}),
    "variables of a container": _custom(Env=lambda secret: [f"DB_PASS={secret}"]),
    "header in a probe": lambda secret: _pod(
        livenessProbe={"httpGet": {"httpHeaders": [{"name": "Authorization", "value": f"Bearer {secret}"}]}}
    ),
    "user info in a URL": _custom(url=lambda secret: f"postgres://jane:{secret}@db:5432/x"),
    "token in a URL's query": _custom(url=lambda secret: f"https://x/?token={secret}"),
    "private key in a string": _custom(note=_pem),
    "OpenSSH key in a string": _custom(note=lambda secret: _pem(secret, "OPENSSH PRIVATE KEY")),
    "private key in base64": _custom(bundle=lambda secret: _encoded(_pem(secret))),
    "JWT in a string": _custom(note=lambda secret: f"see {_jwt(secret)}"),
    "EKS token": _custom(note=lambda secret: f"k8s-aws-v1.{_encoded(secret).rstrip('=')}"),
    "Google token": _custom(note=lambda secret: f"ya29.{secret}"),
    "manifest in a string": _custom(template=lambda secret: json.dumps(_secret(stringData={"a": secret}))),
    "manifest in YAML in a string": _custom(template=lambda secret: yaml.safe_dump(_secret(stringData={"a": secret}))),
    "kubeconfig in a string": _custom(file=lambda secret: yaml.safe_dump(_kubeconfig(secret))),
    "kubeconfig in JSON in a string": _custom(file=lambda secret: json.dumps(_kubeconfig(secret))),
    "kubeconfig in base64": _custom(file=lambda secret: _encoded(yaml.safe_dump(_kubeconfig(secret)))),
    "values of a chart": _custom(values=lambda secret: f"db:\n  password: {secret}\n  port: 1\n"),
    "parameter": _custom(parameters=lambda secret: [{"name": "db.password", "value": secret}]),
    "parameter in capitals": _custom(parameters=lambda secret: [{"Name": "DB_PASSWORD", "Value": secret}]),
    "parameter of CloudFormation": _custom(x=lambda secret: [{"ParameterKey": "token", "ParameterValue": secret}]),
    "parameter with several values": _custom(parameters=lambda secret: [{"name": "token", "value": [secret]}]),
    "default of a parameter": _custom(parameters=lambda secret: [{"name": "token", "default": secret}]),
    "map that is called properties": _custom(properties=lambda secret: {"password": secret}),
    "default in a schema": lambda secret: {
        "kind": "CustomResourceDefinition",
        "schema": {"properties": {"password": {"type": "string", "description": "d", "default": secret}}},
    },
    "below a secret's name": _custom(credentials=lambda secret: {"user": "jane", "value": secret}),
    "list below a secret's name": _custom(apiKeys=lambda secret: [secret]),
    "map below a secret's name": _custom(secrets=lambda secret: {"first": {"second": secret}}),
    "key below a secret's name": _custom(secret=lambda secret: {"key": secret}),
    "sealed secret's template": lambda secret: {
        "kind": "SealedSecret",
        "spec": {"template": {"stringData": {"a": secret}}},
    },
    "sealed secret's template with data": lambda secret: {
        "kind": "SealedSecret",
        "spec": {"template": {"data": {"a": secret}}},
    },
    "external secret's template": lambda secret: {
        "kind": "ExternalSecret",
        "spec": {"target": {"template": {"data": {"a": secret}}}},
    },
    "secret with a field of its own": lambda secret: _secret(spec={"data": {"a": secret}}),
    "secret in small letters": lambda secret: {**_secret(data={"a": _encoded(secret)}), "kind": "secret"},
    "part of a secret in its own annotation": lambda secret: {
        **_secret(),
        "metadata": {"name": "db", "annotations": {"example.test/original": json.dumps({"data": {"a": secret}})}},
    },
    "review of a secret": lambda secret: {
        "kind": "AdmissionReview",
        "request": {"kind": {"group": "", "version": "v1", "kind": "Secret"}, "object": {"data": {"a": secret}}},
    },
    "owned item of a set of tokens": lambda secret: {
        "kind": "Database",
        "metadata": {"managedFields": [{"fieldsV1": {"f:spec": {"f:tokens": {f"v:{json.dumps(secret)}": {}}}}}]},
    },
    "table without columns": lambda secret: {"kind": "Table", "rows": [{"cells": ["db", secret]}]},
    "last applied secret": _annotated(_APPLIED, lambda secret: json.dumps(_secret(stringData={"a": secret}))),
    "last applied pod": _annotated(_APPLIED, lambda secret: json.dumps(_env("DB_PASSWORD")(secret))),
    "last applied that is no JSON": _annotated(_APPLIED, _plain),
    "kopf's copy": _annotated(
        "kopf.zalando.org/last-handled-configuration", lambda s: json.dumps({"data": {"password": s}})
    ),
    "rancher's copy": _annotated("objectset.rio.cattle.io/applied", _encoded),
    "token in an annotation": _annotated("example.test/token", _plain),
    "Authorization in an annotation": _annotated("example.test/curl", lambda s: f'curl -H "Authorization: Bearer {s}"'),
    "webhook's configuration": lambda secret: {
        "kind": "MutatingWebhookConfiguration",
        "webhooks": [{"clientConfig": {"url": f"https://u:{secret}@h/x"}}],
    },
    "refusal that quotes": lambda secret: {
        "kind": "Status",
        "status": "Failure",
        "message": f'spec.x: Invalid value: "--token={secret}": no',
        "code": 422,
    },
    "refusal that quotes a password": lambda secret: {
        "kind": "Status",
        "status": "Failure",
        "reason": "Invalid",
        "code": 422,
        "message": f"Thing x is invalid: spec.adminPassword: Invalid value: {json.dumps(secret)}: too short",
        "details": {
            "causes": [
                {"field": "spec.adminPassword", "message": f"Invalid value: {json.dumps(secret)}: too short"},
                {
                    "field": "spec.apiKeys[0]",
                    "message": f"Unsupported value: {json.dumps(secret)}: supported values: x",
                },
            ]
        },
    },
    "refusal that quotes a pod": lambda secret: {
        "kind": "Status",
        "status": "Failure",
        "code": 422,
        "message": "spec: Forbidden: core.PodSpec{Env: []core.EnvVar{{"
        f'Name: "DB_PASSWORD", Value: {json.dumps(secret)}'
        "}}}",
    },
    "event's message": lambda secret: {"kind": "Event", "message": f"login with password={secret} failed"},
    "printer column": lambda secret: {
        "kind": "Table",
        "columnDefinitions": [{"name": "Name"}, {"name": "Admin Password"}],
        "rows": [{"cells": ["db", secret]}],
    },
    "printer column of that format": lambda secret: {
        "kind": "Table",
        "columnDefinitions": [{"name": "Name"}, {"name": "X", "format": "password"}],
        "rows": [{"cells": ["db", secret]}],
    },
    **{f"spec.{name}": _custom(**{name: _plain}) for name in _SPEC_FIELDS},
    **{f"env {name}": _env(name) for name in _VARIABLES},
}

# What people write into a string: SECRET stands for it, a function makes what cannot be written so.
TEXTS: tuple[str | Make, ...] = (
    "users: [{name: u, user: {token: SECRET}}]",
    "a: 1\nusers: [{name: u, user: {token: SECRET}}]\n",
    '"token": "SECRET"',
    "'password': 'SECRET'",
    "token:\tSECRET",
    "password: |\n  SECRET\n",
    "password: >-\n  SECRET\n",
    "x: &p SECRET\npassword: *p\n",
    "{password: 'SECRET'}",
    'password = "SECRET"',
    "api_key='SECRET'",
    "[default]\naws_secret_access_key = SECRET",
    "export DB_PASSWORD=SECRET",
    "<password>SECRET</password>",
    "jdbc:postgresql://h/db?user=u&password=SECRET",
    "mongodb+srv://u:SECRET@h/db",
    "redis://:SECRET@h:6379/0",
    "AccountName=x;AccountKey=SECRET;EndpointSuffix=y",
    "Server=h;User Id=u;Pwd=SECRET;",
    "Authorization: token SECRET",
    "X-Api-Key: SECRET",
    "curl -H 'X-Auth-Token: SECRET' https://x",
    "curl -d 'password=SECRET' x",
    "wget --password=SECRET x",
    "docker login -u u -p SECRET",
    "helm upgrade --set db.password=SECRET x",
    "helm upgrade --set-string some.value=SECRET x",
    "kubectl create secret generic x --from-literal=a=SECRET",
    "https://x/?to%6ben=SECRET",
    "https://hooks.slack.com/services/T0/B0/SECRET",
    lambda secret: _encoded(json.dumps(_secret(stringData={"a": secret}))).rstrip("="),
    lambda secret: base64.urlsafe_b64encode(f"password: {secret}\n".encode()).decode(),
    lambda secret: _encoded(_encoded(f"password: {secret}")),
    lambda secret: "data:text/plain;base64," + _encoded(f"password: {secret}"),
    lambda secret: json.dumps({"a": json.dumps({"password": secret})}),
    lambda secret: json.dumps({"auths": {"r": {"auth": _encoded(f"u:{secret}")}}}),
    lambda secret: _encoded(json.dumps({"auths": {"r": {"auth": _encoded(f"u:{secret}")}}})),
    "password='my SECRET phrase'",
    'x --password "my SECRET phrase"',
    'PGPASSWORD=\\"SECRET\\" psql',
    'login(password: "SECRET")',
    "map[password:SECRET user:u]",
    "ALTER USER u WITH PASSWORD 'SECRET'",
    "machine h login u password SECRET",
    "root:SECRET@tcp(mysql:3306)/x",
    "postgres://u:ab/SECRET@h:5432/x",
    "postgres://u:ab@SECRET@h:5432/x",
    "//registry.example/:_authToken=SECRET",
    "requirepass SECRET\n",
    "x/tokens;jsessionid=SECRET",
    "env:\n- name: DB_PASSWORD\n  value: SECRET\n",
    "args:\n- --password\n- SECRET\n",
    "{kind: Secret, data: {a: SECRET}}",
    '["--password", "SECRET"]',
    '<input type="hidden" name="SAMLResponse" value="SECRET">',
    '<a href="https://idp/cb?x=1&amp;state=SECRET">Found</a>',
    'Job.batch "x" is invalid: spec.template: Invalid value: core.PodTemplateSpec{Env:[]core.EnvVar{core.EnvVar{'
    'Name:"SESSION_COOKIE", Value:"SECRET", ValueFrom:nil}}}: field is immutable',
    'x: Invalid value: core.Container{Args:[]string{"--password", "SECRET"}}: field is immutable',
    'x: Invalid value: core.Container{Command:[]string{"mysql", "-pSECRET"}}: field is immutable',
    'core.EnvVar{\n  Name: "DB_PASSWORD",\n- Value: "SECRET",\n+ Value: "x",\n',
    'core.EnvVar{\n  Name: "DB_PASSWORD",\n- Value: "x",\n+ Value: "SECRET",\n',
    'denied the request: {"env":[{"name":"DB_PASSWORD","value":"SECRET"}]}',
    'spec: Invalid value: {"credentials":{"value":"SECRET"}}: no',
    'spec.dbPass: Invalid value: "SECRET": bad',
    'spec.credentials.value: Invalid value: "SECRET": bad',
    'spec.containers[0].env[2].value: Invalid value: "SECRET": bad',
    'exec: "mysql -pSECRET": executable file not found in $PATH',
    'exec: "/bin/mysql -pSECRET": stat /bin/mysql -pSECRET: no such file or directory',
    "Trying to reach: 'http://10.0.0.1:80/reset/SECRET?q=1'",
    'Internal Server Error: "/api/v1/namespaces/dev/pods/web/exec?command=mysql&command=-pSECRET": Post: timeout',
    'Internal Server Error: "/api/v1/namespaces/dev/services/web/proxy/reset/SECRET": timeout',
    "error: unknown shorthand flag: 'p' in -pSECRET",
    'parse "http://bob:SECRET/x@proxy:3128": invalid port ":SECRET" after host',
    "error converting YAML to JSON: yaml: line 4: did not find expected key near password: SECRET",
)

PATCHES: dict[str, tuple[str, Make]] = {
    "merge patch of a secret": (f"{NS}/secrets/db", lambda s: {"data": {"a": _encoded(s)}}),
    "strategic patch of a secret": (f"{NS}/secrets/db", lambda s: {"stringData": {"a": s}, "$patch": "merge"}),
    "JSON patch of a value": (f"{NS}/secrets/db", lambda s: [{"op": "add", "path": "/data/a", "value": _encoded(s)}]),
    "JSON patch of all data": (f"{NS}/secrets/db", lambda s: [{"op": "add", "path": "/data", "value": {"a": s}}]),
    "JSON patch of the whole": (
        f"{NS}/secrets/db",
        lambda s: [{"op": "replace", "path": "", "value": {"data": {"a": s}}}],
    ),
    "JSON patch that tests": (f"{NS}/secrets/db", lambda s: [{"op": "test", "path": "/stringData/a", "value": s}]),
    "JSON patch of a variable": (
        f"{NS}/pods/web",
        lambda s: [{"op": "add", "path": "/spec/containers/0/env/0/value", "value": s}],
    ),
    "JSON patch of an argument": (
        f"{NS}/pods/web",
        lambda s: [{"op": "add", "path": "/spec/containers/0/args/-", "value": f"--x={s}"}],
    ),
    "JSON patch of a field": (f"{NS}/pods/web", lambda s: [{"op": "add", "path": "/spec/password", "value": s}]),
    "JSON patch of the last applied": (
        f"{NS}/pods/web",
        lambda s: [{"op": "add", "path": f"/metadata/annotations/{_APPLIED.replace('/', '~1')}", "value": s}],
    ),
    "JSON patch that is no list": (
        f"{NS}/secrets/db",
        lambda s: {"op": "add", "path": "/data/a", "value": _encoded(s)},
    ),
    "JSON patch with dots": (f"{NS}/secrets/db", lambda s: [{"op": "add", "path": "data.a", "value": _encoded(s)}]),
    "JSON patch without an operation": (f"{NS}/secrets/db", lambda s: [{"path": "/data/a", "value": _encoded(s)}]),
    "JSON patch of a probe's header": (
        f"{NS}/pods/web",
        lambda s: [{"op": "add", "path": "/spec/containers/0/livenessProbe/httpGet/httpHeaders/0/value", "value": s}],
    ),
    "secret without a kind": (f"{NS}/secrets/db", lambda s: {"kind": "", "data": {"a": _encoded(s)}}),
    "patch of a secret behind an address of another kind": (
        "/apis/clusterpedia.io/v1beta1/resources/clusters/c1/api/v1/namespaces/dev/secrets/db",
        lambda s: {"data": {"a": _encoded(s)}},
    ),
    "patch of a secret behind empty steps": (
        "/api/v1/namespaces/dev//secrets/db",
        lambda s: {"data": {"a": _encoded(s)}},
    ),
    "unnamed items of secrets": (f"{NS}/secrets", lambda s: {"items": [{"data": {"a": s}}]}),
    "unnamed rows of secrets": (f"{NS}/secrets", lambda s: {"kind": "Table", "rows": [{"object": {"data": {"a": s}}}]}),
    "refusal of a secret": (
        f"{NS}/secrets/db",
        lambda s: {"kind": "Status", "status": "Failure", "message": f'data[a]: Invalid value: "{s}": no'},
    ),
    "merge patch of a config map": (f"{NS}/configmaps/c", lambda s: {"data": {"a": s}}),
}


def _json(document: Any) -> tuple[bytes, str]:
    return json.dumps(document).encode(), "application/json"


def _yaml(document: Any) -> tuple[bytes, str]:
    return yaml.safe_dump(document).encode(), "application/apply-patch+yaml"


def _cbor(document: Any) -> tuple[bytes, str]:
    return b"\xd9\xd9\xf7" + cbor(document), "application/cbor"


def cbor(value: Any) -> bytes:
    """``value`` as the API server writes it: text as byte strings."""
    if isinstance(value, bool) or value is None:
        return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
    if isinstance(value, int):
        return _head(0, value)
    if isinstance(value, str):
        return _head(2, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    return _head(5, len(value)) + b"".join(cbor(key) + cbor(one) for key, one in value.items())


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    return bytes([major << 5 | 26]) + argument.to_bytes(4, "big")


FORMS: dict[str, Callable[[Any], tuple[bytes, str]]] = {
    "JSON": _json,
    "YAML": _yaml,
    "CBOR": _cbor,
    "watch event": lambda document: _json({"type": "MODIFIED", "object": document}),
    "list": lambda document: _json({"kind": "List", "items": [document]}),
    "table": lambda document: _json({"kind": "Table", "rows": [{"cells": ["x"], "object": document}]}),
    "admission review": lambda document: _json({"kind": "AdmissionReview", "request": {"oldObject": document}}),
    "string": lambda document: _json({"kind": "Thing", "spec": {"text": json.dumps(document)}}),
}


def of_body(content: bytes, content_type: str, path: str, *, sent: bool) -> Exchange:
    """An exchange with a body on one of its sides."""
    fields = Headers([("Content-Type", content_type)])
    request = Request(method="PATCH" if sent else "GET", host="h", path=path, headers=fields if sent else Headers())
    response = Response(status=200, headers=fields if not sent else Headers())
    if sent:
        request = replace(request, body=content, body_bytes=len(content))
    else:
        response = replace(response, body=content, body_bytes=len(content))
    return Exchange(id=1, request=request, response=response)


def _request(path: str = f"{NS}/pods/web", method: str = "GET", **fields: str) -> Exchange:
    headers = Headers((name.replace("_", "-"), value) for name, value in fields.items())
    return Exchange(
        id=1, request=Request(method=method, host="h", path=path, headers=headers), response=Response(status=200)
    )


def _answer(**fields: str) -> Exchange:
    headers = Headers((name.replace("_", "-"), value) for name, value in fields.items())
    return Exchange(id=1, request=Request(method="GET", host="h"), response=Response(status=302, headers=headers))


def _failed(message: str) -> Exchange:
    return Exchange(id=1, request=Request(method="GET", host="h"), failure=Failure(phase="dial", message=message))


def _said(text: str, path: str = "/x", content_type: str = "text/plain") -> Exchange:
    return of_body(text.encode(), content_type, path, sent=False)


_HEADERS = (
    "Authorization", "Proxy_Authorization", "Cookie", "X_Remote_User", "X_Remote_Group", "X_Remote_Extra_Scopes",
    "X_Forwarded_Client_Cert", "X_Auth_Token", "X_Auth_Request_Access_Token", "X_Api_Key", "X_Amz_Security_Token",
    "Private_Token", "X_Vault_Token", "Cf_Access_Jwt_Assertion", "X_Csrf_Token", "X_Auth", "Ocp_Apim_Subscription_Key",
    "X_Functions_Key", "X_Registry_Auth", "X_Session_Id", "Set_Cookie2", "X_Otp", "DPoP", "X_Pass", "AccessToken",
)  # fmt: skip
_PARAMETERS = (
    "token", "access_token", "id_token", "refresh_token", "client_secret", "password", "code", "code_verifier", "state",
    "assertion", "SAMLResponse", "api_key", "X-Amz-Signature", "X-Amz-Security-Token", "sig", "session_state",
    "ticket", "device_code", "otp", "passcode", "sid", "PHPSESSID", "wresult", "user[pass]", "dbpass", "hmac",
)  # fmt: skip

EXCHANGES: dict[str, Callable[[str], Exchange]] = {
    **{f"header {name}": (lambda secret, name=name: _request(**{name: secret})) for name in _HEADERS},
    "bearer token": lambda secret: _request(Authorization=f"Bearer {secret}"),
    "password": lambda secret: _request(Authorization=f"Basic {_encoded(f'jane:{secret}')}"),
    "cookie": lambda secret: _request(Cookie=f"a=b; session={secret}"),
    "Set-Cookie": lambda secret: _answer(Set_Cookie=f"session={secret}; Path=/; HttpOnly"),
    "sub-protocol": lambda secret: _request(
        Sec_WebSocket_Protocol="v4.channel.k8s.io, base64url.bearer.authorization.k8s.io."
        + _encoded(secret).rstrip("=")
    ),
    "token in a harmless header": lambda secret: _request(X_Note=f"token={secret}"),
    "code in a Location": lambda secret: _answer(Location=f"https://idp/cb?code={secret}"),
    "token in a Location's fragment": lambda secret: _answer(Location=f"https://idp/cb?x=1#access_token={secret}"),
    "password in a Referer": lambda secret: _request(Referer=f"https://u:{secret}@h/x"),
    **{f"parameter {name}": (lambda secret, name=name: _request(f"/x?{name}={secret}")) for name in _PARAMETERS},
    "URL in a parameter": lambda secret: _request(f"/x?redirect=https%3A%2F%2Fh%2F%3Ftoken%3D{secret}"),
    "code in a page's own address": lambda secret: _request(f"/#/cb?code={secret}"),
    "exec's second argument": lambda secret: _request(f"{NS}/pods/web/exec?command=sh&command={secret}"),
    "exec's only argument": lambda secret: _request(f"{NS}/pods/web/exec?command=mysql+-p{secret}"),
    "path behind the proxy of a service": lambda secret: _request(f"{NS}/services/web/proxy/reset/{secret}"),
    "query behind the proxy of a pod": lambda secret: _request(f"{NS}/pods/web/proxy/?q={secret}"),
    "path behind the proxy of a node": lambda secret: _request(f"/api/v1/nodes/n0/proxy/{secret}"),
    "path behind a proxy below a prefix": lambda secret: _request(f"/k8s/clusters/c{NS}/pods/web/proxy/{secret}"),
    "path behind an encoded proxy": lambda secret: _request(f"{NS}/services/web/%70roxy/x/{secret}"),
    "path behind empty steps": lambda secret: _request(f"/api/v1//namespaces/dev//pods/web/proxy/{secret}"),
    "word behind the proxy of a pod": lambda secret: _request(f"{NS}/pods/web/proxy/x?{secret}"),
    "body behind a proxy": lambda secret: _said(secret, f"{NS}/services/web/proxy/"),
    "log": lambda secret: _said(f"starting with {secret}\n", f"{NS}/pods/web/log"),
    "log of a node": lambda secret: _said(f"starting with {secret}\n", "/logs/kube-apiserver.log"),
    "what exec printed": lambda secret: _said(secret, f"{NS}/pods/web/exec?command=env"),
    "text about a secret": lambda secret: _said(secret, f"{NS}/secrets/db"),
    "form": lambda secret: _said(f"a=b&password={secret}", content_type="application/x-www-form-urlencoded"),
    "form that does not say so": lambda secret: _said(f"grant_type=x&code={secret}"),
    "form of several parts": lambda secret: _said(
        f'--x\r\nContent-Disposition: form-data; name="j_colour"\r\n\r\n{secret}\r\n--x--',
        content_type="multipart/form-data; boundary=x",
    ),
    "manifest in plain text": lambda secret: _said(yaml.safe_dump(_secret(data={"a": _encoded(secret)}))),
    "manifest in an event of a stream": lambda secret: _said(f"data: {json.dumps(_secret(data={'a': secret}))}\n\n"),
    "JSON behind what keeps a page from running it": lambda secret: _said(
        f")]}}',\n{json.dumps(_secret(data={'a': secret}))}"
    ),
    "OAuth's answer": lambda secret: _said(json.dumps({"access_token": secret, "expires_in": 60})),
    "failed dial": lambda secret: _failed(f"dial https://jane:{secret}@h:1/x failed"),
    "failed plugin": lambda secret: _failed(f"exec: x --token={secret} failed"),
    "reason phrase": lambda secret: Exchange(
        id=1, request=Request(method="GET", host="h"), response=Response(status=500, reason=f"password={secret}")
    ),
    "error event": lambda secret: Exchange(
        id=1,
        request=Request(method="GET", host="h", path=f"{NS}/pods?watch=1"),
        response=Response(
            status=200,
            error_event=json.dumps(
                {"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "message": f"token={secret}"}}
            ).encode(),
        ),
    ),
    "cut-off JSON": lambda secret: _said(
        f'{{"kind":"Secret","data":{{"a":"{secret}', f"{NS}/pods/web", "application/json"
    ),
    "broken YAML": lambda secret: _said(f"a: [\nb: {secret}", content_type="application/yaml"),
    "watch in CBOR": lambda secret: of_body(
        cbor({"type": "ADDED", "object": _secret(data={"a": secret})}) * 2,
        "application/cbor-seq",
        f"{NS}/secrets",
        sent=False,
    ),
    "secret in protobuf": lambda secret: of_body(
        protobuf_object("Secret", _field(1, _field(1, b"db")) + _entry(2, b"a", secret.encode())),
        "application/vnd.kubernetes.protobuf",
        f"{NS}/secrets/db",
        sent=False,
    ),
    "list of secrets in protobuf": lambda secret: of_body(
        protobuf_object("SecretList", _field(1, b"") + _field(2, _entry(2, b"a", secret.encode()))),
        "application/vnd.kubernetes.protobuf",
        f"{NS}/secrets",
        sent=False,
    ),
    "config map in protobuf": lambda secret: of_body(
        protobuf_object("ConfigMap", _entry(2, b"a", secret.encode())),
        "application/vnd.kubernetes.protobuf",
        f"{NS}/configmaps/c",
        sent=False,
    ),
    "pod in protobuf": lambda secret: of_body(
        protobuf_object("Pod", _field(1, _entry(12, _APPLIED.encode(), secret.encode())) + _field(2, secret.encode())),
        "application/vnd.kubernetes.protobuf",
        f"{NS}/pods/web",
        sent=False,
    ),
}


def _field(number: int, content: bytes) -> bytes:
    size, head = len(content), b""
    while size >= 0x80:
        head += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + head + bytes([size]) + content


def _entry(number: int, key: bytes, value: bytes) -> bytes:
    return _field(number, _field(1, key) + _field(2, value))


def protobuf_object(kind: str, raw: bytes) -> bytes:
    """An object as it is sent: magic bytes and a runtime.Unknown."""
    return b"k8s\0" + _field(1, _field(1, b"v1") + _field(2, kind.encode())) + _field(2, raw)
