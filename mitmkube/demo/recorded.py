"""What a real kube-apiserver answered, and which of its answers fits a request.

``recordings/ASKER/NAME.http`` is wire text whose first line says what it was recorded from. The folder says who
asked: a certificate's common name, ``everyone`` for what the API server answers every user it knows alike, and
``unknown`` for a token that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from analyzers.exchange import Exchange, Response
from analyzers.readers import wire_text

EVERYONE = "everyone"
UNKNOWN = "unknown"
DEFAULT_MEDIA_TYPE = "application/json"

# The rest of a query (limit, timeout, fieldManager, hash) does not make it another request.
_TELLING = frozenset({"watch", "dryRun", "labelSelector", "fieldSelector", "resourceVersion", "continue"})

type _Key = tuple[str, str, str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Recordings:
    """Every recorded exchange, by file ("admin/pods") and by what was asked."""

    by_file: Mapping[str, tuple[Exchange, ...]]
    _by_request: Mapping[_Key, tuple[Exchange, ...]]

    @classmethod
    def load(cls) -> Self:
        """Read the recordings that come with the package."""
        by_file: dict[str, tuple[Exchange, ...]] = {}
        by_request: dict[_Key, tuple[Exchange, ...]] = {}
        for asker, file in recorded_files():
            exchanges = wire_text.read(file.read_text("utf-8"))
            by_file[f"{asker}/{file.name.removesuffix('.http')}"] = exchanges
            for exchange in exchanges:
                key = _key(asker, exchange.request.method, exchange.request.path)
                by_request[key] = (*by_request.get(key, ()), exchange)
        return cls(by_file, by_request)

    def answer(self, asker: str, method: str, target: str, accept: str) -> Response | None:
        """What was answered when ``asker`` sent that, in the first of the media types in ``accept`` that there is.

        None when nothing of the kind was recorded.
        """
        found = self._by_request.get(_key(asker, method, target), ())
        if not found and asker and asker != UNKNOWN:
            found = self._by_request.get(_key(EVERYONE, method, target), ())
        recorded = {_media_range(exchange.request.headers.get("Accept")): exchange for exchange in found}
        for wanted in [_media_range(one) for one in accept.split(",")] if accept else ["*/*"]:
            if exchange := recorded.get(DEFAULT_MEDIA_TYPE if wanted == "*/*" else wanted):
                return exchange.response
        # A refusal does not depend on the form in which the object was wanted.
        return next((one.response for one in found if one.response and one.response.status >= 400), None)


def recorded_files() -> Iterator[tuple[str, Traversable]]:
    """Each file with the name of its folder, which is who asked."""
    for folder in files("mitmkube.demo").joinpath("recordings").iterdir():
        if folder.is_dir():
            for file in folder.iterdir():
                if file.name.endswith(".http"):
                    yield folder.name, file


def _key(asker: str, method: str, target: str) -> _Key:
    parts = urlsplit(target)
    telling = frozenset((name, value) for name, value in parse_qsl(parts.query) if name in _TELLING)
    return asker, method, parts.path, telling


def _media_range(text: str) -> str:
    """Without weight and spaces, the parameters in alphabetical order."""
    name, *parameters = (part.strip() for part in text.split(";"))
    return ";".join([name.lower(), *sorted(one for one in parameters if not one.startswith("q="))])
