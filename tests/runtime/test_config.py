"""What the engine's configuration refuses, in one sentence."""

from __future__ import annotations

import pytest

from magno.runtime.config import EngineConfig
from magno.runtime.spec import SpecError, from_dict


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"bundle": ""}, "bundle wants the folder"),
        ({"max_cameras": 0}, "max_cameras wants 1 or more, found 0"),
        ({"windows": "long"}, "windows wants one of fixed, adaptive, found 'long'"),
        ({"b_frames": ""}, "b_frames wants one of use, skip, refuse, found ''"),
        ({"windws": "fixed"}, "Did you mean 'windows'"),
        ({"budget_tokens": 600}, "context_tokens wants 2464"),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        from_dict(EngineConfig, {"bundle": "somewhere", **values}, "parameters")


def test_windows_are_fixed_and_b_pictures_left_out_unless_told() -> None:
    config = EngineConfig("somewhere")
    assert (config.windows, config.b_frames) == ("fixed", "skip")
