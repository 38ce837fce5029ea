"""What was hidden in one place is found in any other, in every spelling."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.redact.canary import MOST, SHORTEST, Seen

SECRET = 'c4n@ry/"one"+two=three&four<é>'


def seen(*secrets: str) -> Seen:
    found = Seen()
    for secret in secrets:
        found.add(secret.encode())
    return found


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps(json.dumps(SECRET)),
        json.dumps(json.dumps(json.dumps(SECRET, ensure_ascii=False), ensure_ascii=False), ensure_ascii=False),
        SECRET.replace('"', '\\"').replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        *(base64.b64encode(b"u" * shift + SECRET.encode() + b"more").decode() for shift in (1, 2, 3)),
        json.dumps({"a": base64.b64encode(SECRET.encode()).decode()}),
    ],
)
def test_secret_is_found_in_every_spelling(spelt: str) -> None:
    assert seen(SECRET).stands_in(f"before {spelt} behind")
    assert not seen("another secret").stands_in(f"before {spelt} behind")


def test_part_of_a_secret_is_none() -> None:
    assert not seen("hunter2-hunter2").stands_in("hunter2-hunter")


@pytest.mark.parametrize("length", [257, 1000, 100_000])
def test_beginning_middle_and_end_of_a_long_secret_are_found(length: int) -> None:
    secret = "".join(chr(97 + (at * at + at // 26) % 26) for at in range(length))
    found = seen(secret)
    for part in (secret, secret[:48], secret[-48:], secret[length // 2 :][:48]):
        assert found.stands_in(f"x{part}x")


def test_what_is_short_or_public_is_no_secret() -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nMIIBmzCCAUGg\n-----END CERTIFICATE-----\n"
    assert not seen("s" * (SHORTEST - 1), certificate).stands_in("s" * SHORTEST + certificate)
    assert seen("s" * SHORTEST).stands_in("s" * SHORTEST)


def test_name_of_an_object_is_no_secret() -> None:
    found = seen("payments-prod")
    assert found.stands_in("/api/v1/namespaces/payments-prod/pods")
    found.add_name("payments-prod")
    assert not found.stands_in("/api/v1/namespaces/payments-prod/pods")
    assert not found.stands_in('namespaces "payments-prod" not found in payments-prod.')


@pytest.mark.parametrize(
    "name", ["payments-prod", "api.payments.example.test", "system:serviceaccount:payments:default"]
)
def test_secret_that_is_a_part_of_a_name_stands_in_that_name_only(name: str) -> None:
    found = seen("payments")
    found.add_name(name)
    assert not found.stands_in(f"asked for {name} there")
    assert found.stands_in(f"asked for {name} with payments_pw")
    assert found.stands_in(f"asked for {name}, dsn=x/payments!") or ":payments:" in name
    assert found.stands_in(base64.b64encode(b"payments").decode())


def test_word_that_every_report_is_made_of_is_no_secret() -> None:
    assert not seen("kubernetes", "application/json").stands_in("kubernetes/abc Accept: application/json")


def test_secret_is_found_among_many() -> None:
    found = seen(*(f"secret-number-{number}" for number in range(1000)))
    assert found.stands_in("x" * 5000 + "secret-number-977" + "x" * 5000)
    assert not found.stands_in("x" * 5000 + "secret-numbre-977" + "x" * 5000)


def test_oldest_secret_is_given_up_where_there_are_too_many() -> None:
    found = seen(*(f"secret-number-{number:06}" for number in range(MOST + 1)))
    assert not found.stands_in("secret-number-000000")
    assert found.stands_in("secret-number-000001")
    assert found.stands_in(f"secret-number-{MOST:06}")


def test_no_secret_is_in_its_repr() -> None:
    assert repr(seen(SECRET)) == "Seen(1)"


# Marked, so that none of them is one of the words that are no secrets.
@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=80), st.text(), st.text())
def test_any_secret_is_found_in_json_whatever_stands_around_it(secret: str, before: str, behind: str) -> None:
    marked = f"=={secret}=="
    assert seen(marked).stands_in(json.dumps({"a": before + marked + behind}))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(min_size=6, max_size=80), st.binary(max_size=5), st.binary(max_size=5))
def test_any_secret_is_found_in_base64_whatever_stands_around_it(secret: bytes, before: bytes, behind: bytes) -> None:
    found = Seen()
    marked = b"==" + secret + b"=="
    found.add(marked)
    assert found.stands_in(base64.b64encode(before + marked + behind).decode())
