"""Global flags are read as kubectl reads them, wherever they stand."""

from __future__ import annotations

import shlex

import pytest

from mitmkube.kubectl_argv import KubectlArgv


def parsed(line: str) -> KubectlArgv:
    kubectl = KubectlArgv.parse(shlex.split(line))
    assert kubectl is not None
    return kubectl


@pytest.mark.parametrize(
    "program",
    ["kubectl", "/usr/bin/kubectl", "kubectl.exe", "kubectl1.33", "kubectl.1.27", "kubectl-1.30", "kubectl-v1.30.2"],
)
def test_program_is_kubectl_whatever_its_version(program: str) -> None:
    assert KubectlArgv.parse([program, "get", "pods"]) is not None


@pytest.mark.parametrize(
    "argv", [[], ["helm"], ["kubectl-neat"], ["k9s"], ["kubectlx"], ["oc"], ["sh", "-c", "kubectl"]]
)
def test_other_programs_are_not_kubectl(argv: list[str]) -> None:
    assert KubectlArgv.parse(argv) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("kubectl get pods -n prod", {"namespace": "prod"}),
        ("kubectl get pods -nprod", {"namespace": "prod"}),
        ("kubectl get pods -n=prod", {"namespace": "prod"}),
        ("kubectl -n prod get pods", {"namespace": "prod"}),
        ("kubectl --namespace=prod get pods", {"namespace": "prod"}),
        ("kubectl get pods --namespace a --namespace b", {"namespace": "b"}),
        ("kubectl exec -itn prod web -- sh -n other", {"namespace": "prod"}),
        ("kubectl logs -fn prod web", {"namespace": "prod"}),
        ("kubectl logs -fpn prod web", {"namespace": "prod"}),
        ("kubectl get pods -wn prod", {"namespace": "prod"}),
        ("kubectl apply -fn prod", {}),
        ("kubectl get pods -ojson", {}),
        ("kubectl get pods -oname -sserver", {"server": "server"}),
        ("kubectl patch pod web -p spec -n prod", {"namespace": "prod"}),
        ("kubectl logs web --tail -1 -n prod", {"namespace": "prod"}),
        ("kubectl get pods -s https://h:1", {"server": "https://h:1"}),
        ("kubectl get pods --tls_server_name=h", {"tls-server-name": "h"}),
        ("kubectl get --insecure-skip-tls-verify pods", {"insecure-skip-tls-verify": "true"}),
        ("kubectl get --insecure-skip-tls-verify=false pods", {"insecure-skip-tls-verify": "false"}),
        ("kubectl run web --image=x -- --kubeconfig other", {}),
        ("kubectl get pods --context -- --cluster=c", {"context": "--", "cluster": "c"}),
        ("kubectl get pods --context", {}),
        ("kubectl get pods -n", {}),
        ("kubectl get pods -", {}),
        ("kubectl create rolebinding r --user=bob --role=view", {}),
        ("kubectl create -o yaml clusterrolebinding r --user bob", {}),
        ("kubectl set subject rolebinding r --user bob", {}),
        ("kubectl create role r --user bob", {"user": "bob"}),
        ("kubectl get pods --as jane --as-group a", {"as": "jane", "as-group": "a"}),
        ("kubectl -v 6 get pods --request-timeout 5s", {"v": "6", "request-timeout": "5s"}),
    ],
)
def test_global_flags_are_found(line: str, expected: dict[str, str]) -> None:
    kubectl = parsed(line)
    assert {flag.name: kubectl.get(flag.name) for flag in kubectl.flags} == expected


@pytest.mark.parametrize(
    ("line", "subcommand"),
    [
        ("kubectl", ""),
        ("kubectl --context dev", ""),
        ("kubectl --context dev get pods", "get"),
        ("kubectl --insecure-skip-tls-verify get pods", "get"),
        ("kubectl -v 6 get", "get"),
        ("kubectl --match-server-version get", "get"),
    ],
)
def test_subcommand_is_the_first_word(line: str, subcommand: str) -> None:
    assert parsed(line).subcommand == subcommand


@pytest.mark.parametrize(
    "line", ["kubectl", "kubectl config view", "kubectl -n x config use-context y", "kubectl completion"]
)
def test_command_that_needs_no_server_is_offline(line: str) -> None:
    assert parsed(line).offline


@pytest.mark.parametrize("line", ["kubectl get pods", "kubectl version", "kubectl neat", "kubectl auth can-i --list"])
def test_command_that_may_need_a_server_is_not_offline(line: str) -> None:
    assert not parsed(line).offline


def test_unknown_subcommand_is_a_plugin() -> None:
    assert parsed("kubectl neat get pods").plugin
    assert not parsed("kubectl get pods").plugin
    assert not parsed("kubectl").plugin


def test_flag_is_taken_out_in_every_form() -> None:
    kubectl = parsed("kubectl --kubeconfig a get --kubeconfig=b pods --certificate-authority c -- --kubeconfig d")
    taken = kubectl.without({"kubeconfig", "certificate-authority"})
    assert taken == ("kubectl", "get", "pods", "--", "--kubeconfig", "d")


def test_repr_holds_no_argument() -> None:
    assert "hidden" not in repr(parsed("kubectl config set users.x.token hidden --token=hidden --password hidden"))
