"""Files, merge, paths and selection as in client-go."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from analyzers.kubeconfig import (
    Cluster,
    KeyPairSource,
    Kubeconfig,
    KubeconfigError,
    certificates_in,
    config_paths,
    in_cluster,
    load,
)
from analyzers.kubeconfig.syntax import dump, parse

LEAF = b"-----BEGIN CERTIFICATE-----\nTEVBRg==\n-----END CERTIFICATE-----\n"
CA = b"-----BEGIN CERTIFICATE-----\nQ0E=\n-----END CERTIFICATE-----\n"
KEY = b"-----BEGIN PRIVATE KEY-----\nU0VDUkVU\n-----END PRIVATE KEY-----\n"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def loaded(tmp_path: Path, *texts: str) -> Kubeconfig:
    paths = []
    for number, text in enumerate(texts):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "config").write_text(text)
        paths.append(folder / "config")
    return load(paths)


def cluster(server: str) -> Cluster:
    return Cluster.of("c", Path("config"), {"server": server})


def test_kubeconfig_variable_lists_files_once_each_and_skips_empty_entries() -> None:
    paths = config_paths({"KUBECONFIG": "a::b/c:a:missing"}, Path("/home/jane"))
    assert paths == (Path("a"), Path("b/c"), Path("missing"))


@pytest.mark.parametrize("environ", [{}, {"KUBECONFIG": ""}])
def test_home_folder_is_used_without_the_variable(environ: dict[str, str]) -> None:
    assert config_paths(environ, Path("/home/jane")) == (Path("/home/jane/.kube/config"),)


def test_variable_of_empty_entries_names_no_file() -> None:
    assert config_paths({"KUBECONFIG": ":"}, Path("/home/jane")) == ()


def test_missing_and_empty_files_are_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    kubeconfig = load((tmp_path / "missing", tmp_path / "empty"))
    assert kubeconfig.files == (tmp_path / "empty",)
    assert (kubeconfig.clusters, kubeconfig.current_context) == ({}, "")


def test_first_file_supplies_the_whole_stanza(tmp_path: Path) -> None:
    kubeconfig = loaded(
        tmp_path,
        "clusters: [{name: dev, cluster: {server: 'https://one'}}]",
        "clusters: [{name: dev, cluster: {server: 'https://two', tls-server-name: two}}]",
    )
    assert (kubeconfig.clusters["dev"].server, kubeconfig.clusters["dev"].tls_server_name) == ("https://one", "")
    assert kubeconfig.clusters["dev"].file == tmp_path / "0" / "config"


def test_first_current_context_that_is_not_empty_counts(tmp_path: Path) -> None:
    assert loaded(tmp_path, "current-context: ''", "current-context: b", "current-context: c").current_context == "b"


def test_shadowed_users_are_kept(tmp_path: Path) -> None:
    kubeconfig = loaded(tmp_path, "users: [{name: jane, user: {}}]", "users: [{name: jane, user: {token: t}}]")
    assert kubeconfig.users["jane"].kind == "none"
    assert [user.kind for user in kubeconfig.all_users] == ["none", "token"]


def test_relative_paths_belong_to_the_file_that_defines_the_stanza(tmp_path: Path) -> None:
    kubeconfig = loaded(
        tmp_path,
        "clusters: [{name: a, cluster: {server: 'https://a', certificate-authority: pki/ca.crt}}]",
        "users: [{name: jane, user: {client-certificate: jane.crt, client-key: jane.key}}]",
    )
    (tmp_path / "1" / "jane.crt").write_bytes(LEAF + CA)
    (tmp_path / "1" / "jane.key").write_bytes(KEY)
    assert str(tmp_path / "0" / "pki" / "ca.crt") in kubeconfig.clusters["a"].ca_error
    (source,) = kubeconfig.key_pair_sources
    assert source.read().chain == (b"LEAF", b"CA")
    assert source.files == (tmp_path / "1" / "jane.crt", tmp_path / "1" / "jane.key")


def test_ca_is_read_from_data_or_file(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(CA)
    text = f"""
