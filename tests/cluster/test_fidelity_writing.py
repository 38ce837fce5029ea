"""Commands that write print through mitmkube what they print without it, and leave the same behind.

Each story runs in two fresh namespaces, command by command, so that both start from the same state; what the cluster
makes up for each of them is masked.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster import pki
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.fidelity import Sides
from tests.cluster.kubectl import Kubectl
from tests.cluster.masking import ALWAYS, MADE_APART

# As in READING. A line that begins with "until" waits for what UNTIL has under its name.
OBJECTS = """\
0 create -f objects.yaml
1 create -f objects.yaml
0 get -f objects.yaml -o yaml --show-managed-fields
0 create configmap literal --from-literal=a=b
0 create configmap files --from-file=objects.yaml --from-file=key=stdin.txt
0 create secret generic keys --from-literal=password=hunter2
0 create secret docker-registry pull --docker-server=r.example --docker-username=u --docker-password=hunter2
0 create secret tls pair --cert=pair.crt --key=pair.key
0 create -f - < more.yaml
0 create namespace $NS-x
0 get secrets,configmaps -o wide
0 apply -f objects.yaml
0 apply -f objects.yaml
1 diff -f changed.yaml
0 apply -f changed.yaml
0 apply -f changed.yaml -o yaml
0 apply -k kustomized
0 apply -f changed.yaml --server-side
0 apply -f changed.yaml --server-side --force-conflicts
1 apply -f objects.yaml --server-side --field-manager=another
0 apply -f objects.yaml --server-side --field-manager=another --force-conflicts -o json
0 apply -f objects.yaml --prune -l turn --prune-allowlist=core/v1/ConfigMap
0 apply set-last-applied -f objects.yaml
0 apply view-last-applied configmap applied
0 replace -f changed.yaml
0 replace --force -f changed.yaml
1 replace -f stale.yaml
0 patch configmap applied -p '{"data":{"patched":"strategic"}}'
0 patch configmap applied --type=merge -p '{"data":{"patched":"merge"}}'
0 patch configmap applied --type=json -p '[{"op":"replace","path":"/data/patched","value":"json"}]' -o yaml
0 patch configmap applied --type=merge -p '{"data":{"patched":"merge"}}'
0 patch service applied --patch-file=patch.yaml
0 edit configmap edited
0 edit configmap edited
0 edit configmap edited -o json
0 label configmap applied turn-
0 label configmap applied a=b
1 label configmap applied a=c
0 label configmap applied a=c --overwrite
0 label configmaps --all all=yes
0 annotate configmap applied a=b
0 annotate configmap applied --list
0 annotate configmap applied a=c --overwrite -o yaml
0 get configmaps -o yaml --show-managed-fields
0 delete configmap literal --wait
0 delete -f more.yaml --ignore-not-found
0 delete configmaps -l all=yes --wait=false
0 delete secrets --all
0 delete service applied --cascade=orphan --now
1 delete service applied
0 delete namespace $NS-x --wait
"""
DEPLOYMENTS = """\
0 apply -f deployment.yaml
until rolled out
0 rollout status deployment/web
0 get pods,replicasets,deployments.apps -o wide
0 describe deployment web
0 set image deployment/web c=busybox:2
until rolled out
0 set env deployment/web A=changed
until rolled out
0 set resources deployment/web --limits=memory=64Mi
until rolled out
0 set serviceaccount deployment/web default
until rolled out
0 annotate deployment web kubernetes.io/change-cause=annotated
0 rollout history deployment/web
0 rollout history deployment/web --revision=2
0 rollout undo deployment/web
until rolled out
0 rollout undo deployment/web --to-revision=1
until rolled out
0 rollout pause deployment/web
1 rollout pause deployment/web
1 rollout restart deployment/web
0 rollout resume deployment/web
0 rollout restart deployment/web
until rolled out
0 rollout status deployment/web --timeout=30s
0 scale deployment web --replicas=3 --current-replicas=2
until rolled out
0 scale --replicas=1 -f deployment.yaml
until rolled out
0 autoscale deployment web --min=1 --max=3 --cpu-percent=80
1 autoscale deployment web --min=1 --max=3 --cpu-percent=80
0 expose deployment web --port=80 --target-port=8080 --name=exposed
0 expose deployment web --port=80 --name=noded --type=NodePort -o yaml
0 get services -o wide
0 get deployment web -o yaml
0 create deployment made --image=busybox --replicas=2
0 create job made --image=busybox -- true
0 create cronjob made --image=busybox --schedule='0 0 1 1 *' -o yaml
0 create job from --from=cronjob/made
0 create service clusterip made --tcp=80
0 create ingress made --rule=a.example/x=made:80
0 create poddisruptionbudget made --selector=app=none --min-available=1
0 create quota made --hard=pods=9
0 wait --for=jsonpath={.status.replicas}=2 deployment/made --timeout=60s
0 delete deployment web --cascade=foreground --wait
0 delete deployment,job,cronjob,ingress,pdb,quota --all
"""
NODES = """\
0 run made --image=busybox --overrides='{"spec":{"nodeName":"n0"}}'
1 run made --image=busybox
0 run dry --image=busybox --labels=a=b --env=A=b --dry-run=server -o name
0 wait --for=condition=Ready pod/made --timeout=60s
0 exec made -- echo out
0 cp sent $NS/made:$HERE/copied
0 cp $NS/made:$HERE/copied received
0 debug made --image=busybox --container=debugger
0 get pod made -o jsonpath='{.spec.ephemeralContainers[*].name}'
0 debug made --image=busybox --copy-to=copy --container=debugger
0 logs made --tail=1
0 get pod made -o yaml
0 describe pod made
0 delete pod made --grace-period=0 --force
0 delete pod copy --now
0 create -f node.yaml
0 wait --for=condition=Ready node/$NS --timeout=60s
0 cordon $NS
0 cordon $NS
0 uncordon $NS
0 taint nodes $NS key=value:NoSchedule
1 taint nodes $NS key=other:NoSchedule
0 taint nodes $NS key=other:NoSchedule --overwrite
0 taint nodes $NS key-
0 label node $NS disk=fast
0 create -f on-node.yaml
0 wait --for=condition=Ready pod/on-node --timeout=60s
1 drain $NS
0 drain $NS --force --dry-run=server
0 drain $NS --force
0 get nodes $NS -o wide
0 describe node $NS
0 uncordon $NS
0 delete node $NS
"""
ACCOUNTS = """\
0 create serviceaccount robot
0 create token robot
0 create token robot --duration=1h -o yaml
0 create role reader --verb=get,list --resource=pods,deployments.apps
0 create rolebinding readers --role=reader --serviceaccount=$NS:robot
0 create clusterrole $NS --verb=get --non-resource-url=/metrics
0 create clusterrolebinding $NS --clusterrole=$NS --user=nobody
0 create priorityclass $NS --value=7
0 auth can-i list pods --as=system:serviceaccount:$NS:robot
1 auth can-i delete pods --as=system:serviceaccount:$NS:robot
0 auth can-i --list --as=system:serviceaccount:$NS:robot
0 get pods --as=system:serviceaccount:$NS:robot
1 get secrets --as=system:serviceaccount:$NS:robot
0 auth reconcile -f rbac.yaml
0 auth reconcile -f rbac.yaml
0 set subject rolebinding readers --user=nobody
0 describe rolebinding readers
0 create -f csr.yaml
0 describe csr $NS
0 certificate approve $NS
until signed
0 get csr $NS -o wide
1 certificate deny $NS
0 delete csr $NS
0 create -f csr.yaml
0 certificate deny $NS
0 get csr $NS
0 delete csr/$NS clusterrole/$NS clusterrolebinding/$NS priorityclass/$NS
"""
STORIES = {"objects": OBJECTS, "deployments": DEPLOYMENTS, "nodes": NODES, "accounts": ACCOUNTS}

_OBJECTS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: applied, labels: {turn: "2"}}
data: {a: b}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: edited}
data: {a: before-edit}
---
apiVersion: v1
kind: Service
metadata: {name: applied}
spec: {clusterIP: None, selector: {app: none}, ports: [{port: 80}]}
"""
_CONTAINER = "{name: c, image: busybox, env: [{name: A, value: b}]}"
FILES = {
    "objects.yaml": _OBJECTS,
    "changed.yaml": _OBJECTS.replace("{a: b}", "{a: changed, b: added}"),
    "more.yaml": "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: more, labels: {turn: more}}}\n",
    "stale.yaml": '---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: applied, resourceVersion: "1"}}\n',
    "patch.yaml": "spec: {sessionAffinity: ClientIP}\n",
    "stdin.txt": "one\ntwo\n",
    "kustomized/kustomization.yaml": "resources: [map.yaml]\nnamePrefix: kustomized-\n",
    "kustomized/map.yaml": "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: map}}\n",
    "deployment.yaml": f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template: {{metadata: {{labels: {{app: web}}}}, spec: {{nodeName: n0, containers: [{_CONTAINER}]}}}}
""",
    "node.yaml": "---\n{apiVersion: v1, kind: Node, metadata: {name: $NS}}\n",
    "on-node.yaml": f"""\
apiVersion: v1
kind: Pod
metadata: {{name: on-node}}
spec: {{nodeName: $NS, containers: [{_CONTAINER}]}}
""",
    "rbac.yaml": """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: $NS}
