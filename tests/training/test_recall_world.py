"""A world for the bench of recall: what is asked about is in one scene alone, and right whenever it is asked there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from magno.training.questions.asked import Asked
from magno.training.recall_world import Name, fits, steady

RED_SQUARE = ("red", "square")
ASKED = Asked("where", "where", ("the red square",), ("left", "to left"), 10, 5, "left")


@pytest.mark.parametrize(
    ("named", "name", "is_meant"),
    [
        ("the red square", RED_SQUARE, True),
        ("red square", RED_SQUARE, True),
        ("the square", RED_SQUARE, True),
        ("the red object", RED_SQUARE, True),
        ("the blue square", RED_SQUARE, False),
        ("the red ring", RED_SQUARE, False),
        ("the ring", RED_SQUARE, False),
        ("the blue object", RED_SQUARE, False),
    ],
)
def test_whom_a_name_fits(named: str, name: Name, is_meant: bool) -> None:
    assert fits(named, name) is is_meant


def test_what_changes_in_its_scene_is_not_asked() -> None:
    later, elsewhere = replace(ASKED, picture=20), replace(ASKED, picture=20, answers=("right",))
    other = replace(ASKED, slots=("the blue ring",), answers=("top",))
    assert steady([[ASKED, other], [later]]) == [later, other]
    assert steady([[ASKED], [elsewhere]]) == []
    swapped = replace(ASKED, slots=("b", "a"))
    assert steady([[replace(ASKED, slots=("a", "b"))], [swapped]]) == [swapped]
