"""How clients that are not written in Go say the same: curl, Python's requests, Node, Java, against broken peers."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from analyzers.exchange import Exchange, Failure, FailurePhase, Request
from tests.cluster import servers
from tests.cluster.record import Recorder, save
from tests.cluster.recordings.case import records
from tests.cluster.recordings.network import _wants_certificate

_PYTHON = """
import sys, requests
url, ca, proxy = sys.argv[1:4]
requests.get(url, verify=ca or True, timeout=10, proxies={"https": proxy} if proxy else {})
"""
_NODE = """
const https = require("https"), fs = require("fs");
const [url, ca] = process.argv.slice(1);
https.get(url, {ca: ca ? fs.readFileSync(ca) : undefined, timeout: 10000}).on("error", e => console.error(String(e)));
"""
_JAVA = """
import java.net.URI;
class Ask {
  public static void main(String[] a) throws Exception {
    try {
      URI.create(a[0]).toURL().openStream().close();
    } catch (Exception e) {
      for (Throwable t = e; t != null; t = t.getCause()) System.err.print((t == e ? "" : " Caused by: ") + t);
      System.err.println();
    }
  }
}
"""


class _Clients:
    """Each asks one URL and gives the last thing that it printed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        (folder / "Ask.java").write_text(_JAVA)

    def curl(self, url: str, ca: str, proxy: str) -> str:
        more = [*(["--cacert", ca] if ca else []), *(["--proxy", proxy] if proxy else [])]
        return self._last("curl", "-sS", "--http1.1", "--max-time", "10", *more, url)

    def python(self, url: str, ca: str, proxy: str) -> str:
        return self._last("python3", "-W", "ignore", "-c", _PYTHON, url, ca, proxy)

    def node(self, url: str, ca: str, proxy: str) -> str:
        return self._last("node", "-e", _NODE, url, ca)

    def java(self, url: str, ca: str, proxy: str) -> str:
        store = self.folder / "trust.p12"
        trust = []
        if ca:
            store.unlink(missing_ok=True)
            self._run("keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", ca, "-keystore", str(store),
                      "-storepass", "changeit")  # fmt: skip
            trust = [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit"]
        return self._last("java", *trust, str(self.folder / "Ask.java"), url)

    def _last(self, *command: str) -> str:
        said = [line for line in self._run(*command).splitlines() if line.strip() and "picked up" not in line.lower()]
        if not said:
            raise RuntimeError(f"{command[0]} did not fail")
        last = next((line for line in said if line.startswith("curl: (")), said[-1])
        return re.sub(r" at 0x[0-9a-f]+", "", last).strip()

    def _run(self, *command: str) -> str:
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=clean).stderr


NAMES = ("curl", "python", "node", "java")


@records(
    "network-refused", "network-dns", "network-not-tls", "network-tls-failed", "network-connection-lost",
    "network-proxy-refused", "auth-server-certificate-untrusted", "auth-server-certificate-expired",
    "auth-server-certificate-name", "auth-client-certificate-alert",
)  # fmt: skip
def other_clients(r: Recorder) -> None:
    clients = _Clients(r.cluster.run / "other-clients")
    trusted = clients.folder / "ca.crt"

    def case(
        rule: str,
        phase: FailurePhase,
        words: str,
        url: str,
        ca: bytes = b"",
        proxy: str = "",
        names: Sequence[str] = NAMES,
    ) -> None:
        trusted.write_bytes(ca)
        for name in names:
            said = getattr(clients, name)(url, str(trusted) if ca else "", proxy)
            save(rule, f"hit_{name}", [_outcome(phase, said)], f"printed by {_NAMES[name]}: {words}")

    with servers.refused() as server:
        # curl does not say why.
        case("network-unreachable", "dial", "a port that nobody listens on", server.url, names=("curl",))
        case("network-refused", "dial", "a port that nobody listens on", server.url, names=NAMES[1:])
        proxy = f"http://127.0.0.1:{server.port}"
        case(
            "network-proxy-refused", "proxy", "a proxy that is not there", r.cluster.url, proxy=proxy, names=NAMES[1:2]
        )
    case("network-dns", "dns", "a name that DNS does not know", "https://cluster.invalid:6443")
    with servers.plain_http() as server:
        case("network-not-tls", "tls", "a plain-HTTP server", server.url)
    with servers.closes_at_once() as server:
        case("network-tls-failed", "tls", "a server that closes during the handshake", server.url)
    with servers.closes_after_request() as server:
        case("network-connection-lost", "request", "a server that closes after the request", server.url, server.ca)
    with servers.foreign_certificate() as server:
        case("auth-server-certificate-untrusted", "tls", "a certificate of a CA that is not trusted", server.url)
    with servers.expired_certificate() as server:
        case("auth-server-certificate-expired", "tls", "a certificate that has expired", server.url, server.ca)
    with servers.certificate_for_another_name() as server:
        case("auth-server-certificate-name", "tls", "a certificate for another name", server.url, server.ca)
    with _wants_certificate() as (url, ca):
        case(
            "auth-client-certificate-alert", "request", "a server that asks for a certificate", url, ca, names=NAMES[2:]
        )
    with servers.proxy_refusing() as server:
        for name in ("curl", "python"):
            said = getattr(clients, name)("https://10.0.0.1:6443", "", f"http://127.0.0.1:{server.port}")
            words = f"printed by {_NAMES[name]}: a proxy that asks for a login"
            save("network-proxy-refused", f"hit_{name}_login", [_outcome("proxy", said)], words)


_NAMES = {"curl": "curl", "python": "Python's requests", "node": "Node", "java": "Java"}


def _outcome(phase: FailurePhase, said: str) -> Exchange:
    return Exchange(id=1, request=Request(method="", path=""), failure=Failure(phase=phase, message=said))
