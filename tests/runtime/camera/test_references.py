"""Which picture each vector points into. Motion is known: a vector of k pictures' motion points k pictures back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.decoding.examine import Facts
from magno.runtime.camera.decoding.luma_runs import Luma
from magno.runtime.camera.decoding.matching import UNCLEAR, which
from magno.runtime.camera.decoding.references import CHOICES, References, Shown
from magno.runtime.conformance.encoding import Encoding, encode
from magno.runtime.units import BlockMode, CodecFrame, Link, MotionField
from tests import synthetic

SIZE = (192, 128)


def decoded(images: list[np.ndarray], encoding: Encoding) -> list[CodecFrame]:
    decoder = Decoder(encoding.codec, None, 16)
    frames = [frame for unit in encode(images, encoding) for frame in decoder.decode(unit)]
    return frames + decoder.flush()


def steps(frame: CodecFrame) -> tuple[np.ndarray, np.ndarray]:
    """Of the blocks whose vector's reference is known, but those at the edges: (n, 2) vectors in pixels, and (n,)
    their references."""
    motion = frame.motion
    assert motion is not None
    reference = np.ones(motion.mode.shape, np.uint8) if motion.reference is None else motion.reference
    inner = np.zeros(motion.mode.shape, bool)
    inner[2:-2, 2:-2] = motion.mode[2:-2, 2:-2] == BlockMode.INTER
    inner &= reference > 0
    return motion.mv_qpel[inner] / 4, reference[inner]


@pytest.mark.parametrize("velocity", [(0.75, 0.0), (1.25, -0.5), (-2.0, 1.0)])
@pytest.mark.parametrize("references", [2, 3, 4])
@pytest.mark.parametrize("crf", [18, 26])
def test_vector_is_the_motion_since_its_reference(
    velocity: tuple[float, float], references: int, crf: int
) -> None:
    frames = decoded(synthetic.panned(SIZE, velocity, 12), Encoding(references=references, crf=crf))
    off = []
    for frame in frames[references + 1 :]:
        vectors, back = steps(frame)
        off += list(np.abs(vectors - back[:, None] * np.array(velocity)).max(1))
    assert np.mean(np.array(off) <= 0.3) > 0.97


def test_pan_that_sends_the_encoder_four_pictures_back() -> None:
    """0.75 px a picture: four of them are whole pixels, and need no interpolation."""
    frames = decoded(synthetic.panned(SIZE, (0.75, 0), 16), Encoding(references=4, crf=18))
    back = np.concatenate([steps(frame)[1] for frame in frames[5:]])
    assert (back == 4).mean() > 0.1


def test_alternating_content_points_two_pictures_back() -> None:
    one, other = (synthetic.picture(SIZE, seed=seed) for seed in (7, 8))
    frames = decoded([one, other] * 6, Encoding(references=2))
    for frame in frames[3:]:
        vectors, back = steps(frame)
        assert len(back) and (back == 2).mean() > 0.95 and np.abs(vectors).max() <= 0.25


def test_stream_of_one_reference_says_nothing_and_pays_nothing() -> None:
    frames = decoded(synthetic.panned(SIZE, (0.75, 0), 8), Encoding(references=1, crf=18))
    assert all(frame.motion and frame.motion.reference is None for frame in frames)


@pytest.mark.parametrize("references", [1, 3])
def test_b_pictures_and_what_is_shown_after_them(references: int) -> None:
    """A P-picture after a B-picture that is a reference points past it: the encoder coded that one later."""
    velocity = (2.0, 1.0)
    encoding = Encoding(references=max(2, references), b_pictures=3, b_pyramid=True)
    frames = decoded(synthetic.panned(SIZE, velocity, 26), encoding)
    shown = [index for index, frame in enumerate(frames) if frame.is_reference]
    for index, frame in enumerate(frames[5:], 5):
        vectors, back = steps(frame)
        before = np.array([index - place for place in shown if place < index][::-1])
        known = (frame.motion.mode == BlockMode.INTER).any() if frame.motion else False
        assert not known or back.max(initial=1) <= len(before)
        off = np.abs(vectors - before[back - 1][:, None] * np.array(velocity)).max(1)
        if frame.pict_type == "P":
            assert (off <= 0.5).mean() > 0.9, (index, frame.pict_type)


def test_what_points_farther_back_than_is_kept_is_not_called_near() -> None:
    """Seven pictures by turns: each comes again after seven, which x264 sees with 8 references."""
    images = [synthetic.picture(SIZE, seed=seed) for seed in range(7)] * 3
    for frame in decoded(images, Encoding(references=8, gop=100))[9:]:
        assert len(steps(frame)[1]) < 40  # of 240 blocks


def test_flat_content_takes_its_neighbours_speed() -> None:
    """Left of the middle nothing can be told; the vectors there are those of three pictures, as on the right."""
    images = synthetic.panned(SIZE, (1.0, 0.0), 4)
    for image in images:
        image[:, : SIZE[0] // 2] = 128
    luma = [Luma(np.ascontiguousarray(image[..., 0])) for image in images[::-1]]
    field = synthetic.uniform_field((12, 0), (SIZE[1] // 8, SIZE[0] // 8))
    reference = which(field, luma[0], luma[1:])
    assert (reference[2:-2, 14:-2] == 3).all()
    assert (reference[4:-4, 10:12] == 3).all() and (reference[4:-4, 2:6] == UNCLEAR).all()


def facts(held: int = 3, choices: int = 3, kind: str = "P") -> Facts:
    return Facts(kind, choices=choices, held=held, reach=choices, numbered=True)


def test_loss_of_size_and_entries_forget_what_was_kept() -> None:
    image = synthetic.picture(SIZE)[..., 0]
    field = synthetic.uniform_field((8, 0), (SIZE[1] // 8, SIZE[0] // 8))
    for forgets in (replace(facts(), entry=True, kind="I", reach=0), None):
        references = References()
        for number in range(4):
            references.take(field, facts(), SIZE, Shown(number, lambda: image))
        if forgets is not None:
            references.take(field, forgets, SIZE, Shown(4, lambda: image))
            assert references.take(field, facts(), SIZE, Shown(5, lambda: image)).reference is None
        else:
            small = image[:64, :64]
            one = synthetic.uniform_field((8, 0), (8, 8))
            assert references.take(one, facts(), (64, 64), Shown(5, lambda: small)).reference is None  # noqa: B023


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(9, 70),
    st.integers(2, 50),
    st.integers(2, CHOICES),
    st.sampled_from([0, 40, 32767]),
)
def test_any_field_gets_references_in_range(seed: int, width: int, height: int, kept: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    coded = (-(-width // 16) * 16, -(-height // 16) * 16)
    grid = (coded[1] // 8, coded[0] // 8)
    field = MotionField(
        rng.integers(-most - 1, most + 1, (*grid, 2)).astype(np.int16),
        rng.integers(0, 5, grid).astype(np.uint8),
        8,
        coded,
        Link.OK,
    )
    pictures = [rng.integers(0, 256, (height, width)).astype(np.uint8) for _ in range(kept + 1)]
    reference = which(field, Luma(pictures[0]), [Luma(picture) for picture in pictures[1:]])
    assert reference.shape == grid and reference.max() <= kept
    without = ~np.isin(field.mode, [BlockMode.INTER, BlockMode.SKIP, BlockMode.BI])
    assert (reference[without] == 1).all()