rules: [{apiGroups: [""], resources: [secrets], verbs: [list]}]
""",
    "csr.yaml": f"""\
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: $NS}}
spec:
  request: {pki.signing_request("robot")}
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
""",
}
# What is copied: with its header and the end of the archive a whole number of tar's records, because the stand-in for
# the kubelet does not pass on the end of stdin, which tar would wait for otherwise.
SENT = "0123456789abcde\n" * ((10 * 10240 - 512 - 1024) // 16)


def _rolled_out(cluster: Cluster, namespace: str) -> bool:
    """All that the deployment and its autoscaler are told has come true, and what they replaced is gone."""
    web = cluster.arrange("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/web")
    pods = cluster.arrange("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    status, wanted = web.get("status", {}), web["spec"]["replicas"]
    counts = {len(pods), *(status.get(f"{kind}Replicas") for kind in ("updated", "available", "ready"))}
    return counts == {wanted} and status.get("observedGeneration") == web["metadata"]["generation"]


def _signed(cluster: Cluster, namespace: str) -> bool:
    path = f"/apis/certificates.k8s.io/v1/certificatesigningrequests/{namespace}"
    return "certificate" in cluster.arrange("GET", path)["status"]


UNTIL: dict[str, Callable[[Cluster, str], bool]] = {"rolled out": _rolled_out, "signed": _signed}


@pytest.fixture
def play(cluster: Cluster, kubectl_of_three: Kubectl, tmp_path: Path) -> Callable[[str, tuple[str, str]], list[str]]:
    """``play(story, namespaces)``: what differs, by command, and what is wrong with the direct one."""
    certificate = pki.Authority.create("mitmkube-test-ca").issue("pair", usage=pki.SERVER, names=["pair"])
    pair = {"pair.crt": certificate.certificate_pem.decode(), "pair.key": certificate.key_pem.decode()}

    def each_command(story: str, namespaces: tuple[str, str]) -> list[str]:
        folder = tmp_path / story
        folder.mkdir()
        user, files = cluster.identities.stanza("admin"), {**FILES, **pair, "sent": SENT}
        masks = {**MADE_APART, **ALWAYS}
        sides = Sides(cluster, folder, user=user, namespaces=namespaces, masks=masks, files=files)
        found = []
        for line in STORIES[story].splitlines():
            word, _, name = line.partition(" ")
            if word == "until":
                for namespace in namespaces:
                    wait_until(f"{namespace} {name}", functools.partial(UNTIL[name], cluster, namespace))
            else:
                found += sides.differences(kubectl_of_three.path, line)
        commands = [line for line in STORIES[story].splitlines() if not line.startswith("until ")]
        assert sides.seen() > len(commands) * 0.8
        return found

    return each_command


def test_stories_of_commands_that_write_go_the_same_way(
    make_namespaces: Callable[[], tuple[str, str]],
    play: Callable[[str, tuple[str, str]], list[str]],
    tmp_path: Path,
) -> None:
    # Two at a time, because much of it is waiting.
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(play, STORIES, [make_namespaces() for _ in STORIES]))
    assert not any(found), "\n\n".join(itertools.chain.from_iterable(found))
    for side, file in itertools.product("ab", ("copied", "received")):
        assert (tmp_path / "nodes" / side / "here" / file).read_text() == SENT
