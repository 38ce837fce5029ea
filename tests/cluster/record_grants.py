"""Records tests/analyzers/grants from a cluster of its own: ``python -m tests.cluster.record_grants``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analyzers.exchange import Exchange
from analyzers.readers import wire_text
from tests.cluster import binaries
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.record import Recorder
from tests.cluster.recordings.case import APPLY, CONFIGMAPS, MERGE, arrange

FOLDER = Path(__file__).parents[1] / "analyzers" / "grants"
PROD = CONFIGMAPS.format("prod")


def main() -> None:
    """Start a cluster, record, stop it."""
    with Cluster(binaries.binaries(), controllers=False, nodes=False) as cluster:
        arrange(cluster)
        let_bob_patch(cluster)
        recorder = Recorder(cluster)
        new = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}
        settings = {**new, "metadata": {"name": "settings"}}

        def applied(name: str, body: object, identity: str) -> Exchange:
            return recorder.send("PATCH", f"{PROD}/{name}?fieldManager=test", body, identity=identity, headers=APPLY)

        save("apply_refused", [applied("new", new, "jane")], "An apply of what is not there, by a user without rights")
        refused = [applied("new", new, "bob")]
        save("apply_create_refused", refused, "The same by a user who may patch: only the create is refused")
        seen = [recorder.send("GET", f"{PROD}/settings"), applied("settings", settings, "jane")]
        save("apply_of_what_was_seen", seen, "An apply of what another request has shown")
        save("apply_created", [applied("new", new, "admin")], "An apply that creates: 201")
        save("apply_changed", [applied("new", new, "admin")], "The same again: 200")
        paths = (f"{PROD}/settings", f"{PROD}?fieldSelector=metadata.name%3Dsettings", "/metrics", "/version",
                 "/apis/apps/v1/namespaces/prod/deployments")  # fmt: skip
        save("several_refused", [recorder.send("GET", path, identity="jane") for path in paths],
             "Three questions in two places refused, with one beside them that everybody may ask")  # fmt: skip
        opaque = [recorder.send("GET", path, identity="bob") for path in ("/version", f"{PROD}/settings")]
        save("opaque_token", opaque, "A token that does not say whose it is; the refusal does")
        session = [recorder.send("POST", "/api/v1/namespaces", {"metadata": {"name": "made"}}),
                   recorder.send("POST", CONFIGMAPS.format("made"), new),
                   recorder.send("GET", "/api/v1/namespaces/prod/pods/web-7c9f8d6b5c-x2x9q")]  # fmt: skip
        save("makes_a_namespace", session, "A namespace is made, then filled; and a pod that a controller named")
        review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        asked = {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods"}}}
        save("open_to_all", [recorder.send("POST", review, asked, identity="jane"),
                             recorder.send("GET", "/apis/apps/v1", identity="jane")],
             "What every authenticated user may ask")  # fmt: skip


def let_bob_patch(cluster: Cluster) -> None:
    """bob may patch ConfigMaps in prod, and not create them."""
    rbac, group = "/apis/rbac.authorization.k8s.io/v1/namespaces/prod", "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]}
    cluster.arrange("POST", f"{rbac}/roles", {"metadata": {"name": "patch"}, "rules": [rule]})
    reference = {"apiGroup": group, "kind": "Role", "name": "patch"}
    subject = {"apiGroup": group, "kind": "User", "name": "bob"}
    binding = {"metadata": {"name": "patch"}, "roleRef": reference, "subjects": [subject]}
    cluster.arrange("POST", f"{rbac}/rolebindings", binding)
    path = f"{PROD}/none"
    wait_until("bob may patch", lambda: cluster.call("PATCH", path, {}, identity="bob", headers=MERGE).status == 404)


def save(name: str, exchanges: Sequence[Exchange], comment: str) -> None:
    """Write one story."""
    numbered = [replace(one, id=number) for number, one in enumerate(exchanges, start=1)]
    (FOLDER / f"{name}.http").write_text(wire_text.write(numbered, comment), "utf-8")


if __name__ == "__main__":
    main()
