"""A list or a Table in JSON, read at its top level only.

Built-in types begin with kind, apiVersion and metadata; lists of custom resources have their keys sorted, so that their
kind and metadata come last. Nothing relies on either order, nor on how the text is laid out.
"""

from __future__ import annotations

import re

from analyzers.decode.json_brackets import Container
from analyzers.decode.untrusted import integer, mapping, name, parse_json
from analyzers.streams.list_page import ListPage, continue_id

_LONGEST_MEMBER = 4096
_LONGEST_METADATA = 16384
# Lists have four members and Tables five. What has very many is neither, and each of them costs time.
_MOST_MEMBERS = 32

_STRING = rb'"(?:[^"\\]|\\.)*+"'
# Of an array or object the bracket only. A number is known to be whole when something stands behind it.
_MEMBER = re.compile(
    rb"[\s,]*+(" + _STRING + rb")\s*+:\s*+(?:([{\[])|(" + _STRING + rb'|[^\s",{}\[\]]++)(?=[\s,}]))', re.DOTALL
)
_END = re.compile(rb"\s*+\}")


class JsonList:
    """Fed with a document from behind its opening bracket on."""

    def __init__(self) -> None:
        self._kind = ""
        self._api_version = ""
        self._metadata = b""
        # By key: objects are in items, a Table's in rows, and which of the two it is may be told last.
        self._counts: dict[str, int] = {}
        self._members = 0
        self._pending = b""
        self._key = ""
        self._container: Container | None = None
        self._whole = False
        self._ended = False

    def feed(self, content: bytes) -> None:
        """Look at the next part of the document."""
        while content and not self._ended:
            if self._container is not None:
                content = self._pass_over(self._container, content)
            else:
                content = self._read_member(self._pending + content)

    def page(self) -> ListPage | None:
        """What is known of the list but its size; None for what is no list, or not known to be one."""
        items = self._items
        if items is None:
            return None
        # It may have been cut off: then there is nothing to read in it.
        metadata = mapping(parse_json(self._metadata))
        token, remaining = metadata.get("continue"), integer(metadata.get("remainingItemCount"))
        return ListPage(
            kind=self._kind,
            api_version=self._api_version,
            items=items,
            resource_version=name(metadata.get("resourceVersion")),
            continue_id=continue_id(token) if isinstance(token, str) else "",
            remaining=None if remaining is None else max(0, remaining),
            complete=self._whole,
        )

    @property
    def _items(self) -> int | None:
        if not (_lists(self._kind) or (not self._kind and not self._ended)):
            return None
        key = "rows" if self._kind == "Table" else "items"
        if self._container is not None and self._key == key:
            return self._container.children
        return self._counts.get(key)

    def _read_member(self, text: bytes) -> bytes:
        """What stands behind the first member of ``text``, or behind its opening bracket."""
        found = _MEMBER.match(text, 0, _LONGEST_MEMBER)
        if found is None:
            self._whole = _END.match(text, 0, _LONGEST_MEMBER) is not None
            self._ended = self._whole or len(text) >= _LONGEST_MEMBER
            self._pending = b"" if self._ended else text
            return b""
        self._pending = b""
        self._members += 1
        self._key = name(parse_json(found[1]))
        if self._members > _MOST_MEMBERS:
            self._ended = True
        elif found[2]:
            self._container = Container()
            self._metadata = found[2] if self._key == "metadata" else self._metadata
        else:
            self._take(found[3])
        return text[found.end() :]

    def _take(self, value: bytes) -> None:
        """Learn from a member that is no array and no object."""
        if self._key == "kind":
            self._kind = name(parse_json(value))
            # There is nothing more to learn of a single object.
            self._ended = not _lists(self._kind)
        elif self._key == "apiVersion":
            self._api_version = name(parse_json(value))
        elif value == b"null":
            self._counts[self._key] = 0

    def _pass_over(self, container: Container, content: bytes) -> bytes:
        """What stands behind the array or object that ``content`` goes on with."""
        end = container.feed(content)
        if self._key == "metadata":
            self._metadata += content[: min(end, _LONGEST_METADATA - len(self._metadata))]
        if container.ended:
            self._counts[self._key] = container.children
            self._container = None
        return content[end:]


def _lists(kind: str) -> bool:
    return kind == "Table" or kind.endswith("List")