clusters:
- {{name: data, cluster: {{server: "https://a", certificate-authority-data: {b64(CA)}}}}}
- {{name: file, cluster: {{server: "https://a", certificate-authority: {tmp_path}/ca.crt}}}}
- {{name: none, cluster: {{server: "https://a"}}}}
"""
    clusters = loaded(tmp_path, text).clusters
    assert (clusters["data"].ca, clusters["file"].ca, clusters["none"].ca) == (CA, CA, None)
    assert not any(found.refused for found in clusters.values())


def test_key_pair_is_read_again_each_time(tmp_path: Path) -> None:
    for name, content in (("c", LEAF), ("k", KEY)):
        (tmp_path / name).write_bytes(content)
    source = KeyPairSource(certificate=tmp_path / "c", key=tmp_path / "k", origin="a test")
    before = source.read().fingerprint
    (tmp_path / "c").write_bytes(CA)
    assert source.read().fingerprint != before


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [(Path("/nowhere/c"), KEY, "unable to read /nowhere/c"), (b"x", KEY, "no certificate"), (LEAF, b"x", "no key")],
)
def test_key_pair_that_cannot_be_used_says_why_in_one_line(
    certificate: bytes | Path, key: bytes | Path, words: str
) -> None:
    with pytest.raises(KubeconfigError, match=words) as caught:
        KeyPairSource(certificate=certificate, key=key, origin='user "jane"').read()
    assert "\n" not in str(caught.value)


def test_certificate_data_may_be_mixed_with_a_key_file(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(KEY)
    text = f"users: [{{name: u, user: {{client-certificate-data: {b64(LEAF)}, client-key: {tmp_path}/k}}}}]"
    (source,) = loaded(tmp_path, text).key_pair_sources
    assert (source.read().certificate, source.read().key) == (LEAF, KEY)


def test_certificate_without_a_key_is_no_key_pair(tmp_path: Path) -> None:
    text = f"users: [{{name: u, user: {{client-certificate-data: {b64(LEAF)}}}}}]"
    kubeconfig = loaded(tmp_path, text)
    assert kubeconfig.users["u"].kinds == ("client-certificate",)
    assert kubeconfig.key_pair_sources == ()


@pytest.mark.parametrize(
    ("stanza", "kinds"),
    [
        ("{}", ()),
        ("{token: t}", ("token",)),
        ("{tokenFile: f, token: t}", ("token", "token-file")),
        ("{username: u, password: p}", ("basic",)),
        ("{exec: {command: aws}}", ("exec",)),
        ("{auth-provider: {name: oidc}}", ("auth-provider",)),
        ("{client-certificate: c, client-key: k, token: t}", ("token", "client-certificate")),
    ],
)
def test_user_knows_its_kinds_of_credential(tmp_path: Path, stanza: str, kinds: tuple[str, ...]) -> None:
    user = loaded(tmp_path, f"users: [{{name: u, user: {stanza}}}]").users["u"]
    assert user.kinds == kinds
    assert user.kind == (kinds[0] if kinds else "none")


@pytest.mark.parametrize(
    ("server", "parts"),
    [
        ("https://h", ("https", "h", 443, "")),
        ("https://H.Example:6443/", ("https", "h.example", 6443, "")),
        ("https://h:1/k8s/clusters/c-1/", ("https", "h", 1, "/k8s/clusters/c-1")),
        ("https://h/p?query#fragment", ("https", "h", 443, "/p")),
        ("https://[::1]:6443", ("https", "::1", 6443, "")),
        ("http://h", ("http", "h", 80, "")),
        ("h", ("http", "h", 80, "")),
        ("10.0.0.1:8080", ("http", "10.0.0.1", 8080, "")),
        ("h/prefix", ("", "", 0, "")),
        ("ftp://h", ("", "", 0, "")),
        ("https://[h", ("", "", 0, "")),
        ("https://h:port", ("", "", 0, "")),
        ("", ("", "", 0, "")),
    ],
)
def test_server_is_taken_apart_as_client_go_does(server: str, parts: tuple[str, str, int, str]) -> None:
    found = cluster(server)
    assert (found.scheme, found.host, found.port, found.path_prefix) == parts
    assert found.server == server


def test_server_name_is_tls_server_name_else_the_host() -> None:
    assert cluster("https://h").server_name == "h"
    assert Cluster.of("c", Path(), {"server": "https://h", "tls-server-name": "n"}).server_name == "n"


CONTEXTS = """
current-context: dev
contexts:
- {name: dev, context: {cluster: c1, user: u1, namespace: ci}}
- {name: prod, context: {cluster: c2, user: gone}}
clusters:
- {name: c1, cluster: {server: "https://c1"}}
- {name: c2, cluster: {server: "https://c2"}}
users:
- {name: u1, user: {}}
- {name: u2, user: {}}
"""


def test_selection_follows_the_current_context(tmp_path: Path) -> None:
    kubeconfig = loaded(tmp_path, CONTEXTS)
    selection = kubeconfig.selected()
    assert (selection.context, selection.namespace) == ("dev", "ci")
    assert (selection.cluster, selection.user) == (kubeconfig.clusters["c1"], kubeconfig.users["u1"])


def test_flags_override_parts_of_the_context(tmp_path: Path) -> None:
    selection = loaded(tmp_path, CONTEXTS).selected(cluster="c2", user="u2", namespace="n")
    assert (selection.cluster_name, selection.user_name, selection.namespace) == ("c2", "u2", "n")


def test_context_without_a_namespace_means_default_and_a_missing_user_is_none(tmp_path: Path) -> None:
    selection = loaded(tmp_path, CONTEXTS).selected(context="prod")
    assert (selection.namespace, selection.user, selection.user_name) == ("default", None, "gone")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"context": "x"}, 'context "x" does not exist'),
        ({"cluster": "x"}, 'cluster "x" does not exist'),
        ({"user": "x"}, 'auth info "x" does not exist'),
    ],
)
def test_flag_that_names_nothing_is_an_error_in_client_gos_words(
    tmp_path: Path, flags: dict[str, str], words: str
) -> None:
    kubeconfig = loaded(tmp_path, CONTEXTS)
    with pytest.raises(KubeconfigError, match=words):
        kubeconfig.selected(**flags)  # type: ignore[arg-type]
    assert kubeconfig.selected(**flags, lenient=True) is not None  # type: ignore[arg-type]


def test_current_context_that_does_not_exist_selects_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path, "current-context: x").selected().cluster is None


@pytest.mark.parametrize(
    "text",
    [
        "clusters: [",
        "a: b: c",
        "just text",
        "- a",
        "clusters: {}",
        "clusters: [text]",
        "clusters: [{name: a, cluster: text}]",
        "users: [{name: a, user: {}}, {name: a, user: {}}]",
        "clusters: [{name: a, cluster: {certificate-authority-data: '***'}}]",
        "kind: Pod\napiVersion: v1",
        "apiVersion: v2",
        "!!python/object/apply:os.system [true]",
        "token: 'hidden-secret\nusers: [",
        "\t- hidden-secret",
    ],
)
def test_broken_file_is_one_line_that_names_it_and_quotes_no_value(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(KubeconfigError) as caught:
        load((tmp_path / "config",))
    message = str(caught.value)
    assert message.startswith(f'error loading config file "{tmp_path}/config": ')
    assert "\n" not in message
    assert "hidden-secret" not in message


def test_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="is a directory"):
        load((tmp_path,))
    (tmp_path / "config").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KubeconfigError, match="not UTF-8"):
        load((tmp_path / "config",))


def test_json_is_read_with_its_tabs() -> None:
    text = b'{\n\t"clusters": [\n\t\t{"name": "a", "cluster": {"server": "https://a"}}\n\t]\n}'
    assert parse(text, Path("config"))["clusters"][0]["cluster"] == {"server": "https://a"}


@pytest.mark.parametrize(
    "value",
    [
        "0123",
        "1e3",
        "yes",
        "y",
        "null",
        "~",
        "2024-01-01",
        "12:30",
        "=",
        "true",
        "",
        " x",
        "a: b",
        "#",
        "0x1f",
        "two\nlines",
    ],
)
def test_text_that_looks_like_something_else_stays_text(value: str) -> None:
    data = {"users": [{"name": "u", "user": {"token": value}}]}
    assert parse(dump(data).encode(), Path("config")) == data


def test_text_that_yaml_takes_for_a_date_or_base_60_is_text() -> None:
    data = parse(b"clusters: [{name: 12:30, cluster: {server: 2024-01-01}}]", Path("config"))
    assert (data["clusters"][0]["name"], data["clusters"][0]["cluster"]["server"]) == ("12:30", "2024-01-01")


@pytest.mark.parametrize("value", ["12", "1.5", "yes", "y", "0x1f", "0o17", "1_000", "[]"])
def test_number_or_boolean_in_the_place_of_text_is_an_error_in_client_gos_words(value: str) -> None:
    words = r"Go struct field AuthInfo\.users\.user\.token of type string"
    with pytest.raises(KubeconfigError, match=words):
        parse(f"users: [{{name: u, user: {{token: {value}}}}}]".encode(), Path("config"))


def test_certificates_are_read_in_order_and_the_rest_is_skipped() -> None:
    assert certificates_in(b"text\n" + LEAF + KEY + CA + b"-----BEGIN CERTIFICATE-----\n?") == (b"LEAF", b"CA")


@pytest.mark.parametrize(
    "stanza",
    [
        {"certificate-authority-data": b64(CA), "insecure-skip-tls-verify": True},
        {"certificate-authority-data": b64(CA), "certificate-authority": "ca.crt"},
        {"certificate-authority-data": b64(b"x")},
        {"certificate-authority": "missing"},
        {"proxy-url": "corporate:3128"},
    ],
)
def test_cluster_that_client_go_refuses_says_why(stanza: dict[str, object]) -> None:
    assert Cluster.of("c", Path("config"), {"server": "https://h", **stanza}).refused


def test_reprs_hold_no_secret(tmp_path: Path) -> None:
    text = f"""
