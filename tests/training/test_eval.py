"""`magno eval` as its user meets it: sets are made, a bundle is asked, bad input is told of in one sentence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magno.cli import main
from magno.runtime.config import EngineConfig
from magno.runtime.encoder import BACKENDS
from magno.runtime.units import BlockMode, Link, MotionField
from magno.runtime.window import Windower
from magno.training.ablations import ABLATIONS, AS_IT_IS, COARSE, ENCODERS, ablated
from magno.training.coarse import coarsened
from magno.training.examine import examine
from magno.training.questions.families import FAMILIES
from magno.training.questions_file import Question, QuestionsError, read_questions
from magno.training.suite import write_suite
from magno.training.suites import SUITES, Part


@pytest.fixture(scope="module")
def few(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of the ablation suite's families, one question of each."""
    return write_suite("ablation", tmp_path_factory.mktemp("sets") / "ablation", 1, clips)


def test_a_suite_is_files_that_anybody_can_read(few: Path) -> None:
    lines = [json.loads(line) for line in few.read_text().splitlines()]
    families = Counter(line["family"] for line in lines)
    assert set(families) == {"direction", "direction_two", "direction_three", "direction_background"}
    assert set(families.values()) == {1}
    for line in lines:
        assert {"clip", "at_s", "question", "answers", "family", "seed", "settings"} <= set(line)
        assert (few.parent / line["clip"]).stat().st_size > 1000
    assert len(read_questions(few)) == 4


def test_a_suite_is_the_same_again(few: Path, clips: Path, tmp_path: Path) -> None:
    again = write_suite("ablation", tmp_path, 1, clips)
    assert again.read_text() == few.read_text()
    assert [p.read_bytes() for p in sorted(tmp_path.glob("*.mp4"))] == [
        p.read_bytes() for p in sorted(few.parent.glob("*.mp4"))
    ]


@pytest.mark.parametrize("name", SUITES)
def test_suites_ask_for_families_that_there_are(name: str) -> None:
    parts = SUITES[name]()
    assert parts and all(set(part.families) <= set(FAMILIES) for part in parts)
    rng = np.random.default_rng(0)
    for part in parts:
        assert _settings_hold(part, rng)


def _settings_hold(part: Part, rng: np.random.Generator) -> bool:
    """A part named after a setting has it in every clip."""
    drawn = [part.settings(rng, 15) for _ in range(8)]
    key, _, value = part.name.partition("=")
    return not value or all(str(getattr(settings, key)) == value for settings in drawn)


def test_eval_prints_tables(tiny_bundle: Path, few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--bundle", str(tiny_bundle), "--questions", str(few), "--misses"]) == 0
    out, err = capsys.readouterr()
    assert "direction_two" in out and "mean of families" in out and "text only" in out
    assert "questions a second" in out and "Traceback" not in err


def test_eval_with_things_taken_away_is_one_json_object(
    tiny_bundle: Path, few: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "eval",
        "--bundle",
        str(tiny_bundle),
        "--suite",
        "ablation",
        "--sets",
        str(few.parent.parent),
        "--json",
    ]
    assert main([*words, "--ablate", "no-delta", "--ablate", COARSE]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [result["ablation"] for result in found["results"]] == [AS_IT_IS, "no-delta", COARSE]
    assert (
        found["results"][0]["misses"] != found["results"][1]["misses"]
    )  # random weights, but they see something
    for result in found["results"]:
        for family in result["families"].values():
            assert family["asked"] == 1 and 0 <= family["interval"][0] <= family["interval"][1] <= 1


def test_questions_of_one_moment_share_a_watch_and_keep_their_order(tiny_bundle: Path, clips: Path) -> None:
    clip = clips / "car-detection.mp4"
    texts = ("Is anything moving?", "What colour is the car?", "Is anything moving?")
    asked = [Question(clip, 0.5 + (i == 1), text, ("yes",), "all") for i, text in enumerate(texts)]
    done: list[int] = []
    found = examine(EngineConfig(str(tiny_bundle)), asked, done.append)
    assert len(found.told) == 3 and found.told[0] == found.told[2]
    assert done == [2, 3] and found.questions_per_second > 0


def test_an_ablation_ends_where_it_ends() -> None:
    for name in ABLATIONS:
        with ablated(name) as backend:
            assert backend in BACKENDS
    assert not set(ENCODERS) & set(BACKENDS)
    from magno.runtime import watcher

    assert watcher.Windower is Windower
    with ablated(AS_IT_IS, "null") as backend:
        assert backend == "null"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("no json", "no JSON"),
        ("[1]", "found list"),
        ('{"clip": 3}', '"clip"'),
        ('{"clip": "a.mp4", "question": "Q?", "answers": ["x"]}', "found no '"),
        ('{"clip": "here.mp4", "question": " ", "answers": ["x"]}', '"question"'),
        ('{"clip": "here.mp4", "question": "Q?", "answers": []}', '"answers"'),
        ('{"clip": "here.mp4", "question": "Q?", "answers": ["x"], "at_s": -1}', '"at_s"'),
        ('{"clip": "here.mp4", "question": "Q?", "answers": ["x"], "at_s": NaN}', '"at_s"'),
        ('{"clip": "here.mp4", "question": "Q?", "answers": ["x"], "family": 3}', '"family"'),
    ],
)
def test_a_bad_line_is_one_sentence_with_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, says: str
) -> None:
    (tmp_path / "here.mp4").write_bytes(b"")
    good = '{"clip": "here.mp4", "question": "Q?", "answers": ["x"]}'
    file = tmp_path / "q.jsonl"
    file.write_text(f"{good}\n\n{line}\n")
    assert main(["eval", "--questions", str(file)]) == 2
    out, err = capsys.readouterr()
    assert not out and len(err.strip().splitlines()) == 1
    assert "line 3" in err and says in err


def test_missing_files_are_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--questions", str(tmp_path / "none.jsonl")]) == 2
    assert "No such file" in capsys.readouterr().err
    assert main(["eval", "--sets", str(tmp_path), "--clips-folder", str(tmp_path / "none")]) == 2
    assert "--clips-folder" in capsys.readouterr().err


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_questions_or_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "any.jsonl"
    file.write_bytes(content)
    with pytest.raises(QuestionsError):
        read_questions(file)


def test_coarse_vectors_are_whole_pixels_of_16() -> None:
    rng = np.random.default_rng(0)
    mode = np.full((5, 6), BlockMode.INTER, np.uint8)
    mode[0, 0] = BlockMode.INTRA
    mode[2:4, 2:4] = BlockMode.INTRA
    field = MotionField(rng.integers(-40, 40, (5, 6, 2)).astype(np.int16), mode, 8, (48, 40), Link.OK)
    coarse = coarsened(field)
    assert coarse.block_px == 16 and coarse.mode.shape == (3, 3)
    assert (coarse.mv_qpel % 4 == 0).all()
    known = np.array([field.mv_qpel[0, 1], field.mv_qpel[1, 0], field.mv_qpel[1, 1]]) / 4
    assert np.array_equal(coarse.mv_qpel[0, 0], np.rint(known.mean(0)) * 4)
    assert coarse.mode[1, 1] == BlockMode.INTRA and coarse.mode[0, 0] == BlockMode.INTER
    assert coarsened(coarse) is coarse
