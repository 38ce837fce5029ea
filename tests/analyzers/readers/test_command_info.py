"""What is known of a command, written into a HAR and read again."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from analyzers.command import CommandInfo, Story
from analyzers.kubeconfig.credential_source import CredentialSource
from analyzers.output import har
from analyzers.output.json import command_object
from analyzers.readers.command_info import decode

SOURCE = CredentialSource(
    user="jane",
    file="/home/jane/.kube/config",
    kinds=("exec",),
    plugin=("aws", "eks", "get-token"),
    options=(("--cluster-name", "prod"),),
    empty=("token",),
)
INFO = CommandInfo(
    argv=("kubectl", "get", "pods"),
    context="dev",
    cluster="dev",
    server="https://127.0.0.1:6443",
    user="jane",
    credential=SOURCE,
    namespace="default",
    kubeconfig=("/home/jane/.kube/config",),
    exit_status=1,
    started=1795365969.5,
    ended=1795365970.25,
    notices=("a sentence",),
)


def test_command_is_read_as_it_was_written() -> None:
    assert decode(json.loads(json.dumps(command_object(INFO)))) == INFO


def test_what_was_not_known_is_not_known_again() -> None:
    assert decode(command_object(CommandInfo())) == CommandInfo()
    assert decode(command_object(replace(INFO, credential=CredentialSource()))).credential == CredentialSource()


def test_command_stands_in_the_har_before_its_entries() -> None:
    text = har.document(Story.of([], INFO))
    log = json.loads(text)["log"]
    assert decode(log["_mitmkube"]["command"]) == INFO
    assert text.index('"command"') < text.index('"entries"')


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(list(command_object(INFO))), inner),
)


@given(json_like)
def test_anything_is_read(document: object) -> None:
    assert isinstance(decode(document), CommandInfo)


def test_argv_of_an_archive_that_somebody_wrote_shows_no_secret() -> None:
    argv = ["kubectl", "--token", "abc", "get", "pods", "--password=abc"]
    shown = ("kubectl", "--token", "[redacted]", "get", "pods", "--password=[redacted]")
    assert decode({"argv": argv}).argv == shown
    assert decode({"argv": list(shown)}).argv == shown
