"""The bench of the codec front end: what it measures is the same work, and what it says follows from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from magno.calibration.codec.bench import ARRAY, GRID, PLAIN, Clip, judge
from magno.calibration.codec.passes import EXPORT, NO_FILTER, Pass, engine_passes, passes
from magno.calibration.codec.rival import Rival, RivalError
from magno.cli import main
from magno.runtime.bundle import open_bundle
from magno.runtime.camera.decoding.side_data import exported_vectors

WHOLE = "whole"


@pytest.mark.parametrize("clip", ["bunny_h264.mp4", "bottle-detection.mp4", "bunny_mpeg4.mp4"])
def test_leaving_the_loop_filter_out_changes_no_vector(clips: Path, clip: str) -> None:
    lists: list[list[np.ndarray | None]] = [[], []]
    for found, options in zip(lists, (EXPORT, {**EXPORT, **NO_FILTER}), strict=True):

        def keep(frame: object, found: list[np.ndarray | None] = found) -> None:
            vectors = exported_vectors(frame)  # type: ignore[arg-type]
            found.append(
                None if vectors is None else vectors[["source", "w", "h", "dst_x", "dst_y", "motion_x"]]
            )

        Pass("", options, keep).run(clips / clip, 40)
    assert len(lists[0]) == len(lists[1]) >= 30
    for one, other in zip(*lists, strict=True):
        assert (one is None) == (other is None) and (one is None or other is None or (one == other).all())


def test_every_pass_reads_every_picture(clips: Path, tiny_bundle: Path) -> None:
    spec = open_bundle(tiny_bundle).spec.codec
    clip = clips / "car-detection.mp4"
    assert {stage.run(clip, 9)[0] for stage in [*passes(16), *engine_passes(spec)]} == {9}


@pytest.mark.parametrize(
    ("array_ms", "whole_ms", "max_ratio", "max_share", "failed"),
    [
        (1.5, 8.0, 0.8, 0.25, False),
        (1.7, 8.0, 0.8, 0.25, True),  # not enough faster than the extractor
        (1.7, 8.0, float("inf"), 0.25, False),
        (1.5, 9.0, 0.8, 0.25, True),  # 27 % of a core
        (1.5, 9.0, 0.8, float("inf"), False),
    ],
)
def test_a_row_fails_by_its_ratio_or_its_share(
    array_ms: float, whole_ms: float, max_ratio: float, max_share: float, failed: bool
) -> None:
    fastest = {PLAIN: 2.0, ARRAY: array_ms, GRID: 1.8, WHOLE: whole_ms}
    row = judge(Clip("a clip", Path(), "", max_ratio, max_share), fastest, WHOLE)
    assert row["failed"] is failed
    assert row["ratio_to_extractor"][ARRAY] == array_ms / 2 and row["share_of_core_at_30"] == whole_ms * 0.03


def test_without_an_extractor_it_says_so_and_gives_its_own_figures(
    tiny_bundle: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--bundle",
        str(tiny_bundle),
        "--clip",
        str(clips / "bunny_h264.mp4"),
        "--extractor-python",
        "no/python",
    ]
    code = main(["bench", "codec", "--pictures", "4", "--repeats", "1", *words])
    printed = capsys.readouterr().out.splitlines()
    figures = json.loads(printed[-1])
    assert code == int(figures["failed"])
    assert [row["clip"] for row in figures["rows"]] == ["720p H.264", "1080p H.264", "720p MPEG-4"]
    assert figures["rows"][0]["ratio_to_extractor"] is None and "--extractor-python" in figures["extractor"]
    assert all(ms > 0 for row in figures["rows"] for ms in row["ms_per_picture"].values())


def test_a_python_without_the_extractor_is_refused_in_one_sentence() -> None:
    with pytest.raises(RivalError, match="virtual environment"):
        Rival("true")


@pytest.mark.parametrize(
    ("flags", "says"), [(["--pictures", "1"], "2 pictures"), (["--clip", "nowhere.mp4"], "nowhere.mp4")]
)
def test_what_cannot_be_measured_is_said(
    tiny_bundle: Path, flags: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "codec", "--bundle", str(tiny_bundle), *flags]) == 2
    assert says in capsys.readouterr().err
