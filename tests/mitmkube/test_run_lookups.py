"""A command that gave up on DNS ends; the lookup that nobody answers does not keep it."""

from __future__ import annotations

import subprocess
import sys

from tests.mitmkube.commands import SECONDS, Place

NAME = "never.example.test"

# mitmkube on a machine whose resolver is silent for as long as it runs. None such can be had for a test.
MITMKUBE = f"""
import socket, sys, threading
real = socket.getaddrinfo
def getaddrinfo(host, *arguments, **options):
    if host == {NAME!r}:
        threading.Event().wait()
    return real(host, *arguments, **options)
socket.getaddrinfo = getaddrinfo
from mitmkube.cli import main
sys.exit(main())
"""
# Waits for its tunnel as long as one does that had meant it, and goes.
CLIENT = f"""
import base64, os, socket, time, urllib.parse, yaml
with open(os.environ["KUBECONFIG"].split(os.pathsep)[0]) as file:
    proxy = urllib.parse.urlsplit(yaml.safe_load(file)["clusters"][0]["cluster"]["proxy-url"])
login = base64.b64encode(f"{{proxy.username}}:{{proxy.password}}".encode()).decode()
with socket.create_connection((proxy.hostname, proxy.port)) as sock:
    sock.sendall(f"CONNECT {NAME}:443 HTTP/1.1\\r\\nProxy-Authorization: Basic {{login}}\\r\\n\\r\\n".encode())
    time.sleep(1.2)
raise SystemExit(3)
"""


def test_command_that_gave_up_is_reported_while_dns_is_silent(no_cluster: Place) -> None:
    kubeconfig = no_cluster.work / "config"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], "
        f'clusters: [{{name: c, cluster: {{server: "https://{NAME}"}}}}], users: [{{name: u, user: {{token: t}}}}]}}'
    )
    done = subprocess.run(
        [sys.executable, "-c", MITMKUBE, "run", "--", sys.executable, "-c", CLIENT],
        env={**no_cluster.environ, "KUBECONFIG": str(kubeconfig)},
        cwd=no_cluster.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 3
    said = " ".join(done.stderr.decode().split())
    assert f"The name {NAME} could not be looked up, because DNS did not give an answer." in said
    assert list(no_cluster.runtime.iterdir()) == []
