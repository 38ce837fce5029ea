"""Commands that read, and those that fail, print through mitmkube what they print without it and end as they do.

Both look at the same objects, so that nothing but ages may differ.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster import faults
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.fidelity import Sides
from tests.cluster.kubectl import Kubectl
from tests.cluster.masking import ALWAYS

# The exit status that a command has to end with (the second is an old kubectl's), and its arguments. $NS is the
# namespace.
GET = """\
0 get pods
0 get pods -o wide
0 get pods -o yaml
0 get pods -o json
0 get pods -o name
0 get pod p1 -o jsonpath='{.metadata.name}{"\\n"}{.spec.containers[*].image}'
0 get pods -o jsonpath-as-json='{.items[*].metadata.labels}'
0 get pods -o jsonpath-file=jsonpath.txt
0 get pods -o go-template='{{range .items}}{{.metadata.name}} {{end}}'
0 get pods -o go-template-file=template.txt
0 get pods -o custom-columns=NAME:.metadata.name,PHASE:.status.phase
0 get pods -o custom-columns-file=columns.txt
0 get pods -o yaml --show-managed-fields
0 get pods -A -l fidelity
0 get pods -l 'tier in (front, middle),app!=api'
0 get pods --field-selector=status.phase=Running,metadata.name!=p1
0 get pods --show-labels -L app
0 get pods --no-headers --show-kind
0 get pod p1 --subresource=status -o yaml
0 get pods nobody --ignore-not-found
0 get configmaps --sort-by=.metadata.labels.turn
0 get configmaps --chunk-size=2
0 get configmaps --chunk-size=2 -o yaml
0 get configmaps --chunk-size=0 -o json
0 get secrets -o yaml
0 get pods,services,deployments.apps,endpointslices
0 get all
0 get -f objects.yaml
0 get -k kustomized
0 get nodes n0 -o wide
0 get namespace $NS -o yaml
0 get customresourcedefinitions
0 get events
0 get --raw /version
0 get --raw /readyz?verbose
0 get --raw /api/v1/namespaces/$NS/configmaps
0 get --raw /api/v1/namespaces/$NS/configmaps?watch=1&timeoutSeconds=1
0 get --raw /openapi/v3
"""
ASK = """\
0 events
0 events --for=pod/p1 --types=Warning
0 describe pod p1
0 describe pods -l app=web
0 describe deployment web
0 describe service web
0 describe configmap unicode
0 describe secret seeded
0 describe node n0
0 describe namespace $NS
0 auth can-i create pods
0 auth can-i --list
0 auth can-i --list --as=jane
0,1 auth whoami
0,1 auth whoami -o yaml
0 api-resources
0 api-resources -o wide --sort-by=kind
0 api-resources --api-group=apps --verbs=list,watch --namespaced -o name
0 api-versions
0 explain pods
0 explain deployments.spec.strategy --recursive
0 explain cronjobs.spec --api-version=batch/v1
0 explain pods.spec.nodeName --output=plaintext-openapiv2
0 version
0 version -o yaml
0 version --client
0 cluster-info
0 cluster-info dump --namespaces=$NS -o yaml
0 config current-context
0 config get-contexts
0 completion bash
0 options
"""
USE = """\
0 logs p1
0 logs p1 --tail=2 --timestamps
0 logs -l app=cron --prefix --all-containers
0 logs deployment/web --since=100000h
0 exec p1 -- sh -c 'echo out'
1 exec p1 -- sh -c 'echo err >&2; exit 3'
0 exec -i p1 -c c -- head -n2 < stdin.txt
0 rollout status deployment/web
0 rollout history deployment/web
0 rollout history deployment/web --revision=1
0 diff -f objects.yaml
1 diff -f changed.yaml
1 diff -f changed.yaml --server-side
0 apply -f changed.yaml --dry-run=server
0 apply -f changed.yaml --dry-run=server -o yaml
0 apply -f changed.yaml --dry-run=client -o json
0 create configmap dry --from-literal=a=b --dry-run=server -o name
0 create deployment dry --image=busybox --dry-run=client -o yaml
0 apply view-last-applied configmap applied
0 kustomize kustomized
0 wait --for=condition=Ready pod/p1
0 wait --for=jsonpath={.status.phase}=Running pods -l app=web
0 wait --for=delete pod/nobody --timeout=9s
1 wait --for=condition=Never pod/p1 --timeout=1s
"""
FAIL = """\
1 get pod nobody
1 get pod nobody -o json
1 get nosuchthings
1 get pods -o nosuchform
1 get pods -n nowhere nobody
1 get pods --field-selector=spec.nosuch=1
1 get pods --as=jane
1 get pods -A --as=jane
1 get --raw /apis/nothing
1 get --raw /api/v1/namespaces/$NS/configmaps/nobody
1 get nodes nobody --subresource=status
1 describe pod nobody
1 scale deployment nobody --replicas=2
1 scale deployment web --replicas=2 --current-replicas=77
1 rollout undo deployment/web --to-revision=77
1 rollout status deployment/nobody
1 set image deployment/web nobody=busybox
1 expose deployment nobody --port=80
1 autoscale deployment web --max=0
1 cordon nobody
1 drain nobody
1 taint nodes n0 wrong
1 certificate approve nobody
1 top pods
1 top nodes
1 logs nobody
1 logs p1 -c nobody
1 logs p1 --previous --as=jane
1 exec nobody -- true
1 exec p1 --as=jane -- true
1 attach nobody
1 port-forward pod/nobody 80
1 port-forward pod/p1 80 --as=jane
1 cp nobody:/tmp/file received
1 run p1 --image=busybox
1 debug nobody --image=busybox
1 explain nosuchthings
1 api-resources --verbs=list extra
1 auth can-i delete nodes --as=jane
1 get pods --token=wrong --as=admin
1 get pods --context=nosuch
1 get pods --user=nosuch
1 get pods --cluster=nosuch
1 get pods --nosuchflag
1 nosuchcommand
1 get pods --server=https://127.0.0.1:1
1 get pods --request-timeout=1ns
1 get pods --request-timeout=wrong
1 wait --for=condition=Ready pod/nobody
"""
FAIL_TO_WRITE = """\
1 create configmap applied
1 create configmap Bad_Name
1 create -f invalid.yaml
1 create -f unknown-field.yaml
1 create -f unparsable.yaml
1 create -f no-such-kind.yaml
1 create -f - < invalid.yaml
1 apply -f nosuch.yaml
1 apply -f changed.yaml --as=jane
1 apply -f changed.yaml --server-side --field-manager=another
1 replace -f stale.yaml
1 replace -f nobody.yaml
1 patch configmap applied -p '{"data":'
1 patch configmap nobody -p '{}'
1 patch configmap applied --type=json -p '[{"op":"test","path":"/data/a","value":"none"}]'
1 patch pod p1 -p '{"spec":{"nodeName":"elsewhere"}}'
1 delete pod nobody
1 delete pod p1 --as=jane
1 edit configmap nobody
1 label configmap applied turn=3
1 label configmap applied 'turn=not valid'
1 annotate configmap nobody a=b
1 create token nobody
1 create token default --duration=1s
1 create secret tls none --cert=nosuch --key=nosuch
"""
GROUPS = {"get": GET, "ask": ASK, "use": USE, "fail": FAIL, "fail to write": FAIL_TO_WRITE}

_POD = {"nodeName": "n0", "containers": [{"name": "c", "image": "busybox", "env": [{"name": "A", "value": "b"}]}]}
_OBJECTS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: applied, labels: {turn: "2"}}
data: {a: b}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
FILES = {
    "objects.yaml": _OBJECTS,
    "changed.yaml": _OBJECTS.replace("{a: b}", "{a: changed, b: added}"),
    "jsonpath.txt": "{range .items[*]}{.metadata.name} {end}",
    "template.txt": "{{len .items}} pods",
    "columns.txt": "NAME APP\nmetadata.name metadata.labels.app\n",
    "stdin.txt": "one\ntwo\n",
    "kustomized/kustomization.yaml": "resources: [objects.yaml]\n",
    "kustomized/objects.yaml": _OBJECTS,
    "invalid.yaml": "---\n{apiVersion: v1, kind: Service, metadata: {name: invalid}, spec: {ports: [{port: 70000}]}}\n",
    "unknown-field.yaml": "---\n{apiVersion: v1, kind: Service, metadata: {name: invalid}, spec: {portz: []}}\n",
    "unparsable.yaml": "a: b: c\n",
    "no-such-kind.yaml": "---\n{apiVersion: nosuch.example/v1, kind: Nothing, metadata: {name: nothing}}\n",
    "stale.yaml": '---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: applied, resourceVersion: "1"}}\n',
    "nobody.yaml": "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: nobody}}\n",
}


@pytest.fixture(scope="module")
def furnished(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A namespace with some of everything in it, which no test changes."""
    with faults.namespace(cluster, "fidelity") as name:
        core, apps = (f"/{root}/namespaces/{name}" for root in ("api/v1", "apis/apps/v1"))
        for pod, labels in (("p1", {"app": "api", "tier": "front"}), ("p2", {"app": "cron", "tier": "middle"})):
            cluster.run_pod(name, pod, {"fidelity": "yes", **labels})
        for number in range(5):
            turn = {"name": f"map-{number}", "labels": {"turn": str(9 - number)}}
            cluster.arrange("POST", f"{core}/configmaps", {"metadata": turn, "data": {"number": str(number)}})
        # One value, because kubectl 1.27 describes several in any order.
        unicode = {"text": "grüße, 世界 \U0001f600\n" + "x" * 200_000}
        cluster.arrange("POST", f"{core}/configmaps", {"metadata": {"name": "unicode"}, "data": unicode})
        cluster.arrange("POST", f"{core}/secrets", {"metadata": {"name": "seeded"}, "stringData": {"a": "hunter2"}})
        template = {"metadata": {"labels": {"app": "web"}}, "spec": _POD}
        spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
        cluster.arrange("POST", f"{apps}/deployments", {"metadata": {"name": "web"}, "spec": spec})
        about = {"kind": "Pod", "name": "p1", "namespace": name}
        for number, kind in enumerate(("Normal", "Warning")):
            cluster.arrange("POST", f"{core}/events", {
                "metadata": {"name": f"event-{number}"}, "involvedObject": about, "type": kind, "reason": "Tested",
                "message": f"a {kind} event", "firstTimestamp": "2026-01-01T00:00:00Z", "count": 3,
                "lastTimestamp": f"2026-01-01T00:0{number}:00Z", "source": {"component": "tests"},
            })  # fmt: skip
        folder = tmp_path_factory.mktemp("furnished")
        sides = make_sides(cluster, folder, name)
        applied = sides.direct.run([str(kubectls[-1].path), "apply", "-f", "objects.yaml"], stdin=None, env={})
        assert applied.status == 0, applied.stderr

        def settled() -> bool:
            status = cluster.arrange("GET", f"{apps}/deployments/web").get("status", {})
            slices = cluster.arrange("GET", f"/apis/discovery.k8s.io/v1/namespaces/{name}/endpointslices")["items"]
            return status.get("availableReplicas") == 2 and any(len(one["endpoints"] or ()) == 2 for one in slices)

        wait_until("the namespace furnished", settled)
        yield name


def make_sides(cluster: Cluster, folder: Path, namespace: str, identity: str = "admin") -> Sides:
    user = cluster.identities.stanza(identity)
    return Sides(cluster, folder, user=user, namespaces=(namespace, namespace), masks=ALWAYS, files=FILES)


@pytest.mark.parametrize("group", GROUPS)
def test_command_that_changes_nothing_prints_the_same(
    cluster: Cluster, kubectl_of_three: Kubectl, furnished: str, tmp_path: Path, group: str
) -> None:
    sides = make_sides(cluster, tmp_path, furnished)
    # Two at a time, for a command through mitmkube is mostly one process that starts.
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(functools.partial(sides.differences, kubectl_of_three.path), GROUPS[group].splitlines()))
    assert not any(found), "\n\n".join(itertools.chain.from_iterable(found))
    # Some look at no server, or fail before they do; were it all of them, nothing would have been compared.
    assert sides.seen() > len(found) * 0.6
