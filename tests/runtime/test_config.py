"""What the engine's configuration refuses, in one sentence."""

from __future__ import annotations

import pytest

from magno.runtime.config import QUESTIONS_TOKENS, EngineConfig
from magno.runtime.spec import SpecError, from_dict


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"bundle": ""}, "bundle wants the folder"),
        ({"max_cameras": 0}, "max_cameras wants 1 or more, found 0"),
        ({"windows": "long"}, "windows wants one of fixed, adaptive, found 'long'"),
        ({"b_frames": ""}, "b_frames wants one of use, skip, refuse, found ''"),
        ({"windws": "fixed"}, "Did you mean 'windows'"),
        ({"budget_tokens": 600, "context_tokens": 2048}, "context_tokens wants 2464"),
        ({"budget_tokens": -1}, "budget_tokens wants 0 or more, found -1"),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        from_dict(EngineConfig, {"bundle": "somewhere", **values}, "parameters")


def test_open_sizes_follow_from_the_model_and_the_cameras() -> None:
    sized = EngineConfig("somewhere", max_cameras=3).sized(300)
    assert (sized.budget_tokens, sized.context_tokens) == (300, 3 * 300 + 300 + QUESTIONS_TOKENS)
    told = EngineConfig("somewhere", budget_tokens=100, context_tokens=900).sized(300)
    assert (told.budget_tokens, told.context_tokens) == (100, 900)
    with pytest.raises(SpecError, match="context_tokens wants 1264"):
        EngineConfig("somewhere", context_tokens=500).sized(300)


def test_windows_are_fixed_and_b_pictures_left_out_unless_told() -> None:
    config = EngineConfig("somewhere")
    assert (config.windows, config.b_frames) == ("fixed", "skip")
