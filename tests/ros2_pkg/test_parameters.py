"""ROS parameters become one configuration, or one sentence."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy")

from magno.runtime.config import EngineConfig
from magno.runtime.spec import SpecError, to_dict
from magno_ros.live import LIVE, LiveConfig, changed
from magno_ros.parameters import CameraConfig, sort_parameters

YAML = Path(__file__).parents[2] / "ros2_pkg/magno_ros/config/magno.yaml"


def test_engine_and_cameras_are_told_apart() -> None:
    config = sort_parameters(
        {
            "bundle": "b",
            "threads": 3,
            "use_sim_time": False,
            "cameras": ["front", "back"],
            "front.url": "a.mp4",
            "front.loop": True,
            "back.url": "b.mp4",
            "back.pace": "fast",
        },
        EngineConfig,
    )
    assert config.engine == EngineConfig("b", threads=3)
    assert config.cameras == {
        "front": CameraConfig("a.mp4", loop=True),
        "back": CameraConfig("b.mp4", pace="fast"),
    }


@pytest.mark.parametrize(
    ("given_parameters", "sentence"),
    [
        ({}, "bundle wants"),
        ({"bundle": ""}, "bundle wants"),
        ({"bundle": "b", "thread": 2}, "Did you mean 'threads'"),
        ({"bundle": "b", "threads": "two"}, "threads wants int"),
        ({"bundle": "b", "threads": 0}, "threads wants 1 or more"),
        ({"bundle": "b", "cameras": ["front"]}, "url .* or a topic, found neither"),
        ({"bundle": "b", "cameras": ["front"], "front.url": ""}, "found neither"),
        ({"bundle": "b", "cameras": ["front"], "front.url": "a", "front.uri": "a"}, "Did you mean 'url'"),
        ({"bundle": "b", "cameras": ["front"], "front.url": "a", "front.pace": "slow"}, "pace wants one of"),
        (
            {"bundle": "b", "cameras": ["front"], "front.url": "a", "front.transport": "x"},
            "transport wants one of",
        ),
        ({"bundle": "b", "front.url": "a"}, "a camera that cameras names"),
        ({"bundle": "b", "cameras": ["a", "a"], "a.url": "x"}, "each name once"),
        ({"bundle": "b", "cameras": ["../a"]}, "letters, digits"),
        ({"bundle": "b", "cameras": "front"}, "list of names"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(given_parameters: dict[str, object], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        sort_parameters(given_parameters, EngineConfig)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, LiveConfig()),
        ({"status_period_s": 2, "threads": 3}, LiveConfig(status_period_s=2.0)),
        ({"default_max_tokens": 7}, LiveConfig(default_max_tokens=7)),
        ({"status_period_s": 0.0}, "status_period_s wants 0.02 to 60 seconds, found 0"),
        ({"status_period_s": float("nan")}, "status_period_s wants"),
        ({"status_period_s": "often"}, "status_period_s wants"),
        ({"status_period_s": None}, "status_period_s wants"),
        ({"default_max_tokens": 0}, "default_max_tokens wants 1 to"),
        ({"default_max_tokens": 1.5}, "default_max_tokens wants"),
    ],
)
def test_what_may_be_changed_at_any_time(values: dict[str, object], found: LiveConfig | str) -> None:
    if isinstance(found, LiveConfig):
        assert changed(LiveConfig(), values) == found
        assert sort_parameters({"bundle": "b", **values}, EngineConfig).live == found
    else:
        with pytest.raises(SpecError, match=found):
            changed(LiveConfig(), values)


def test_no_camera_is_a_configuration_too() -> None:
    assert sort_parameters({"bundle": "b", "cameras": [""]}, EngineConfig).cameras == {}


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()))
keys = st.one_of(st.sampled_from(["bundle", "cameras", "threads", "a.url", "a.loop", "a.pace"]), st.text())


@given(st.dictionaries(keys, values))
def test_whatever_is_set_nothing_but_a_sentence_comes_out(given_parameters: dict[str, object]) -> None:
    try:
        sort_parameters(given_parameters, EngineConfig)
    except SpecError as fault:
        assert "\n" not in str(fault)[:60]


def test_the_shipped_file_names_every_parameter_with_its_default() -> None:
    flat: dict[str, object] = {}
    for key, value in yaml.safe_load(YAML.read_text())["/**"]["ros__parameters"].items():
        flat |= {f"{key}.{rest}": v for rest, v in value.items()} if isinstance(value, dict) else {key: value}
    config = sort_parameters(flat, EngineConfig)
    assert config.engine == EngineConfig(config.engine.bundle)
    assert {*to_dict(config.engine), *LIVE} <= set(flat)
    assert config.live == LiveConfig()
    assert config.cameras
