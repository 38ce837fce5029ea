"""A secret in every place there is leaves no trace in any output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from analyzers import redact
from analyzers.classify import classify
from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange
from analyzers.facts import Facts
from analyzers.output import comment, har, text
from analyzers.output import json as json_output
from analyzers.output.view import above_body
from tests.analyzers.secret_places import DOCUMENTS, EXCHANGES, FORMS, NS, PATCHES, TEXTS, of_body
from tests.spellings import spellings

# One that is a word to every syntax; one with signs that JSON, URLs, shells and YAML each write in a way of their own.
SECRETS = ("c4naryF00dBabe7", 'c4n@ry/"one"+two=three&four')


def places() -> Iterator[Any]:
    for document, make in DOCUMENTS.items():
        for form, write in FORMS.items():
            yield pytest.param(
                lambda secret, make=make, write=write: of_body(*write(make(secret)), f"{NS}/things/x", sent=False),
                id=f"{document}, {form}",
            )
        yield pytest.param(
            lambda secret, make=make: of_body(*FORMS["JSON"](make(secret)), f"{NS}/things/x", sent=True),
            id=f"{document}, sent",
        )
    for patch, (path, make) in PATCHES.items():
        for form in ("JSON", "YAML", "CBOR"):
            yield pytest.param(
                lambda secret, path=path, make=make, form=form: of_body(*FORMS[form](make(secret)), path, sent=True),
                id=f"{patch}, {form}",
            )
    for number, text_of in enumerate(TEXTS):
        yield pytest.param(
            lambda secret, text_of=text_of: of_body(
                *FORMS["JSON"]({"kind": "Thing", "spec": {"note": _filled(text_of, secret)}}),
                f"{NS}/things/x",
                sent=False,
            ),
            id=f"text {number}",
        )
    for place, exchange in EXCHANGES.items():
        yield pytest.param(exchange, id=place)


def _filled(text_of: Any, secret: str) -> str:
    # Only a word can stand in all of them as it is.
    return text_of.replace("SECRET", SECRETS[0]) if isinstance(text_of, str) else text_of(secret)


PLACES = list(places())
ENCODED_TWICE = (
    "helm release",
    "service account",
    "registry",
    "tls key",
    "kubeconfig in base64",
    "private key in base64",
    "text 3",
)


def outputs(exchange: Exchange) -> dict[str, str]:
    """Everything that mitmkube can make of an exchange."""
    shown = redact.exchange(exchange)
    facts = Facts.of(exchange)
    findings = classify(exchange)
    story = Story.of((exchange,), CommandInfo())
    bodies = [shown.request.body, shown.response.body if shown.response is not None else None]
    return {
        "bodies": " ".join(body.decode("utf-8", "replace") for body in bodies if body),
        "har": har.entry_text(exchange, findings) + har.entry_text(exchange, findings, bodies=True),
        "json": json.dumps(json_output.document(story)),
        "text": text.render(story, steps=True),
        "comment": comment.comment(exchange, facts.request_info, findings),
        "view": above_body(shown, findings),
        "repr": repr(exchange) + repr(shown) + repr(facts) + repr(findings),
    }


@pytest.mark.parametrize("secret", SECRETS, ids=["word", "signs"])
@pytest.mark.parametrize("place", PLACES)
def test_secret_is_in_no_output(place: Any, secret: str) -> None:
    exchange = place(secret)
    hits = [
        (output, spelling)
        for output, said in outputs(exchange).items()
        for spelling in spellings(secret)
        if spelling in said
    ]
    assert hits == []


def test_secrets_are_in_the_places_to_begin_with() -> None:
    for place in PLACES:
        (make,) = place.values
        exchange: Exchange = make(SECRETS[0])
        everything = " ".join(
            str(part)
            for part in (
                exchange.request.path,
                list(exchange.request.headers),
                exchange.request.body,
                exchange.failure and exchange.failure.message,
                exchange.response
                and (
                    exchange.response.reason,
                    list(exchange.response.headers),
                    exchange.response.body,
                    exchange.response.error_event,
                ),
            )
        )
        found = any(spelling in everything for spelling in spellings(SECRETS[0]))
        assert found or str(place.id).startswith(ENCODED_TWICE), place.id


def test_there_are_many_places() -> None:
    assert len(PLACES) >= 200
