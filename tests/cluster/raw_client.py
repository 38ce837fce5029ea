"""One request that kubectl does not make: ``raw_client.py METHOD PATH``, asked of the server that KUBECONFIG names.

Prints the status and what came; exits 1 when that is an error, also one inside a watch: kubectl calls that a success.
"""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml


def main(arguments: list[str]) -> int:
    method, path = arguments
    connection = _connection()
    connection.request(method, path, headers={"Accept": "application/json"})
    response = connection.getresponse()
    content = response.read().decode()
    print(response.status, content)
    return 1 if response.status >= 400 or '"type":"ERROR"' in content else 0


def _connection() -> http.client.HTTPSConnection:
    documents = [yaml.safe_load(Path(name).read_text()) for name in os.environ["KUBECONFIG"].split(os.pathsep)]
    cluster = _first(documents, "cluster")
    user = _first(documents, "user")
    trusted = ssl.create_default_context(cadata=_decoded(cluster, "certificate-authority-data"))
    if "client-certificate-data" in user:
        with tempfile.NamedTemporaryFile("w") as pair:
            pair.write(_decoded(user, "client-certificate-data") + _decoded(user, "client-key-data"))
            pair.flush()
            trusted.load_cert_chain(pair.name)
    proxy, server = urlsplit(cluster["proxy-url"]), urlsplit(cluster["server"])
    connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port, context=trusted, timeout=60)
    login = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
    connection.set_tunnel(server.hostname or "", server.port, {"Proxy-Authorization": f"Basic {login}"})
    return connection


def _first(documents: list[Any], what: str) -> dict[str, str]:
    """The first file that defines it wins, as in every client."""
    return next(dict(entry[what]) for document in documents for entry in document.get(f"{what}s") or [])


def _decoded(stanza: dict[str, str], field: str) -> str:
    return base64.b64decode(stanza[field]).decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
