"""The first look of the net must let every string through that the shapes behind it could change."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.redact import net
from analyzers.redact.placeholder import mask

# Written out, so that a shape that is added without a word in the first look is found.
_STRINGS_OF_SHAPES = st.one_of(
    *(st.from_regex(shape) for shape in (*(one for one, _ in net._NET), *net._REPEATED, net._USER_INFO_ANYWHERE))
)


@settings(max_examples=400, deadline=None)
@given(before=st.text(max_size=8), secret=_STRINGS_OF_SHAPES, after=st.text(max_size=8))
def test_first_look_lets_everything_through_that_a_shape_matches(before: str, secret: str, after: str) -> None:
    for value in (secret, before + secret + after):
        assert net.text(value) == net.through(value, mask)


@settings(max_examples=200, deadline=None)
@given(value=st.text(alphabet="aAkKsS\u212a\u017f\u0130\u0131.=:\"'-_ 019eyJtokenpwd@/", max_size=60))
def test_first_look_agrees_with_the_shapes_on_letters_that_change_in_lower_case(value: str) -> None:
    assert net.text(value) == net.through(value, mask)
