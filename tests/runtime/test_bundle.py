"""A bundle is opened whole or refused in one sentence that names the file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magno.runtime.bundle import (
    DELTA,
    LLM,
    MANIFEST,
    MANIFEST_LIMIT_BYTES,
    VISION,
    BundleError,
    Manifest,
    open_bundle,
    parse_manifest,
)
from magno.runtime.spec import SpecError
from magno.runtime.units import MagnoError

SHA = "0" * 64
MODEL = {
    "name": "tiny",
    "embed_dim": 64,
    "trained_context": 2048,
    "codec": {
        "image_px": 64,
        "patch_px": 16,
        "motion_grid": 8,
        "motion_scale_px": 4.0,
        "motion_clip": 8.0,
        "residual_scale": 32.0,
        "window_pictures": 4,
        "windows_per_gop": 4,
        "residual_kinds": ["pixel_mc"],
    },
    "layout": {
        "system_text": "s",
        "keyframe_text": "<|keyframe|>",
        "keyframe_tokens": 16,
        "window_tokens": 8,
        "question_prefix": "\n",
        "question_suffix": "",
        "stop_text": "<|im_end|>",
    },
}


def manifest(**changes: Any) -> dict[str, Any]:
    """A manifest that is right, but for `changes`; a change to None drops the key."""
    files = {name: {"sha256": SHA, "bytes": 1} for name in (VISION, DELTA, LLM)}
    values = {
        "format": 1,
        "model": MODEL,
        "files": files,
        "tools": {"torch": "2.13"},
        "created": "2026-01-01T00:00:00+00:00",
        "checkpoint_sha256": SHA,
    } | changes
    return {key: value for key, value in values.items() if value is not None}


def model(**changes: Any) -> dict[str, Any]:
    """`MODEL` with parts of it changed, by dotted name written with __."""
    values: dict[str, Any] = json.loads(json.dumps(MODEL))
    for key, value in changes.items():
        *path, last = key.split("__")
        part = values
        for name in path:
            part = part[name]
        part[last] = value
    return values


def parse(values: object) -> Manifest:
    return parse_manifest(json.dumps(values).encode())


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def edit(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads((bundle / MANIFEST).read_text())
    change(values)
    (bundle / MANIFEST).write_text(json.dumps(values))


def test_a_bundle_opens_with_its_paths_and_spec(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    assert bundle.spec.name == "tiny"
    assert (bundle.vision, bundle.delta, bundle.llm) == tuple(tiny_bundle / n for n in (VISION, DELTA, LLM))
    assert len(bundle.manifest_sha256) == 64


def test_a_bundle_without_delta_is_keyframe_only(bundle: Path) -> None:
    edit(bundle, _without_delta)
    assert open_bundle(bundle).delta is None


def test_a_bundle_that_lost_its_delta_is_refused(bundle: Path) -> None:
    edit(bundle, lambda values: values["files"].pop(DELTA))
    with pytest.raises(BundleError, match=r"wants the file delta.onnx for windows of 8 tokens"):
        open_bundle(bundle)


def test_windows_without_tokens_are_refused() -> None:
    with pytest.raises(BundleError, match=r"layout.window_tokens wants 1 to 65536, found 0"):
        parse(manifest(model=model(layout__window_tokens=0)))


def _without_delta(values: dict[str, Any]) -> None:
    values["files"].pop(DELTA)
    values["model"]["layout"]["window_tokens"] = 0


@pytest.mark.parametrize("name", [VISION, DELTA, LLM])
@pytest.mark.parametrize("place", [0.0, 0.37, 1.0])
def test_one_flipped_bit_is_refused(bundle: Path, name: str, place: float) -> None:
    path = bundle / name
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name} wants sha256 .*magno export CHECKPOINT --out BUNDLE\.$"):
        open_bundle(bundle)


@pytest.mark.parametrize("name", [VISION, DELTA, LLM, MANIFEST])
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} wants to be there, found: No such file"):
        open_bundle(bundle)


@pytest.mark.parametrize("name", [VISION, DELTA, LLM])
def test_a_truncated_file_is_refused_by_its_size(bundle: Path, name: str) -> None:
    path = bundle / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match=rf"{name} wants \d+ bytes, found \d+\."):
        open_bundle(bundle)


def test_a_symbolic_link_is_refused_even_to_the_right_bytes(bundle: Path, tmp_path: Path) -> None:
    (bundle / VISION).rename(tmp_path / VISION)
    (bundle / VISION).symlink_to(tmp_path / VISION)
    with pytest.raises(BundleError, match=r"vision.onnx wants to be a regular file, found a symbolic link"):
        open_bundle(bundle)


def test_a_pipe_is_refused_before_it_is_opened(bundle: Path) -> None:
    (bundle / LLM).unlink()
    os.mkfifo(bundle / LLM)
    with pytest.raises(BundleError, match=r"llm\.gguf wants to be a regular file"):
        open_bundle(bundle)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere wants to be a bundle folder, found none"):
        open_bundle(tmp_path / "nowhere")


def test_a_huge_manifest_is_refused_before_it_is_parsed(bundle: Path) -> None:
    (bundle / MANIFEST).write_bytes(b"[" * (MANIFEST_LIMIT_BYTES + 1))
    with pytest.raises(BundleError, match=rf"at most {MANIFEST_LIMIT_BYTES} bytes, found"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    "name",
    ["../vision.onnx", "a/b", "/etc/passwd", "..", ".", "", "a\\b", ".hidden", "a\0b", "x" * 200, MANIFEST],
)
def test_a_file_name_that_could_leave_the_folder_is_refused(name: str) -> None:
    files = manifest()["files"] | {name: {"sha256": SHA, "bytes": 1}}
    with pytest.raises(BundleError, match="wants plain file names inside the bundle"):
        parse(manifest(files=files))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (manifest(extra=1), "unknown key 'extra'"),
        (manifest(modle=1), "Did you mean 'model'"),
        (manifest(model=None), "lacks the key 'model'"),
        (manifest(format=2), "wants format 1, found 2: update magno"),
        (manifest(format="1"), "format wants int"),
        (manifest(format=True), "format wants int"),
        (manifest(files=[]), "files wants an object"),
        (manifest(files={}), "wants the file vision.onnx"),
        (manifest(files={VISION: {"sha256": SHA, "bytes": 1}}), "wants the file llm.gguf"),
        (
            manifest(files={VISION: {"sha256": "abc", "bytes": 1}, LLM: {"sha256": SHA, "bytes": 1}}),
            "wants a sha256",
        ),
        (
            manifest(files={VISION: {"sha256": SHA, "bytes": -1}, LLM: {"sha256": SHA, "bytes": 1}}),
            "a size of 0",
        ),
        (manifest(files={f"f{n}": {"sha256": SHA, "bytes": 1} for n in range(65)}), "at most 64 files"),
        (manifest(model=model(embed_dim=0)), "model.embed_dim wants 1 to"),
        (
            manifest(model=model(codec__image_px=16 * 1024)),
            "model.codec.image_px wants 1 to 4096|motion_grid",
        ),
        (manifest(model=model(layout__keyframe_tokens=10**9)), "model.layout.keyframe_tokens wants 1 to"),
        (manifest(model=model(codec__motion_scale_px=10**400)), "found a fault|wants a finite number"),
        (manifest(model=model(codec__residual_kinds=["dct"])), "wants one of pixel_mc, none"),
        ([], "wants an object"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_in_words(values: object, sentence: str) -> None:
    with pytest.raises(MagnoError, match=sentence):
        parse(values)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"a": 1, "a": 2}',
        b'{"format": NaN}',
        b"[" * 100_000,
        b'{"format": ' + b"9" * 5000 + b"}",
    ],
)
def test_bytes_that_are_no_json_are_refused(text: bytes) -> None:
    with pytest.raises((BundleError, SpecError)):
        parse_manifest(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_manifest_or_a_sentence(text: bytes) -> None:
    _parses_or_refuses(text)


@given(st.data())
@settings(max_examples=150)
def test_any_value_in_any_place_gives_a_manifest_or_a_sentence(data: st.DataObject) -> None:
    values = json.loads(json.dumps(manifest()))
    place: Any = values
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not (isinstance(inner, (dict, list)) and inner) or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(JSON)
    _parses_or_refuses(json.dumps(values).encode())


def _parses_or_refuses(text: bytes) -> None:
    try:
        found = parse_manifest(text)
    except (BundleError, SpecError) as error:
        assert len(str(error)) < 2000
    else:
        assert isinstance(found, Manifest)
