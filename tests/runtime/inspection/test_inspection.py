"""What a stream turned out to be, from a few numbers a picture; and what is drawn and dumped of it."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.inspection.dump import DumpError, VectorDump, written_aside
from magno.runtime.inspection.findings import PictureFacts, Summary, Tally, least_median_most, picture_facts
from magno.runtime.inspection.over_time import BARS, MAX_SLOTS, NOTHING, MotionOverTime, sparkline
from magno.runtime.inspection.overlay import YELLOW, canvas_size, draw_motion, png_from_rgb
from magno.runtime.inspection.video import OverlayVideo, enlarged
from magno.runtime.units import BlockMode, CodecFrame, Link, MotionField
from tests.synthetic import PICTURE_NS, codec_frame, uniform_field

FACTS = st.builds(
    PictureFacts,
    st.integers(0, 10**12),
    st.sampled_from("IPB"),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 100),
    st.sampled_from(Link),
)


def facts_of(types: str, links: str = "") -> list[PictureFacts]:
    named = {"b": Link.BROKEN, "o": Link.OK}
    rows = itertools.zip_longest(types, links, fillvalue="o")
    return [PictureFacts(i * PICTURE_NS, kind, 1.0, 2.0, named[link]) for i, (kind, link) in enumerate(rows)]


def summarize(pictures: list[PictureFacts]) -> Summary:
    tally = Tally()
    for picture in pictures:
        tally.add(picture)
    return tally.summary()


def test_facts_of_a_picture_with_known_motion() -> None:
    facts = picture_facts(codec_frame(3, "P", uniform_field((12, -16))))
    assert facts == PictureFacts(3 * PICTURE_NS, "P", 1.0, 5.0, Link.OK)


def test_blocks_without_a_vector_are_not_taken_for_still_ones() -> None:
    field = uniform_field((12, 16))
    field.mode[:2] = BlockMode.INTRA
    field.mv_qpel[:2] = 0
    facts = picture_facts(codec_frame(1, "P", field))
    assert (facts.coverage, facts.motion_px, facts.all_motion_px) == (0.5, 5.0, 2.5)


def test_picture_without_vectors_has_no_motion_and_no_codec_none_has_no_coverage() -> None:
    intra = picture_facts(codec_frame(0, "I", uniform_field(mode=BlockMode.INTRA)))
    assert (intra.coverage, intra.motion_px, intra.all_motion_px) == (0.0, None, 0.0)
    assert picture_facts(codec_frame(0, "I")).coverage is None


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ("P", None),
        ("IPPP", None),
        ("IPPPIPPP", (4, 4, 4)),
        ("IIPPIPPPP", (1, 2, 3)),
        ("IPIPPIPPPI", (2, 3, 4)),
    ],
)
def test_gop_lengths(types: str, expected: tuple[int, float, int] | None) -> None:
    assert summarize(facts_of(types)).gop_pictures == expected


@given(st.lists(st.integers(1, 50), min_size=1))
def test_least_median_most_of_counted_numbers(numbers: list[int]) -> None:
    expected = (min(numbers), statistics.median(numbers), max(numbers))
    assert least_median_most(Counter(numbers)) == expected


@pytest.mark.parametrize(
    ("links", "breaks", "broken"), [("oooo", 0, 0), ("obbo", 1, 2), ("bobo", 2, 2), ("bbbb", 1, 4)]
)
def test_link_breaks_are_counted_once_each(links: str, breaks: int, broken: int) -> None:
    summary = summarize(facts_of("IPPP", links))
    assert (summary.link_breaks, summary.broken_pictures) == (breaks, broken)


def test_summary_of_a_known_stream() -> None:
    summary = summarize(facts_of("IBPBPIBP"))
    assert summary.pict_types == {"I": 2, "P": 3, "B": 3}
    assert (summary.pictures, summary.pattern, summary.duration_s) == (8, "IBPBPIBP", 7 / 25)
    assert (summary.gop_pictures, summary.coverage) == ((5, 5, 5), (1.0, 1.0))
    assert summary.motion_px == [2.0] * 8 and summary.motion_bin_s == pytest.approx(7 / 25 / 8)


@given(st.lists(FACTS, min_size=1, max_size=200))
def test_any_stream_can_be_summed_up(pictures: list[PictureFacts]) -> None:
    summary = summarize(pictures)
    assert sum(summary.pict_types.values()) == summary.pictures == len(pictures)
    assert 0 <= summary.link_breaks <= summary.broken_pictures <= summary.pictures
    assert summary.duration_s >= 0 and len(sparkline(summary.motion_px)) == len(summary.motion_px) <= 60


@given(st.lists(FACTS, min_size=1, max_size=100), st.integers(1, 80))
def test_bins_hold_every_motion_and_no_other(pictures: list[PictureFacts], bins: int) -> None:
    over_time = MotionOverTime()
    for picture in pictures:
        over_time.add(picture.pts_ns, picture.motion_px)
    values, _ = over_time.bins(bins)
    motions = [picture.motion_px for picture in pictures if picture.motion_px is not None]
    found = [value for value in values if value is not None]
    assert len(values) == min(bins, len(pictures)) and bool(found) == bool(motions)
    assert all(min(motions) - 1e-9 <= value <= max(motions) + 1e-9 for value in found)


def test_motion_over_a_long_time_takes_no_more_memory() -> None:
    over_time, pictures = MotionOverTime(), 10 * MAX_SLOTS + 7
    for number in range(pictures):
        over_time.add(number * PICTURE_NS, 0.0 if number < pictures // 2 else 6.0)
    values, bin_ns = over_time.bins()
    assert values[:29] == [0.0] * 29 and values[31:] == [6.0] * 29
    assert bin_ns == pytest.approx(pictures * PICTURE_NS / 60, rel=0.01)
    assert len(over_time._slots) <= MAX_SLOTS


def test_sparkline() -> None:
    assert sparkline([0, None, 4, 8]) == BARS[0] + NOTHING + BARS[4] + BARS[7]
    assert sparkline([0.0, 0.0]) == BARS[0] * 2 and sparkline([]) == ""


def dumped(path: Path, frames: list[CodecFrame]) -> dict[str, np.ndarray]:
    with VectorDump(path) as dump:
        for frame in frames:
            dump.add(frame)
        dump.finish()
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def test_dump_holds_what_was_seen(tmp_path: Path) -> None:
    fields = [uniform_field((number, -number)) for number in range(3)]
    found = dumped(tmp_path / "out.npz", [codec_frame(n, "IPB"[n], field) for n, field in enumerate(fields)])
    assert {name: (array.shape, array.dtype.str) for name, array in found.items()} == {
        "pts_ns": ((3,), "<i8"),
        "pict_type": ((3,), "<U1"),
        "mv_qpel": ((3, 4, 6, 2), "<i2"),
        "mode": ((3, 4, 6), "|u1"),
        "block_px": ((), "<i8"),
        "coded_size": ((2,), "<i8"),
    }
    assert list(found["pict_type"]) == ["I", "P", "B"] and list(found["coded_size"]) == [48, 32]
    assert found["pts_ns"].tolist() == [0, PICTURE_NS, 2 * PICTURE_NS] and found["block_px"] == 8
    assert all((found["mv_qpel"][n] == field.mv_qpel).all() for n, field in enumerate(fields))
    assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]


def test_dump_that_is_not_finished_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    path.write_bytes(b"old")
    with VectorDump(path) as dump:
        dump.add(codec_frame(0, "I", uniform_field()))
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_dump_refuses_what_does_not_fit(tmp_path: Path) -> None:
    with VectorDump(tmp_path / "out.npz") as dump:
        with pytest.raises(DumpError, match="found none"):
            dump.finish()
        with pytest.raises(DumpError, match="exports none"):
            dump.add(codec_frame(0, "I"))
        dump.add(codec_frame(0, "I", uniform_field()))
        with pytest.raises(DumpError, match="48x40 after 48x32"):
            dump.add(codec_frame(1, "P", uniform_field(blocks=(5, 6))))
    assert not list(tmp_path.iterdir())


def test_dump_into_no_folder_or_over_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DumpError, match="No such file"):
        VectorDump(tmp_path / "none" / "out.npz")
    with VectorDump(tmp_path) as dump, pytest.raises(DumpError, match="cannot be"):
        dump.add(codec_frame(0, "I", uniform_field()))
        dump.finish()
    assert tmp_path.is_dir()


def moved_one_block(mode: BlockMode = BlockMode.INTER) -> CodecFrame:
    """A grey picture of 640x320 in which one macroblock moved 8 px to the right."""
    mv_qpel, modes = np.zeros((40, 80, 2), np.int16), np.full((40, 80), BlockMode.INTER, np.uint8)
    mv_qpel[20:22, 40:42] = (32, 0)
    modes[0:2, 0:2] = mode
    field = MotionField(mv_qpel, modes, 8, (640, 320), Link.OK)
    return CodecFrame(1, 0, 0, "P", field, np.full((64, 64, 3), 90, np.uint8), (640, 320))


def drawn(frame: CodecFrame, stretch: float | None = None) -> np.ndarray:
    picture = enlarged(frame)
    draw_motion(frame, picture, stretch)
    return picture


def test_arrow_points_where_the_content_went() -> None:
    picture = drawn(moved_one_block())
    assert picture.shape == (640, 1280, 3)
    row, column = np.nonzero((picture == YELLOW).all(-1))
    head = (328 * 2, 168 * 2)
    assert column.max() == head[0] and column.min() < head[0] - 2 * 8
    assert abs(row - head[1]).max() < 8
    barbs = column[abs(row - head[1]) > 1]
    assert len(barbs) and barbs.min() > head[0] - 14


def test_arrow_is_as_long_as_asked_for() -> None:
    _, column = np.nonzero((drawn(moved_one_block(), 2.0) == YELLOW).all(-1))
    assert column.max() - column.min() == 8 * 2 * 2  # px moved, enlarged, stretched


def test_block_without_a_vector_is_tinted() -> None:
    red, blue = (drawn(moved_one_block(mode)) for mode in (BlockMode.INTRA, BlockMode.MISSING))
    assert red[5, 5, 0] > 120 > red[5, 5, 2] and blue[5, 5, 2] > 120 > blue[5, 5, 0]
    assert (red[100, 100] == 90).all()


def test_still_picture_has_no_arrow_and_no_motion_is_an_error() -> None:
    frame = CodecFrame(0, 0, 0, "P", uniform_field(), np.full((8, 8, 3), 9, np.uint8), (48, 32))
    assert (drawn(frame) == 9).all()
    with pytest.raises(ValueError, match="without"):
        draw_motion(codec_frame(0), enlarged(codec_frame(0)))


def test_a_forged_vector_draws_inside_the_picture() -> None:
    frame = CodecFrame(
        0, 0, 0, "P", uniform_field((32767, -32768)), np.full((8, 8, 3), 9, np.uint8), (48, 32)
    )
    assert (drawn(frame, 8.0) == YELLOW).all(-1).any()


def test_video_shows_every_picture_at_its_time(tmp_path: Path) -> None:
    import av

    path = tmp_path / "out.mp4"
    frames = [
        CodecFrame(
            n, n * PICTURE_NS, n, "P", uniform_field((8 * n, 0)), np.full((8, 8, 3), 90, np.uint8), (49, 33)
        )
        for n in range(5)
    ]
    with written_aside(path) as file, OverlayVideo(file, 25.0) as video:
        for frame in frames:
            video.add(frame)
        with pytest.raises(DumpError, match="one size"):
            video.add(codec_frame(5, "P", uniform_field()))
        with pytest.raises(DumpError, match="exports none"):
            video.add(codec_frame(5))
        assert not path.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.mp4"]
    with av.open(str(path)) as container:
        shown = list(container.decode(video=0))
    assert [round((f.time or 0) * 25) for f in shown] == list(range(5))
    width, height = canvas_size(frames[0])
    assert (shown[0].width, shown[0].height) == (width // 2 * 2, height // 2 * 2)
    bright = [(f.to_ndarray(format="rgb24")[..., 1] > 180).sum() for f in shown]
    assert bright[0] == 0 and bright[4] > bright[1] > 0  # longer and longer arrows


def test_video_without_pictures_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(DumpError, match="found none"),
        written_aside(tmp_path / "out.mp4") as file,
        OverlayVideo(file, 25.0),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_png_is_read_back_by_another_decoder(tmp_path: Path) -> None:
    import av

    picture = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    path = tmp_path / "out.png"
    path.write_bytes(png_from_rgb(picture))
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert (frame.to_ndarray(format="rgb24") == picture).all()
