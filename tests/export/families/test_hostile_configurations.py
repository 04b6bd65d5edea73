"""A config.json with one value replaced by anything: read, or refused in one sentence."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magno.export.families import open_source, open_vision, read_config
from magno.export.families.magno import open_delta
from magno.export.language_part import open_language
from magno.runtime.units import MagnoError

READERS = {
    "llava-video": open_source,
    "siglip-base-16-224": open_vision,
    "qwen2-0.5b": open_language,
    "qwen3-0.6b": open_language,
    "llama-3.2-1b": open_language,
    "delta-paper-small": lambda folder: open_delta(folder, read_config(folder)),
}
ANYTHING = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        3,
        7,
        1 << 20,
        1 << 70,
        1e300,
        float("nan"),
        "",
        "x",
        "64",
        [],
        [1],
        {},
        {"a": 1},
        [[[]]],
    ]
)


def places(values: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        yield (*at, key)
        if isinstance(value, dict):
            yield from places(value, (*at, key))


@pytest.fixture(scope="module")
def zoo_copy(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(zoo, tmp_path_factory.mktemp("copy") / "zoo"))


@given(name=st.sampled_from(sorted(READERS)), data=st.data(), value=ANYTHING)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_value_replaced(zoo: Path, zoo_copy: Path, name: str, data: st.DataObject, value: Any) -> None:
    values = copy.deepcopy(json.loads((zoo / name / "config.json").read_text()))
    *path, last = data.draw(st.sampled_from(list(places(values))))
    part = values
    for key in path:
        part = part[key]
    part[last] = value
    (zoo_copy / name / "config.json").write_text(json.dumps(values))
    try:
        READERS[name](zoo_copy / name)
    except MagnoError as error:
        assert "\n" not in str(error)
