from __future__ import annotations

from collections.abc import Callable

from analyzers.decode import resource_version, table
from analyzers.decode.resource_version import Mismatch
from analyzers.exchange import Exchange

Recorded = Callable[[str], tuple[Exchange, ...]]


def content(recorded: Recorded, name: str, place: int = 0) -> bytes:
    response = recorded(name)[place].response
    assert response is not None
    return response.body or b""


def test_table_is_counted(recorded: Recorded) -> None:
    found = table.decode(content(recorded, "table"))
    assert found is not None
    assert (found.columns, found.rows) == (("Name", "Status", "Age"), 2)
    assert found.continued
    assert found.remaining
    assert found.resource_version.isdigit()


def test_list_is_no_table(recorded: Recorded) -> None:
    assert table.decode(content(recorded, "secret_read", 1)) is None
    assert table.decode(None) is None
    assert table.decode(b'{"kind":"Pod","metadata":{"name":"Table","labels":{"a":"Table"}}}') is None


def test_resource_version_of_an_object_is_read(recorded: Recorded) -> None:
    assert resource_version.decode(content(recorded, "secret_create")).isdigit()


def test_body_without_one_has_no_resource_version(recorded: Recorded) -> None:
    assert resource_version.decode(content(recorded, "text_404")) == ""
    assert resource_version.decode(b'{"metadata":"x"}') == ""
    assert resource_version.decode(None) == ""


def test_versions_in_a_refusal_are_read() -> None:
    assert resource_version.mismatch("too old resource version: 5 (90)") == Mismatch(asked="5", known="90")
    assert resource_version.mismatch("Timeout: Too large resource version: 99999999, current: 725") == Mismatch(
        asked="99999999", known="725"
    )
    assert resource_version.mismatch(
        'Operation cannot be fulfilled on pods "a": StorageError: invalid object, Code: 4, Key: /registry/pods/d/a, '
        "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: ResourceVersion in precondition: 7, "
        "ResourceVersion in object meta: 9"
    ) == Mismatch(asked="7", known="9")
    assert resource_version.mismatch("the object has been modified") is None