clusters: [{{name: c, cluster: {{server: "https://c", proxy-url: "http://u:hidden@p"}}}}]
users: [{{name: u, user: {{token: hidden, client-certificate-data: {b64(LEAF)}, client-key-data: {b64(KEY)}}}}}]
"""
    kubeconfig = loaded(tmp_path, text)
    shown = repr(kubeconfig) + repr(kubeconfig.key_pair_sources) + repr(kubeconfig.key_pair_sources[0].read())
    for secret in ("hidden", "U0VDUkVU", b64(KEY)):
        assert secret not in shown


POD = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}


def account(root: Path) -> Path:
    folder = root / "var/run/secrets/kubernetes.io/serviceaccount"
    folder.mkdir(parents=True)
    (folder / "token").write_text("hidden")
    return folder


def test_pod_has_a_cluster_a_token_file_and_a_namespace(tmp_path: Path) -> None:
    folder = account(tmp_path)
    (folder / "ca.crt").write_bytes(CA)
    (folder / "namespace").write_text("ci\n")
    pod = in_cluster(POD, tmp_path)
    assert pod is not None
    selection = pod.selected()
    assert selection.cluster is not None
    assert (selection.cluster.server, selection.cluster.ca) == ("https://[fd00::1]:443", CA)
    assert selection.user is not None
    assert selection.user.raw == {"tokenFile": str(folder / "token")}
    assert selection.namespace == "ci"
    assert "hidden" not in repr(pod)


def test_pod_namespace_variable_wins_and_a_broken_ca_means_the_systems_roots(tmp_path: Path) -> None:
    (account(tmp_path) / "ca.crt").write_text("no PEM")
    pod = in_cluster({**POD, "POD_NAMESPACE": "n"}, tmp_path)
    assert pod is not None
    assert pod.selected().namespace == "n"
    assert pod.clusters["in-cluster"].ca is None


def test_outside_a_pod_there_is_none(tmp_path: Path) -> None:
    assert in_cluster(POD, tmp_path) is None
    account(tmp_path)
    assert in_cluster({"KUBERNETES_SERVICE_HOST": "h"}, tmp_path) is None
