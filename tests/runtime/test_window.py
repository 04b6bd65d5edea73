"""The cadence of keyframes and windows, and what breaks it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.window import FusedWindow, Keyframe, Windower
from tests.runtime.letters import BLOCKS, stream, told
from tests.synthetic import PICTURE_NS, codec_frame, uniform_field


def run(
    letters: str, *, pictures: int = 2, windows: int = 2, keyframes_only: bool = False, b_frames: str = "skip"
) -> str:
    windower = Windower(pictures, windows, keyframes_only=keyframes_only, b_frames=b_frames)
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
        ("IPxhhhP", "K0 W0-1 K3 W3-5 W5-6"),  # what hangs on a loss, and came whole, is followed
        ("IPxhhIP", "K0 W0-1 K3 W3-4 K5 W5-6"),  # until the decoder is sound again
        ("IPxhhxhh", "K0 W0-1 K3 W3-4 K6 W6-7"),
        ("IPPPPxhxhxhxh", "K0 W0-2 W2-4 K6 K8 K10 K12"),
        ("Ixhxhxh", "K0 K2 K4 K6"),  # no more keyframes than windows
        ("xxxIP", "K3 W3-4"),  # joined in the middle of a GOP
        ("IP-xxIP", "K0 K5 W5-6"),
        ("IBBPBBPBBP", "K0 W0-3 W3-6 K9"),  # what is left out counts: a window is as long as it lasts
        ("IBPP", "K0 W0-2 W2-3"),
        ("IBPBPB", "K0 W0-2 W2-4"),
        ("IbPbP", "K0 W0-2 W2-4"),  # a B-picture that others point into is part of the chain,
        ("IPbP", "K0 W0-3"),  # and ends no window,
        ("Ibbbbb", "K0 W0-2 W2-4 K5"),  # unless nothing else comes
        ("IB-BPP", "K0 K4 W4-5"),  # a B-picture is no anchor: nothing refers to it
        ("B-BIP", "K3 W3-4"),
    ],
)
def test_cadence(letters: str, expected: str) -> None:
    assert run(letters) == expected


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("IBBPBBPBBP", "K0 W0-2 W2-4 K5 W5-7 W7-9"),
        ("IBBBP", "K0 W0-2 W2-4"),
        ("IffPffPffP", "K0 W0-3 W3-6 K9"),  # no window ends where nothing is traced
        ("IBffP", "K0 W0-4"),
        ("IB-BPB", "K0 K4 W4-5"),  # and no chain begins there
        ("IBxPBB", "K0 W0-1 K3 W3-5"),
    ],
)
def test_cadence_with_b_pictures_in_use(letters: str, expected: str) -> None:
    assert run(letters, b_frames="use") == expected


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("IPPPcPP", "K0 W0-2 W2-3 K4 W4-6"),
        ("IcPPP", "K0 W0-1 K2 W2-4"),  # so soon after a keyframe: as soon as the rest is over
        (
            "Icccccc",
            "K0 W0-1 K2 W2-3 K4 W4-5 K6",
        ),  # a stream that is always so: no more keyframes than windows
        ("IPPBcPP", "K0 W0-2 K4 W4-6"),
        ("IPPffP", "K0 W0-2 W2-5"),  # B-pictures beside a cut are no cut
    ],
)
def test_another_scene_begins_a_gop(letters: str, expected: str) -> None:
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
    st.text("IPPPPPPPBBbfchhxX-", max_size=60),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from(["skip", "use"]),
)
def test_a_window_holds_nothing_but_sound_chained_pictures(
    letters: str, pictures: int, windows: int, b_frames: str
) -> None:
    windower = Windower(pictures, windows, b_frames=b_frames)
    items = [item for frame in stream(letters) for item in windower.step(frame)] + windower.flush()
    gop, done, tip = -1, 0, -1
    for item in items:
        last = item.frame.sequence
        assert letters[last] in ("IPchb" if b_frames == "skip" else "IPchbB")
        if isinstance(item, Keyframe):
            assert item.gop == gop + 1
            gop, done, tip = item.gop, 0, last
            continue
        first = int(item.before[0, 0, 0])
        inside = letters[first + 1 : last + 1]
        assert item.gop == gop and first == tip and not set(inside) & set("IxX-")
        assert item.displacement.pictures == last - first
        came, valid = item.displacement.px[..., 0], item.displacement.valid > 0
        assert (came[valid] == last - first).all()  # each picture brings a pixel, shown or left out
        assert valid.all() or "c" in letters[: last + 1]
        done, tip = done + 1, last
        assert done <= windows


def test_with_b_pictures_in_use_every_window_is_as_long_as_told() -> None:
    windower = Windower(8, 4)
    fused = [item for frame in stream("I" + "BBBP" * 20) for item in windower.step(frame)]
    assert {w.displacement.pictures for w in fused if isinstance(w, FusedWindow)} == {8}


def test_each_vector_is_followed_into_its_own_reference() -> None:
    """Two references, and a window ends between them and the picture that points into both."""
    frames = stream("IPPP")
    motion = frames[3].motion
    assert motion is not None
    reference = np.ones(BLOCKS, np.uint8)
    reference[:2], motion.mv_qpel[:2] = 2, (8, 0)
    frames[3] = dataclasses.replace(frames[3], motion=dataclasses.replace(motion, reference=reference))
    windower = Windower(2, 2)
    items = [item for frame in frames for item in windower.step(frame)] + windower.flush()
    assert told(items) == "K0 W0-2 W2-3"
    assert isinstance(items[2], FusedWindow)
    assert (items[2].displacement.px[..., 0] == 1).all() and items[2].displacement.valid.all()


def cuts(letters: str, shades: str) -> list[int]:
    """The keyframes that are called cuts; one digit a picture says how bright it is."""
    windower = Windower(2, 2)
    found = []
    for frame in stream(letters):
        picture = np.full((4, 4, 3), 28 * int(shades[frame.sequence]), np.uint8)
        items = windower.step(dataclasses.replace(frame, picture=picture))
        found += [item.frame.sequence for item in items if isinstance(item, Keyframe) and item.is_cut]
    return found


@pytest.mark.parametrize(
    ("letters", "shades", "expected"),
    [
        ("IPPPPPP", "0000000", []),
        ("IPPIPP", "000000", []),  # an intra picture of the same scene
        ("IPPIPP", "000111", [3]),  # and of another
        ("IPPcPP", "000111", [3]),  # a predicted picture of another
        ("IPPPPPP", "0123456", []),  # what vectors link is no cut
        ("IPP-PP", "000011", [4]),  # after a gap, as far as can be seen
        ("IPP-PP", "000000", []),
        ("IPxxIP", "009900", []),  # a damaged picture says nothing
        ("IPxxIP", "009911", [4]),
        ("I", "9", []),  # the first picture has none before it
    ],
)
def test_which_keyframes_show_another_scene(letters: str, shades: str, expected: list[int]) -> None:
    assert cuts(letters, shades) == expected


def test_a_window_tells_when_it_began() -> None:
    windower = Windower(2, 2)
    items = [item for frame in stream("IPPPP") for item in windower.step(frame)]
    windows = [item for item in items if isinstance(item, FusedWindow)]
    assert [(w.before_pts_ns, w.frame.pts_ns) for w in windows] == [
        (first * PICTURE_NS, last * PICTURE_NS) for first, last in ((0, 2), (2, 4))
    ]
