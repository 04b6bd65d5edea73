"""The cadence of keyframes and windows, and what breaks it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.units import CodecFrame, Link
from magno.runtime.window import FusedWindow, Keyframe, Windower
from tests.synthetic import codec_frame, uniform_field

LINKS = {"I": Link.RESET, "P": Link.OK, "B": Link.OK, "x": Link.BROKEN, "X": Link.BROKEN}


def stream(letters: str) -> list[CodecFrame]:
    """I, P and B as they are; x a damaged P, X a damaged I, - a picture that was dropped on the way."""
    frames = []
    for sequence, letter in enumerate(letters):
        if letter != "-":
            pict_type = {"x": "P", "X": "I"}.get(letter, letter)
            frames.append(codec_frame(sequence, pict_type, uniform_field((4, 0), link=LINKS[letter])))
    return frames


def told(items: Iterable[Keyframe | FusedWindow]) -> str:
    """K7 is a keyframe at picture 7; W3-7 a window from picture 3 to 7."""
    words = []
    for item in items:
        last = item.frame.sequence
        if isinstance(item, Keyframe):
            words.append(f"K{last}")
        else:
            words.append(f"W{int(item.before[0, 0, 0])}-{last}")
    return " ".join(words)


def run(letters: str, *, pictures: int = 2, windows: int = 2, keyframes_only: bool = False) -> str:
    windower = Windower(pictures, windows, keyframes_only=keyframes_only)
    items = [item for frame in stream(letters) for item in windower.step(frame)]
    return told(items + windower.flush())


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("", ""),
        ("I", "K0"),
        ("IPPPPPPPPPP", "K0 W0-2 W2-4 K5 W5-7 W7-9 K10"),
        ("IPPP", "K0 W0-2 W2-3"),  # the stream's end closes the open window
        ("IPIPP", "K0 W0-1 K2 W2-4"),  # an intra picture closes early and is the anchor
        ("IPPIPP", "K0 W0-2 K3 W3-5"),
        ("III", "K0 K1 K2"),
        ("IP-PP", "K0 K3 W3-4"),  # after a gap the open window is old news
        ("IPP-PPP", "K0 W0-2 K4 W4-6"),
        ("IPxxPP", "K0 W0-1 K4 W4-5"),  # the decoder says when it is sound again
        ("IPxxIPP", "K0 W0-1 K4 W4-6"),
        ("IXxIP", "K0 K3 W3-4"),  # a damaged intra picture is no anchor
        ("xxxIP", "K3 W3-4"),  # joined in the middle of a GOP
        ("IP-xxIP", "K0 K5 W5-6"),
        ("IBBPBBPBBP", "K0 W0-6 W6-9"),
        ("IBPP", "K0 W0-3"),
        ("IB-BPP", "K0 K4 W4-5"),  # a B-picture is no anchor: nothing refers to it
        ("B-BIP", "K3 W3-4"),
    ],
)
def test_cadence(letters: str, expected: str) -> None:
    assert run(letters) == expected


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("IPPPPPPPPPP", "K0 K5 K10"),
        ("IIIIII", "K0 K5"),
        ("xxIPPPPP", "K2 K7"),
        ("IPPP-PPP", "K0 K6"),
        ("BBBBBB", "K0 K5"),
    ],
)
def test_keyframes_only(letters: str, expected: str) -> None:
    assert run(letters, keyframes_only=True) == expected


def test_codec_without_vectors_gives_keyframes_at_the_same_cadence() -> None:
    windower = Windower(2, 2)
    items = [item for n in range(11) for item in windower.step(codec_frame(n))]
    assert told(items + windower.flush()) == "K0 K5 K10"


def test_another_picture_size_begins_anew() -> None:
    windower = Windower(2, 2)
    frames = stream("IP")
    for sequence in (2, 3):
        larger = uniform_field(blocks=(8, 12))
        frames.append(codec_frame(sequence, "P", larger, size=(96, 64)))
    items = [item for frame in frames for item in windower.step(frame)]
    assert told(items + windower.flush()) == "K0 K2 W2-3"


def test_broken_chain_begins_anew_with_the_next_picture() -> None:
    windower = Windower(3, 2)
    items = []
    for frame in stream("IPPPPP"):
        if frame.sequence == 3:
            windower.break_chain()
        items += windower.step(frame)
    assert told(items) == "K0 K3" and told(windower.flush()) == "W3-5"


def test_flush_gives_a_window_once() -> None:
    windower = Windower(4, 2)
    for frame in stream("IPP"):
        windower.step(frame)
    assert told(windower.flush()) == "W0-2" and windower.flush() == []


def test_gops_are_numbered_in_order() -> None:
    windower = Windower(2, 1)
    items = [item for frame in stream("IPPPPP") for item in windower.step(frame)]
    assert [item.gop for item in items] == [0, 0, 1, 1]


@given(
    st.text("IPPPPPPPBxX-", max_size=60),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_a_window_holds_nothing_but_sound_chained_pictures(letters: str, pictures: int, windows: int) -> None:
    windower = Windower(pictures, windows)
    items = [item for frame in stream(letters) for item in windower.step(frame)] + windower.flush()
    gop, done, tip = -1, 0, -1
    for item in items:
        last = item.frame.sequence
        if isinstance(item, Keyframe):
            assert item.gop == gop + 1 and letters[last] in "IP"
            gop, done, tip = item.gop, 0, last
            continue
        first = int(item.before[0, 0, 0])
        inside = letters[first + 1 : last + 1]
        assert item.gop == gop and first == tip and letters[last] == "P"
        assert set(inside) <= {"P", "B"} and inside.count("P") == item.displacement.pictures <= pictures
        assert item.displacement.px[..., 0].mean() == inside.count("P")
        done, tip = done + 1, last
        assert done <= windows
