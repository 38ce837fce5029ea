"""Makes a new input of one that is known: of its bytes, of its lines, of the values of its JSON, and with another's."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from fuzz.tokens import ALL

_STRANGE: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1 << 53,
    1 << 64,
    0.5,
    1e308,
    float("inf"),
    float("nan"),
    "",
    "a",
    "9" * 5000,
    "\ud800",
    "\x00\n\x1b[31m",
    "2024-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "https://[",
    "Bearer a.b.c",
    [],
    [None],
    [[]],
    {},
    {"": None},
    {"a": {"b": []}},
    ["a", 1, {}],
)
_NUMBERS = (b"0", b"-1", b"00", b"1", b"999", b"65536", b"4294967296", b"18446744073709551616", b"9" * 5000, b"1e9")


def mutated(data: bytes, other: bytes, random: Random, largest: int) -> bytes:
    """``data`` changed in one to four ways; ``other`` is a second known input. At most ``largest`` bytes."""
    for _ in range(1 + random.randrange(2) * random.randrange(4)):
        data = random.choice(_WAYS)(data, other, random)[:largest]
    return data


def _place(data: bytes, random: Random) -> int:
    return random.randrange(len(data) + 1)


def _span(data: bytes, random: Random) -> tuple[int, int]:
    begin = _place(data, random)
    longest = random.choice((1, 4, 16, 64, 1024))
    return begin, min(len(data), begin + 1 + random.randrange(longest))


def _other_bytes(data: bytes, _: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for at in random.choices(range(len(data)), k=1 + random.randrange(3)) if data else ():
        changed[at] = random.randrange(256)
    return bytes(changed)


def _other_punctuation(data: bytes, _: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return (
        data[:at]
        + bytes((random.choice(b"\"'\\{}[]()<>:;,.=/%@#|*+-_ \n\t\r0a\x00"),))
        + data[at + random.randrange(2) :]
    )


def _left_out(data: bytes, _: bytes, random: Random) -> bytes:
    begin, end = _span(data, random)
    return data[:begin] + data[end:]


def _twice(data: bytes, _: bytes, random: Random) -> bytes:
    begin, end = _span(data, random)
    return data[:end] + data[begin:end] * random.choice((1, 2, 8, 64)) + data[end:]


def _moved(data: bytes, _: bytes, random: Random) -> bytes:
    begin, end = _span(data, random)
    part, rest = data[begin:end], data[:begin] + data[end:]
    at = _place(rest, random)
    return rest[:at] + part + rest[at:]


def _cut_off(data: bytes, _: bytes, random: Random) -> bytes:
    return data[: _place(data, random)]


def _spliced(data: bytes, other: bytes, random: Random) -> bytes:
    return data[: _place(data, random)] + other[_place(other, random) :]


def _part_of_other(data: bytes, other: bytes, random: Random) -> bytes:
    begin, end = _span(other, random)
    at = _place(data, random)
    return data[:at] + other[begin:end] + data[at:]


def _with_token(data: bytes, _: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + random.choice(ALL) + data[random.choice((at, _place(data, random))) :]


def _other_number(data: bytes, _: bytes, random: Random) -> bytes:
    digits = [at for at, byte in enumerate(data) if 48 <= byte < 58]
    if not digits:
        return data
    begin = random.choice(digits)
    end = begin
    while end < len(data) and 48 <= data[end] < 58:
        end += 1
    return data[:begin] + random.choice(_NUMBERS) + data[end:]


def _other_lines(data: bytes, other: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    match random.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[random.randrange(len(lines))])
        case 2:
            lines.insert(at, random.choice(other.split(b"\n")))
        case 3:
            there = random.randrange(len(lines))
            lines[at], lines[there] = lines[there], lines[at]
        case _:
            lines[at] = random.choice(ALL) + lines[at]
    return b"\n".join(lines)


def _other_value(data: bytes, other: bytes, random: Random) -> bytes:
    """One value anywhere in a document of JSON replaced, taken out or wrapped; of the last line that holds one."""
    begin = max(data.rfind(b"\n{"), data.rfind(b"\n< {") + 2, data.rfind(b"\n> {") + 2, -1) + 1
    try:
        document = json.loads(data[begin:] if data[begin : begin + 1] in (b"{", b"[") else data)
    except (ValueError, RecursionError):
        return _with_token(data, other, random)
    if not (isinstance(document, dict | list) and data[begin : begin + 1] in (b"{", b"[")):
        begin = 0
    return data[:begin] + _changed_document(document, random)


def _changed_document(document: Any, random: Random) -> bytes:
    places: list[tuple[Any, Any]] = []
    left = [document]
    while left and len(places) < 2000:
        node = left.pop()
        inner = (
            list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
        )
        places += [(node, key) for key, _ in inner]
        left += [value for _, value in inner]
    if not places:
        return json.dumps(random.choice(_STRANGE)).encode()
    node, key = random.choice(places)
    match random.randrange(6):
        case 0:
            del node[key]
        case 1:
            node[key] = [node[key]]
        case 2:
            node[key] = {"a": node[key]}
        case 3 if isinstance(node, dict):
            node[random.choice(places)[1] if random.randrange(2) else "a"] = node[key]
        case _:
            node[key] = random.choice(_STRANGE)
    try:
        return json.dumps(document, ensure_ascii=bool(random.randrange(2)), skipkeys=True).encode(
            "utf-8", "surrogatepass"
        )
    except (ValueError, RecursionError, TypeError):
        return b"[]"


_WAYS: Sequence[Callable[[bytes, bytes, Random], bytes]] = (
    _other_bytes,
    _other_punctuation,
    _left_out,
    _twice,
    _moved,
    _cut_off,
    _spliced,
    _part_of_other,
    _with_token,
    _with_token,
    _other_number,
    _other_lines,
    _other_lines,
    _other_value,
    _other_value,
)
