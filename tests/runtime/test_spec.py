"""A spec survives its own dictionary, and says what is wrong with another."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.spec import CodecSpec, ModelSpec, SpecError, from_dict, to_dict
from tests.tiny import CODEC, LAYOUT

SPEC = ModelSpec("tiny", 64, 2048, CODEC, LAYOUT)


def codec(**changes: Any) -> dict[str, Any]:
    return dict(to_dict(CODEC)) | changes


def test_a_spec_survives_json() -> None:
    assert from_dict(ModelSpec, json.loads(json.dumps(to_dict(SPEC))), "model") == SPEC


def test_sizes_follow_from_each_other() -> None:
    assert (CODEC.patches, CODEC.cells, CODEC.motion_width) == (4, 2, 12)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image_px": 60}, "image_px wants a multiple of patch_px 16, found 60"),
        ({"motion_grid": 6}, "motion_grid wants a multiple of 4 patches a side, found 6"),
        ({"motion_grid": 0}, "motion_grid wants"),
        ({"window_pictures": 0}, "window_pictures wants a number above 0, found 0"),
        ({"motion_clip": -1.0}, "motion_clip wants a number above 0"),
        ({"image_px": 64.0}, r"codec.image_px wants int, found '64.0'"),
        ({"image_px": True}, "codec.image_px wants int"),
        ({"motion_clip": "8"}, "codec.motion_clip wants float"),
        ({"motion_clip": float("nan")}, "codec.motion_clip wants a finite number"),
        ({"residual_kinds": "pixel_mc"}, "codec.residual_kinds wants a list"),
        ({"image_pixels": 1}, "unknown key 'image_pixels'. Did you mean 'image_px'"),
    ],
)
def test_a_wrong_codec_is_refused_in_words(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        from_dict(CodecSpec, codec(**changes), "codec")


def test_a_whole_number_serves_as_a_float() -> None:
    assert from_dict(CodecSpec, codec(motion_clip=8), "codec").motion_clip == 8.0


def test_a_missing_key_is_named() -> None:
    values = codec()
    del values["patch_px"]
    with pytest.raises(SpecError, match="codec lacks the key 'patch_px'"):
        from_dict(CodecSpec, values, "codec")


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 8))
def test_every_codec_that_fits_survives(patch_px: int, patches: int, cells: int) -> None:
    values = codec(
        patch_px=patch_px * cells, image_px=patch_px * cells * patches, motion_grid=patches * cells
    )
    found = from_dict(CodecSpec, values, "codec")
    assert (found.patches, found.cells) == (patches, cells)
    assert from_dict(CodecSpec, to_dict(found), "codec") == found
