"""What moment a question names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.past.ago import ago_s, without_ago


@pytest.mark.parametrize(
    ("question", "seconds", "bare"),
    [
        ("Where was the red square two minutes ago?", 120.0, "Where was the red square?"),
        ("10 seconds ago, where was the cup?", 10.0, "where was the cup?"),
        ("What colour was it, about half a minute ago?", 30.0, "What colour was it?"),
        ("Was it there an hour ago", 3600.0, "Was it there"),
        ("Is it 2.5 SECONDS AGO?", 2.5, "Is it?"),
        ("How many seconds ago did the blue circle appear?", 0.0, None),
        ("Was it there 1 hour ago or 3 seconds ago?", 0.0, None),
        ("Is it a long time ago?", 0.0, None),
    ],
)
def test_a_question_names_one_moment_or_none(question: str, seconds: float, bare: str | None) -> None:
    assert ago_s(question) == seconds
    if bare is not None:
        assert without_ago(question) == bare


@given(st.one_of(st.text(max_size=200), st.from_regex(r"[a-z ]{0,20}\d{1,9} (second|hour)s? ago[ ?,]*")))
def test_any_text_is_read(question: str) -> None:
    assert 0.0 <= ago_s(question) <= 1e6 * 3600
    if ago_s(question):
        assert ago_s(without_ago(question)) == 0.0
