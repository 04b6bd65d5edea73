"""Windows that end by what moves, and that become longer where a machine is too slow."""

from __future__ import annotations

import pytest

from magno.runtime.units import Link
from magno.runtime.window import FusedWindow, Keyframe, Windower
from tests.runtime.letters import stream, told
from tests.runtime.test_features import CODEC
from tests.synthetic import codec_frame, uniform_field


def adaptive(moved_qpel: list[int], blocks: tuple[int, int] = (16, 16)) -> str:
    """An adaptive run over pictures of 128 px that move by so much each; the model can be told of 16 of them."""
    size = (blocks[1] * 8, blocks[0] * 8)
    windower = Windower(4, 2, adaptive=CODEC)
    frames = [codec_frame(0, "I", uniform_field(blocks=blocks, link=Link.RESET), size)]
    for sequence, moved in enumerate(moved_qpel, 1):
        frames.append(codec_frame(sequence, "P", uniform_field((moved, 0), blocks), size))
    return told([item for frame in frames for item in windower.step(frame)])


@pytest.mark.parametrize(
    ("moved_qpel", "expected"),
    [
        ([4] * 8, "K0 W0-4 W4-8"),  # as fixed ones
        ([0] * 40, "K0 W0-16 W16-32 K33"),  # nothing moves: four times as long
        ([0] * 9 + [16] * 3, "K0 W0-10"),  # until something does
        ([24] * 6, "K0 W0-2 W2-4 K5"),  # 6 of 16 px each: 12 px after two
        ([4, 4, 60, 4, 4], "K0 W0-4"),  # so far in one picture that no window would take it
    ],
)
def test_adaptive_windows_follow_what_moves(moved_qpel: list[int], expected: str) -> None:
    assert adaptive(moved_qpel) == expected


def paced(letters: str, at: int, stretch: int, *, keyframes_only: bool, back: int = 10**6) -> str:
    """Windows of two pictures, two a GOP; from picture `at` on in a cheaper tier, from `back` on as before."""
    windower = Windower(2, 2)
    items: list[Keyframe | FusedWindow] = []
    for number, frame in enumerate(stream(letters)):
        if number == at:
            windower.pace(stretch, keyframes_only=keyframes_only)
        if number == back:
            windower.pace(1, keyframes_only=False)
        items += windower.step(frame)
    return told(items)


def test_windows_become_longer_and_shorter_without_a_break() -> None:
    letters = "I" + "P" * 17
    assert paced(letters, 3, 2, keyframes_only=False) == "K0 W0-2 W2-6 K7 W7-11 W11-15 K16"
    assert (
        paced(letters, 3, 2, keyframes_only=False, back=9)
        == "K0 W0-2 W2-6 K7 W7-9 W9-11 K12 W12-14 W14-16 K17"
    )


def test_keyframes_only_for_a_while() -> None:
    letters = "I" + "P" * 19
    assert paced(letters, 3, 2, keyframes_only=True) == "K0 W0-2 K9 K18"
    # Windows go on from a keyframe of their own: nothing was followed meanwhile.
    assert paced(letters, 3, 2, keyframes_only=True, back=12) == "K0 W0-2 K9 K12 W12-14 W14-16 K17 W17-19"


def test_a_model_without_windows_gets_none_for_being_fast() -> None:
    windower = Windower(2, 2, keyframes_only=True)
    windower.pace(2, keyframes_only=True)
    windower.pace(1, keyframes_only=False)
    items = [item for frame in stream("IPPPPPPPPP") for item in windower.step(frame)]
    assert told(items) == "K0 K5"
