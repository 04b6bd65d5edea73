"""`magno replay BAG.mcap`: a camera's recorded topic is decided on as the camera's own clip is."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import pytest

pytest.importorskip("mcap_ros2")

from magno.cli import main
from magno.runtime.camera.topic.messages import TOPIC_TYPES
from magno.runtime.config import EngineConfig
from magno.runtime.replay import Asked, Replayed, replay
from magno.runtime.trace_file import decision, first_difference, read_decisions
from magno.runtime.units import Outcome, Query
from tests import bags
from tests.golden import ASKED, BUDGET_TOKENS, CLIP, TRACE, UNTIL_S

QUESTION = "Which way is the car moving?"
TOPIC = "/camera/front"


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cameras, the first a clip for two seconds, and a topic without pictures."""
    said = bags.clip_messages(CLIP, until_s=2.0)
    back = [("/camera/back", kind, at_ns, fields) for _, kind, at_ns, fields in said]
    chatter = ("/chatter", bags.STRING, bags.RECORDED_NS, {"data": "hello"})
    path = tmp_path_factory.mktemp("bags") / "robot.mcap"
    return bags.write_bag(path, [chatter, *said, *back])


def played(folder: Path, path: Path, asked: list[Asked], until_s: float) -> Replayed:
    config = EngineConfig(str(folder), threads=1, max_cameras=1, budget_tokens=BUDGET_TOKENS)
    return replay(config, str(path), asked, until_s=until_s)


@pytest.mark.parametrize("kind", [kind for kind in TOPIC_TYPES if kind != bags.IMAGE])
def test_a_recorded_topic_has_the_golden_trace_of_its_clip(
    kind: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    """Span for span and token for token: the same pictures, vectors, windows and answers."""
    path = bags.write_bag(tmp_path / "a.mcap", bags.clip_messages(CLIP, kind))
    replayed = played(tiny_bundle, path, ASKED, UNTIL_S)
    found = [decision(span) for span in replayed.spans]
    assert first_difference(read_decisions(TRACE), found) is None
    assert {answer.outcome for answer in replayed.answers} == {Outcome.COMPLETE}


@pytest.mark.parametrize("kind", [bags.IMAGE, bags.COMPRESSED])
def test_recorded_pictures_are_encoded_for_their_motion(kind: str, tiny_bundle: Path, tmp_path: Path) -> None:
    said = []
    with av.open(str(CLIP)) as container:
        for frame, _ in zip(container.decode(video=0), range(20), strict=False):
            at_ns = bags.RECORDED_NS + int(frame.time * 1e9)
            fields = bags.image_message(frame.to_ndarray(width=320, height=240, format="rgb24"), at_ns)
            if kind == bags.COMPRESSED:
                fields = bags.coded_message(kind, jpeg_of(frame), at_ns, "bgr8; jpeg compressed bgr8")
            said.append((TOPIC, kind, at_ns, fields))
    asked = [Asked(1_500_000_000, Query(QUESTION, "clip", max_tokens=2))]
    replayed = played(tiny_bundle, bags.write_bag(tmp_path / "a.mcap", said), asked, 2.0)
    assert replayed.answers[0].outcome is Outcome.COMPLETE
    read = [decision(span) for span in replayed.spans if decision(span)["stage"] == "read"]
    assert len(read) == 20 and {span["pict_type"] for span in read} == {"I", "P"}
    assert replayed.answers[0].frame_pts_ns is not None and 0 < replayed.answers[0].frame_pts_ns < 1.5e9


def jpeg_of(frame: av.VideoFrame) -> bytes:
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = 320, 240, "yuvj420p"
    context.time_base = Fraction(1, 25)
    small = frame.reformat(320, 240, "yuvj420p")
    return b"".join(map(bytes, [*context.encode(small), *context.encode(None)]))


def test_a_bag_is_replayed_from_the_command_line(
    tiny_bundle: Path, bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And its trace is held against that of the clip, which it equals."""
    rest = ["--bundle", str(tiny_bundle), "--until", "1.5", "--ask", f"{QUESTION}@1", "--json"]
    trace = str(tmp_path / "trace.jsonl")
    assert main(["replay", str(CLIP), *rest, "--trace", trace]) == 0
    of_clip = json.loads(capsys.readouterr().out)
    assert main(["replay", str(bag), "--topic", TOPIC, *rest, "--compare", trace]) == 0
    assert json.loads(capsys.readouterr().out) == of_clip
    assert of_clip["answers"][0]["text"]


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ([], "wants a topic named, found /camera/back, /camera/front"),
        (
            ["--topic", "/camera/left"],
            "Wanted the topic /camera/left, found /camera/back, /camera/front, /chatter",
        ),
        (["--topic", "/chatter"], "found std_msgs/msg/String"),
    ],
)
def test_what_cannot_be_replayed_is_one_sentence(
    topic: list[str], said: str, tiny_bundle: Path, bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(bag), *topic, "--bundle", str(tiny_bundle)]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


@pytest.mark.parametrize("verb", [["inspect"], ["ask", QUESTION, "--bundle"]])
def test_other_commands_are_told_the_camera_likewise(
    verb: list[str], tiny_bundle: Path, bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *rest = [*verb, str(tiny_bundle)] if "--bundle" in verb else verb
    words = [name, str(bag), *rest, "--json"]
    assert main([*words, "--topic", "/camera/left"]) == 2
    assert "found /camera/back, /camera/front" in json.loads(capsys.readouterr().out)["error"]
    assert main([*words, "--topic", TOPIC]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["error"] == "" and (name == "ask") == bool(found.get("text"))


def test_several_cameras_of_a_bag_are_asked_at_once(
    tiny_bundle: Path, bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = ["--topic", "/camera/back", "--topic", TOPIC]
    assert main(["ask", str(bag), QUESTION, *topics, "--bundle", str(tiny_bundle), "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["camera"] for answer in answers] == ["/camera/back", TOPIC]
    assert answers[0]["text"] == answers[1]["text"] != ""  # the same pictures


def test_a_bag_cut_short_is_one_sentence(
    tiny_bundle: Path, bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "short.mcap"
    short.write_bytes(bag.read_bytes()[:-500])
    assert main(["replay", str(short), "--topic", TOPIC, "--bundle", str(tiny_bundle)]) == 2
    told = capsys.readouterr().err
    assert "cut short" in told and "mcap recover" in told and told.count("\n") == 1
    assert main(["replay", str(CLIP), "--topic", TOPIC, "--bundle", str(tiny_bundle)]) == 2
    assert "A topic wants a bag" in capsys.readouterr().err
