"""A Kubernetes client that is not kubectl: GETs the paths it is given from the server that KUBECONFIG names.

Prints status and body of each, and ends with 1 when one was refused. ``--hold`` waits until stdin ends. Run as a
program, by tests.
"""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import sys
from urllib.parse import urlsplit

import yaml


def main(arguments: list[str]) -> int:
    documents = []
    for name in os.environ["KUBECONFIG"].split(os.pathsep):
        with open(name, encoding="utf-8") as file:  # noqa: PTH123
            documents.append(yaml.safe_load(file))
    cluster = next(entry["cluster"] for document in documents for entry in document.get("clusters", []))
    token = next(entry["user"]["token"] for document in documents for entry in document.get("users", []))
    trusted = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    proxy, server = urlsplit(cluster["proxy-url"]), urlsplit(cluster["server"])
    connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port, context=trusted)
    login = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
    connection.set_tunnel(server.hostname or "", server.port, {"Proxy-Authorization": f"Basic {login}"})
    status = 0
    for path in arguments:
        if path == "--hold":
            sys.stdin.read()
            continue
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "X-Kept": "yes"})
        response = connection.getresponse()
        status = status or int(response.status >= 400)
        watch = "watch=true" in path
        print(response.status, response.readline().decode() if watch else response.read().decode(), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
