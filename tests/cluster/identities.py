"""Who can ask: one kubeconfig for every state a credential can be in.

A kubeconfig is written as JSON, which is YAML. None of the identities but ``admin``, ``token`` and the impersonating
ones has any right beyond what every authenticated user has.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster import pki


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One credential. ``user`` is who the API server says it is: "" where it refuses, "system:anonymous" without any.

    ``certificate`` and ``key`` are PEM files, ``headers`` what is sent besides (Authorization, Impersonate-*).
    """

    name: str
    user: str
    kubeconfig: Path
    certificate: Path | None = None
    key: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Identities:
    """Makes the identities of one cluster in ``run``; ``port`` is where the API server will listen."""

    def __init__(self, run: Path, port: int) -> None:
        self.run = run
        self.port = port
        self.pki = run / "pki"
        self.folder = run / "kubeconfig"
        self.all: dict[str, Identity] = {}
        self.pki.mkdir(mode=0o700, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.authority = pki.Authority.create("mitmkube-test-ca")
        self.foreign = pki.Authority.create("some-other-ca")
        pki.write_private(self.pki / "ca.crt", self.authority.certificate_pem)
        pki.write_private(self.pki / "other-ca.crt", self.foreign.certificate_pem)
        private, public = pki.service_account_keys()
        pki.write_private(self.pki / "sa.key", private)
        pki.write_private(self.pki / "sa.pub", public)

    @property
    def ca_file(self) -> Path:
        """The authority that the API server's certificate is of, and that it accepts clients of."""
        return self.pki / "ca.crt"

    def write(self) -> None:
        """Write the server's certificate, the static tokens and every kubeconfig that needs no running server."""
        names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", "::1")
        self.authority.issue("kube-apiserver", usage=pki.SERVER, names=(*names, "10.0.0.1")).write(
            self.pki, "apiserver"
        )
        # The cluster's own signer is what a CertificateSigningRequest would use; here it is the CA itself.
        pki.write_private(self.pki / "ca.key", self.authority.key_pem)

        admin = self._certificate("admin", "admin", "system:masters")
        jane = self._certificate("jane", "jane", "dev")
        self._certificate("dave", "dave", "ops")
        expired = self.authority.issue(
            "admin", ["system:masters"], usage=pki.CLIENT, not_before=-20 * pki.DAY, not_after=-10 * pki.DAY
        )
        self._key_pair("expired", "", expired)
        self._key_pair("wrongca", "", self.foreign.issue("admin", ["system:masters"], usage=pki.CLIENT))
        self._component("controller-manager", "system:kube-controller-manager")
        self._component("kwok", "admin", "system:masters")

        good, bob = secrets.token_hex(16), secrets.token_hex(16)
        pki.write_private(
            self.pki / "tokens.csv", f'{good},token-admin,1001,"system:masters"\n{bob},bob,1002,"dev"\n'.encode()
        )
        self.token("token", "token-admin", good)
        self.token("bob", "bob", bob)
        self.token("badtoken", "", secrets.token_hex(16))
        self._add(Identity(name="anonymous", user="system:anonymous", kubeconfig=self._path("anonymous")), {})

        self._impersonation("as-jane", "jane", admin, {"as": "jane"})
        self._impersonation("as-jane-ops", "jane", admin, {"as": "jane", "as-groups": ["ops", "system:authenticated"]})
        self._impersonation(
            "as-uid-extra",
            "jane",
            admin,
            {"as": "jane", "as-uid": "u-1", "as-user-extra": {"acme.example/team": ["a", "b c"]}},
        )
        self._impersonation(
            "as-deployer", "system:serviceaccount:ci:deployer", admin, {"as": "system:serviceaccount:ci:deployer"}
        )
        self._impersonation("jane-as-admin", "", jane, {"as": "admin", "as-groups": ["system:masters"]})
        self._write_relative(jane)

    def token(self, name: str, user: str, token: str) -> Identity:
        """A kubeconfig that carries a bearer token."""
        identity = Identity(
            name=name, user=user, kubeconfig=self._path(name), headers={"Authorization": f"Bearer {token}"}
        )
        return self._add(identity, {"token": token})

    def kubeconfig(self, name: str, user: Mapping[str, Any], cluster: Mapping[str, Any] | None = None) -> Path:
        """Write ``name.kubeconfig``: cluster "dev", user and context ``name``; ``cluster`` adds to its stanza."""
        return self.write_kubeconfig(self._path(name), name, user, cluster)

    def write_kubeconfig(
        self, path: Path, name: str, user: Mapping[str, Any], cluster: Mapping[str, Any] | None = None
    ) -> Path:
        """Like ``kubeconfig``, anywhere; a ``cluster`` value of None takes that key out."""
        stanza: dict[str, Any] = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority-data": _base64(self.ca_file.read_bytes()),
            **(cluster or {}),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": "dev", "cluster": {k: v for k, v in stanza.items() if v is not None}}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": "dev", "user": name}}],
        }
        return pki.write_private(path, json.dumps(config, indent=1).encode())

    def stanza(self, identity: str) -> dict[str, Any]:
        """The ``user`` stanza of an identity, for kubeconfigs that differ in something else."""
        config = json.loads(self.all[identity].kubeconfig.read_bytes())
        stanza: dict[str, Any] = config["users"][0]["user"]
        return stanza

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.kubeconfig"

    def _add(self, identity: Identity, user: Mapping[str, Any]) -> Identity:
        self.kubeconfig(identity.name, user)
        self.all[identity.name] = identity
        return identity

    def _certificate(self, name: str, common_name: str, *organizations: str) -> Identity:
        return self._key_pair(name, common_name, self.authority.issue(common_name, organizations, usage=pki.CLIENT))

    def _key_pair(self, name: str, user: str, pair: pki.KeyPair) -> Identity:
        certificate, key = pair.write(self.pki, name)
        identity = Identity(name=name, user=user, kubeconfig=self._path(name), certificate=certificate, key=key)
        return self._add(identity, _embedded(identity))

    def _component(self, name: str, common_name: str, *organizations: str) -> None:
        pair = self.authority.issue(common_name, organizations, usage=pki.CLIENT)
        user = {
            "client-certificate-data": _base64(pair.certificate_pem),
            "client-key-data": _base64(pair.key_pem),
        }
        self.write_kubeconfig(self.pki / f"{name}.kubeconfig", name, user)

    def _impersonation(self, name: str, user: str, who: Identity, impersonate: Mapping[str, Any]) -> None:
        headers = {"Impersonate-User": impersonate["as"]}
        if "as-uid" in impersonate:
            headers["Impersonate-Uid"] = impersonate["as-uid"]
        identity = Identity(
            name=name,
            user=user,
            kubeconfig=self._path(name),
            certificate=who.certificate,
            key=who.key,
            headers=headers,
        )
        self._add(identity, {**_embedded(who), **impersonate})

    def _write_relative(self, who: Identity) -> None:
        """The same user by files named relative to the kubeconfig, the way kubeadm and minikube write them."""
        assert who.certificate is not None
        assert who.key is not None
        identity = Identity(
            name="jane-files",
            user="jane",
            kubeconfig=self._path("jane-files"),
            certificate=who.certificate,
            key=who.key,
        )
        self.kubeconfig(
            "jane-files",
            {"client-certificate": f"../pki/{who.certificate.name}", "client-key": f"../pki/{who.key.name}"},
            {"certificate-authority-data": None, "certificate-authority": "../pki/ca.crt"},
        )
        self.all["jane-files"] = identity


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _embedded(identity: Identity) -> dict[str, str]:
    assert identity.certificate is not None
    assert identity.key is not None
    return {
        "client-certificate-data": _base64(identity.certificate.read_bytes()),
        "client-key-data": _base64(identity.key.read_bytes()),
    }
