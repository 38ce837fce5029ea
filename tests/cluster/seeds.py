"""Objects of every kind that holds secrets, each secret one of its own, for a real API server."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.analyzers.secret_places import DOCUMENTS

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(slots=True)
class Seeds:
    """Makes secrets and remembers them: ``all`` of them are words, so that nothing but their place gives them away."""

    all: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new(self) -> str:
        number = next(self._numbers)
        secret = f"c4nary{number:03}{hashlib.sha256(str(number).encode()).hexdigest()[:12]}"
        self.all.append(secret)
        return secret

    def encoded(self) -> str:
        return base64.b64encode(self.new().encode()).decode()


def crd() -> dict[str, Any]:
    """A type of anybody's making, with a printer column that shows one of its secrets."""
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    column = {"name": "Admin Password", "type": "string", "jsonPath": ".spec.adminPassword"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "databases.example.test"},
        "spec": {
            "group": "example.test",
            "scope": "Namespaced",
            "names": {"plural": "databases", "singular": "database", "kind": "Database"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "additionalPrinterColumns": [column],
                }
            ],
        },
    }


def objects(seeds: Seeds) -> list[dict[str, Any]]:
    """More than two hundred secrets, in the places that an API server accepts."""
    return [*_secrets(seeds), *_config_maps(seeds), _deployment(seeds), _database(seeds), *_annotated(seeds)]


def _secrets(seeds: Seeds) -> Iterator[dict[str, Any]]:
    for number in range(25):
        yield _object(
            "Secret",
            f"seeded-{number}",
            data={"password": seeds.encoded(), "colour": seeds.encoded()},
            stringData={"dsn": f"postgres://{seeds.new()}@db", "note": seeds.new()},
        )
    auth = base64.b64encode(f"jane:{seeds.new()}".encode()).decode()
    registry = json.dumps({"auths": {"r.example.test": {"auth": auth, "password": seeds.new()}}})
    yield _object(
        "Secret", "registry", type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": registry}
    )
    yield _object(
        "Secret", "basic", type="kubernetes.io/basic-auth", stringData={"username": "jane", "password": seeds.new()}
    )
    yield _object("Secret", "ssh", type="kubernetes.io/ssh-auth", stringData={"ssh-privatekey": seeds.new()})
    yield _object(
        "Secret", "sh.helm.release.v1.web.v1", type="helm.sh/release.v1", stringData={"release": seeds.encoded()}
    )


def _config_maps(seeds: Seeds) -> Iterator[dict[str, Any]]:
    for number in range(8):
        yield _object(
            "ConfigMap",
            f"seeded-{number}",
            data={"a": seeds.new(), "app.yaml": f"password: {seeds.new()}\n"},
            binaryData={"b": seeds.encoded()},
        )


def _deployment(seeds: Seeds) -> dict[str, Any]:
    names = [name.removeprefix("env ") for name in DOCUMENTS if name.startswith("env ")]
    container = {
        "name": "c",
        "image": "busybox",
        "env": [{"name": name, "value": seeds.new()} for name in names],
        "command": ["mysql", f"-p{seeds.new()}"],
        "args": ["--password", seeds.new(), f"--token={seeds.new()}", "-u", f"jane:{seeds.new()}"],
        "livenessProbe": {
            "httpGet": {"port": 80, "httpHeaders": [{"name": "Authorization", "value": f"Bearer {seeds.new()}"}]}
        },
    }
    template = {"metadata": {"labels": {"app": "seeded"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "seeded"}}, "template": template}
    return _object("Deployment", "seeded", api_version="apps/v1", spec=spec)


def _database(seeds: Seeds) -> dict[str, Any]:
    names = [name.removeprefix("spec.") for name in DOCUMENTS if name.startswith("spec.")]
    spec: dict[str, Any] = {name: seeds.new() for name in names}
    spec["parameters"] = [{"name": "db.password", "value": seeds.new()}]
    spec["secrets"] = {"first": {"second": seeds.new()}}
    spec["url"] = f"postgres://jane:{seeds.new()}@db:5432/x"
    spec["values"] = f"db:\n  password: {seeds.new()}\n"
    spec["template"] = yaml.safe_dump({"kind": "Secret", "stringData": {"a": seeds.new()}})
    spec["file"] = base64.b64encode(yaml.safe_dump({"users": [{"user": {"token": seeds.new()}}]}).encode()).decode()
    return _object("Database", "seeded", api_version="example.test/v1", spec=spec)


def _annotated(seeds: Seeds) -> Iterator[dict[str, Any]]:
    copies = {
        "example.test/token": seeds.new(),
        "example.test/curl": f'curl -H "Authorization: Bearer {seeds.new()}"',
        "example.test/manifest": json.dumps({"kind": "Secret", "stringData": {"a": seeds.new()}}),
        "kopf.zalando.org/last-handled-configuration": json.dumps({"spec": {"password": seeds.new()}}),
        "objectset.rio.cattle.io/applied": seeds.encoded(),
    }
    account = _object("ServiceAccount", "seeded")
    account["metadata"]["annotations"] = copies
    yield account


def _object(kind: str, name: str, *, api_version: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}
