"""More than two hundred secrets pass through mitmkube, in every form in which clients write and read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import faults, seeds
from tests.cluster.cluster import Cluster
from tests.cluster.kubectl import Kubectl
from tests.cluster.test_secrets import Leave, leave

__all__ = ["leave"]

# Everything goes to one file, which is the command's own and is not looked at.
SCRIPT = """
exec >"$OUT/stdout" 2>&1
KUBECTL=$0 PLACE=$1 MANIFEST=$2 CHANGED=$3 WORD=$(cat "$4")
k() { "$KUBECTL" -n "$PLACE" "$@"; }
all=secrets,configmaps,deployments,databases,serviceaccounts
set -x
k apply -f "$MANIFEST"
k apply --server-side --force-conflicts -f "$MANIFEST"
k apply -f "$CHANGED"
k diff -f "$MANIFEST"
k create -f "$MANIFEST"
k replace -f "$MANIFEST"
for form in yaml json wide name 'jsonpath={.items[*]}'; do k get $all -o "$form"; done
k get $all
k get databases --chunk-size=1
k describe $all
k get --raw "/api/v1/namespaces/$PLACE/secrets"
k get --raw "/api/v1/namespaces/$PLACE/secrets?watch=1&timeoutSeconds=1"
k get --raw "/apis/example.test/v1/namespaces/$PLACE/databases?watch=1&timeoutSeconds=1"
k get --raw "/api/v1/namespaces/$PLACE/services/none/proxy/reset/$WORD"
k patch secret seeded-1 -p "{\\"stringData\\":{\\"a\\":\\"$WORD\\"}}"
k patch secret seeded-1 --type=merge -p "{\\"stringData\\":{\\"a\\":\\"$WORD\\"}}"
value="{\\"b\\":\\"$WORD\\"}"
k patch secret seeded-1 --type=json -p "[{\\"op\\":\\"add\\",\\"path\\":\\"/stringData\\",\\"value\\":$value}]"
k patch database seeded --type=merge -p "{\\"spec\\":{\\"password\\":\\"$WORD\\"}}"
k set env deployment/seeded "TOKEN=$WORD"
k create token default
k create secret generic literal "--from-literal=a=$WORD"
k --token="$WORD" get secrets
k delete -f "$MANIFEST"
true
"""


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[str]:
    """A namespace, and a type of anybody's making."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    cluster.arrange("POST", path, seeds.crd())
    try:
        with faults.namespace(cluster, "seeded") as name:
            yield name
    finally:
        cluster.call("DELETE", f"{path}/databases.example.test")


@pytest.mark.parametrize("bodies", [[], ["--bodies"]], ids=["metadata", "bodies"])
def test_no_secret_is_in_any_output(
    kubectls: tuple[Kubectl, ...],
    leave: Leave,
    place: str,
    tmp_path: Path,
    bodies: list[str],
) -> None:
    sown = seeds.Seeds()
    items = seeds.objects(sown)
    word = sown.new()
    manifest, changed = tmp_path / "manifest.json", tmp_path / "changed.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    changed.write_text(manifest.read_text().replace("seeded-0", "seeded-00"))
    assert len(sown.all) >= 200
    word_file = tmp_path / "word"
    word_file.write_text(word)
    left = leave(["sh", "-c", SCRIPT, kubectls[-1].path, place, manifest, changed, word_file], options=bodies)
    entries = left.har["log"]["entries"]
    statuses = {entry["response"]["status"] for entry in entries}
    assert {200, 201, 404, 409} <= statuses
    assert len(entries) > 200
    left.assert_none_of(*sown.all)
    said = json.dumps(left.har)
    assert ("left out; --bodies keeps it" in said) == (not bodies)
    assert said.count("[redacted:") > (500 if bodies else 0)
    # It was hidden where it stood, and not caught at the last look.
    assert "a secret stands in" not in left.outcome.stderr + said
    assert "a secret stood here" not in "".join(left.files.values())
