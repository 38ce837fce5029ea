"""The demo's client where there is no kubectl: ``python -m mitmkube.demo.client get pods -n prod``.

It knows the demo's commands, reads KUBECONFIG as kubectl does (the proxy-url too), and says what kubectl would say.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from analyzers.kubeconfig import Cluster, KubeconfigError, Selection, User, config_paths, load
from analyzers.kubeconfig.syntax import text_of

JSON = "application/json"
TABLE = f"{JSON};as=Table;v=v1;g=meta.k8s.io,{JSON}"
_SECONDS = 30
_PADDING = 3

_PATHS = {
    "pods": "/api/v1/namespaces/{}/pods",
    "configmaps": "/api/v1/namespaces/{}/configmaps",
    "deployments": "/apis/apps/v1/namespaces/{}/deployments",
}
_ALIASES = {"pod": "pods", "configmap": "configmaps", "deployment": "deployments"}


class ClientError(Exception):
    """One line for the terminal, in kubectl's words."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code and the JSON that came with it, {} when it was none."""

    status: int
    content: dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 1 when it failed."""
    options = _parser().parse_args(arguments)
    try:
        selection = load(config_paths(os.environ, Path.home())).selected()
        for line in options.run(Api(selection), options, options.namespace or selection.namespace):
            print(line)
    except (ClientError, KubeconfigError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


class Api:
    """The API server of the current context, asked with the credentials of its user."""

    def __init__(self, selection: Selection) -> None:
        if selection.cluster is None or not selection.cluster.host:
            raise ClientError("error: the current context names no cluster")
        self._cluster = selection.cluster
        self._user = selection.user

    def call(self, method: str, path: str, body: object = None, *, accept: str = JSON, doing: str = "") -> Answer:
        """One request. A refusal raises ClientError; ``doing`` is what kubectl says before its reason."""
        fields = {"Accept": accept, "User-Agent": "mitmkube-demo"}
        if self._user is not None and (token := text_of(self._user.raw, "token")):
            fields["Authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            data, fields["Content-Type"] = json.dumps(body).encode(), JSON
        try:
            connection = _connection(self._cluster, self._user)
            try:
                connection.request(method, self._cluster.path_prefix + path, data, fields)
                response = connection.getresponse()
                answer = Answer(response.status, _object(response.read()))
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise ClientError(_unreachable(self._cluster, str(error))) from None
        if answer.status >= 400:
            raise ClientError(_refusal(answer, doing))
        return answer


def _get(api: Api, options: argparse.Namespace, namespace: str) -> Iterator[str]:
    path = _PATHS[options.resource].format(namespace)
    path += f"/{options.name}" if options.name else "?limit=500"
    table = api.call("GET", path, accept=TABLE).content
    if not table.get("rows"):
        yield f"No resources found in {namespace} namespace."
        return
    shown = [place for place, column in enumerate(table["columnDefinitions"]) if not column.get("priority")]
    rows = [[str(column["name"]).upper() for column in table["columnDefinitions"]]]
    rows += [[str(cell) for cell in row["cells"]] for row in table["rows"]]
    widths = [max(len(row[place]) for row in rows) + _PADDING for place in shown]
    for row in rows:
        yield "".join(row[place].ljust(width) for place, width in zip(shown, widths, strict=True)).rstrip()


def _create(api: Api, options: argparse.Namespace, namespace: str) -> Iterator[str]:
    content = dict(literal.partition("=")[::2] for literal in options.from_literal)
    path = _PATHS["configmaps"].format(namespace) + "?fieldManager=kubectl-create&fieldValidation=Strict"
    metadata = {"name": options.name, "namespace": namespace}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": content}
    api.call("POST", path, body, doing="error: failed to create configmap: ")
    yield f"configmap/{options.name} created"


def _replace(api: Api, options: argparse.Namespace, namespace: str) -> Iterator[str]:
    try:
        document = yaml.safe_load(Path(options.filename).read_bytes())
        metadata = document["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace", namespace)
        plural = _ALIASES[str(document["kind"]).lower()]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        raise ClientError(f"error: no object that this client knows in {options.filename}") from None
    path = f"{_PATHS[plural].format(namespace)}/{name}?fieldManager=kubectl-replace&fieldValidation=Ignore"
    api.call("PUT", path, document, doing=f'error when replacing "{options.filename}": ')
    yield f"{plural}/{name} replaced"


def _connection(cluster: Cluster, user: User | None) -> http.client.HTTPConnection:
    """A connection to the server, through the proxy of its stanza if there is one. Nothing is sent yet."""
    context = ssl.create_default_context(cadata=cluster.ca.decode() if cluster.ca else None)
    if user is not None and user.key_pair_source is not None:
        pair = user.key_pair_source.read()
        with tempfile.NamedTemporaryFile() as file:  # the standard library takes a key from a file only
            file.write(pair.certificate + b"\n" + pair.key)
            file.flush()
            context.load_cert_chain(file.name)
    if not cluster.proxy_url:
        return http.client.HTTPSConnection(cluster.host, cluster.port, timeout=_SECONDS, context=context)
    proxy = urlsplit(cluster.proxy_url)
    connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or 80, timeout=_SECONDS, context=context)
    login = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}".encode()
    basic = {"Proxy-Authorization": f"Basic {base64.b64encode(login).decode()}"} if proxy.username else {}
    connection.set_tunnel(cluster.host, cluster.port, basic)
    return connection


def _unreachable(cluster: Cluster, reason: str) -> str:
    if "refused" in reason:
        where = f"{cluster.host}:{cluster.port}"
        return f"The connection to the server {where} was refused - did you specify the right host or port?"
    return f"Unable to connect to the server: {reason}"


def _refusal(answer: Answer, doing: str) -> str:
    if answer.status == 401:
        return "error: You must be logged in to the server (Unauthorized)"
    message = answer.content.get("message", f"the server answered {answer.status}")
    if doing.startswith("error: "):
        return f"{doing}{message}"
    return f"Error from server ({answer.content.get('reason', 'Unknown')}): {doing}{message}"


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mitmkube.demo.client", description="A little of kubectl, for the demo.")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("-n", "--namespace", default="")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    get = commands.add_parser("get", parents=[shared])
    get.add_argument("resource", type=_plural, choices=_PATHS)
    get.add_argument("name", nargs="?", default="")
    get.set_defaults(run=_get)
    create = commands.add_parser("create", parents=[shared])
    create.add_argument("resource", type=_plural, choices=["configmaps"])
    create.add_argument("name")
    create.add_argument("--from-literal", action="append", default=[], metavar="KEY=VALUE")
    create.set_defaults(run=_create)
    replace = commands.add_parser("replace", parents=[shared])
    replace.add_argument("-f", "--filename", required=True)
    replace.add_argument("--validate", choices=["false"], help="accepted, as nothing is validated here")
    replace.set_defaults(run=_replace)
    return parser


def _plural(resource: str) -> str:
    return _ALIASES.get(resource, resource)


if __name__ == "__main__":
    sys.exit(main())
