"""What helm prints when it fails by itself. Needs a helm: ``HELM=/path/to/helm``; without one, nothing is recorded."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from tests.cluster.record import Recorder, save
from tests.cluster.recordings.case import deployment, records
from tests.cluster.recordings.client import at_phase, printed

HELM = os.environ.get("HELM", "")
NEVER_READY = {**deployment("never-ready"), "spec": {**deployment("never-ready")["spec"], "replicas": 1}}
HOOK = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "before", "annotations": {"helm.sh/hook": "pre-install"}},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}],
                                   "nodeSelector": {"nobody": "has-this"}}}},
}  # fmt: skip


class _Helm:
    def __init__(self, r: Recorder) -> None:
        self.folder = r.cluster.run / "helm"
        self.folder.mkdir(exist_ok=True)
        self.kubeconfig = str(r.cluster.kubeconfig())
        self.version = self.run("version", "--short").stdout.strip().partition("+")[0]

    def chart(self, name: str, *objects: object) -> str:
        folder = self.folder / name
        (folder / "templates").mkdir(parents=True, exist_ok=True)
        (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 1.0.0\n")
        (folder / "templates" / "all.yaml").write_text("\n---\n".join(json.dumps(one) for one in objects))
        return str(folder)

    def run(self, *arguments: str, kubeconfig: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run([HELM, *arguments], env=self._environment(kubeconfig), capture_output=True, text=True,
                              timeout=120)  # fmt: skip

    def said(self, *arguments: str, kubeconfig: str = "") -> str:
        done = self.run(*arguments, kubeconfig=kubeconfig)
        if done.returncode == 0:
            raise RuntimeError(f"helm did not fail: {arguments}")
        return done.stderr.strip().replace(str(self.folder), "/home/jane")

    def cut_off(self, *arguments: str, after: float) -> None:
        with subprocess.Popen([HELM, *arguments], env=self._environment(""), stderr=subprocess.DEVNULL) as helm:
            time.sleep(after)
            helm.kill()

    def _environment(self, kubeconfig: str) -> dict[str, str]:
        return {"KUBECONFIG": kubeconfig or self.kubeconfig, "HOME": str(self.folder), "PATH": "/usr/bin:/bin"}


@records(
    "conflict-helm-operation", "conflict-helm-exists", "request-helm-release", "request-type-unknown",
    "request-wait-timeout", "request-manifest-unreadable", "network-refused", "auth-no-kubeconfig",
)  # fmt: skip
def helm(r: Recorder) -> None:
    if not HELM:
        return
    tool = _Helm(r)
    said = f"printed by helm {tool.version}"
    n = ("-n", "prod")
    plain = tool.chart("plain", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "of-the-chart"}})
    slow = tool.chart("slow", NEVER_READY)
    foreign = tool.chart("foreign", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}})
    monitored = tool.chart("monitored", {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor",
                                         "metadata": {"name": "web"}})  # fmt: skip
    hooked = tool.chart("hooked", HOOK)
    broken = tool.chart("broken")
    (Path(broken) / "templates" / "all.yaml").write_text("kind: ConfigMap\nmetadata:\n  name: a: b\n")

    tool.run("install", "plain", plain, *n)
    taken = printed(tool.said("install", "plain", plain, *n))
    save("conflict-helm-exists", "hit_name", [taken], f"{said}: an install under a name that is taken")
    owned = printed(tool.said("install", "foreign", foreign, *n))
    save("conflict-helm-exists", "hit_object", [owned], f"{said}: an object of the chart that is there already")
    none = printed(tool.said("upgrade", "nothing", plain, *n))
    save("request-helm-release", "hit_upgrade", [none], f"{said}: an upgrade of a release that is not there")
    gone = printed(tool.said("uninstall", "nothing", *n))
    save("request-helm-release", "hit_uninstall", [gone], f"{said}: an uninstall of a release that is not there")
    save("request-helm-release", "miss_name", [taken], f"{said}: an install under a name that is taken")
    save("conflict-helm-exists", "miss_release", [none], f"{said}: an upgrade of a release that is not there")

    tool.cut_off("upgrade", "plain", slow, "--wait", "--timeout=60s", *n, after=3)
    pending = printed(tool.said("upgrade", "plain", plain, *n))
    save("conflict-helm-operation", "hit", [pending], f"{said}: an upgrade after one that was cut off")
    save("conflict-helm-operation", "miss_name", [taken], f"{said}: an install under a name that is taken")

    unknown = printed(tool.said("install", "monitored", monitored, *n))
    save("request-type-unknown", "hit_helm", [unknown], f"{said}: a chart with an object of a type that is not there")
    parse = printed(tool.said("install", "broken", broken, *n))
    save("request-manifest-unreadable", "hit_helm", [parse], f"{said}: a template that is no YAML")
    hook = printed(tool.said("install", "hooked", hooked, "--timeout=2s", *n))
    save("request-wait-timeout", "hit_helm_hook", [hook], f"{said}: a hook that does not end")
    tool.run("uninstall", "plain", *n)
    waited = printed(tool.said("install", "slow", slow, "--wait", "--timeout=3s", *n))
    save("request-wait-timeout", "hit_helm_wait", [waited], f"{said}: an install that waits for what does not come")

    nobody = tool.folder / "refused.kubeconfig"
    nobody.write_text(Path(tool.kubeconfig).read_text().replace(f":{r.cluster.port}", ":1"))
    refused = at_phase(printed(tool.said("list", kubeconfig=str(nobody))), "dial")
    save("network-refused", "hit_helm", [refused], f"{said}: a port that nobody listens on")
    nothing = at_phase(printed(tool.said("list", kubeconfig="/dev/null")), "dial")
    save("auth-no-kubeconfig", "hit_helm", [nothing], f"{said}: an empty kubeconfig")
    for name in ("foreign", "monitored", "hooked", "slow"):
        tool.run("uninstall", name, "--no-hooks", *n)
