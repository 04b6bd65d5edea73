"""`magno profile` on the tiny bundle and a real clip: what it prints, writes and refuses."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from magno.calibration.profiling.onnx_graph import read_graph
from magno.calibration.profiling.roof import measure_roof
from magno.calibration.profiling.settings import Settings
from magno.calibration.profiling.stages import STAGES, profile_stages
from magno.cli import main
from magno.runtime.backends import EncoderError
from magno.runtime.bundle import open_bundle

QUICK = ["--seconds", "2", "--runs", "2", "--warm-up", "1", "--language-threads", "1"]
TREXEC_KEYS = {"name", "timeMs", "averageMs", "medianMs", "percentage"}
VOID = {"meta", "br", "circle", "line", "polyline"}


@pytest.fixture(scope="module")
def told(
    tiny_bundle: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], str]:
    """The JSON values and the page of one profile."""
    page = tmp_path_factory.mktemp("profile") / "page.html"
    words = ["profile", str(tiny_bundle), "--clip", str(clips / "car-detection.mp4"), *QUICK]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main([*words, "--html", str(page), "--json"]) == 0
    return json.loads(printed.getvalue()), page.read_text(encoding="utf-8")


def test_every_stage_is_told(told: tuple[dict[str, Any], str]) -> None:
    values, _ = told
    assert [stage["name"] for stage in values["stages"]] == list(STAGES)
    for stage in values["stages"]:
        assert 0 < stage["p50_ms"] <= stage["p95_ms"] <= stage["p99_ms"] <= stage["max_ms"]
        asked = stage["name"] in ("question prefill", "decode step")
        assert (stage["per_video_second_ms"] is None) == asked
    assert values["settings"]["runs"] == 2 and values["settings"]["language_threads"] == 1
    assert values["roof"]["flops_per_s"] > 1e8 and values["device"]["versions"]["onnxruntime"]


def test_layers_are_as_trtexec_tells_them_and_name_their_modules(told: tuple[dict[str, Any], str]) -> None:
    values, _ = told
    assert set(values["graphs"]) == {"vision.onnx", "delta.onnx"}
    for graph in values["graphs"].values():
        count, *layers = graph["profile"]
        assert count == {"count": 2} and all(layer.keys() >= TREXEC_KEYS for layer in layers)
        assert sum(layer["percentage"] for layer in layers) == pytest.approx(100)
        assert sum(bool(layer["module"]) for layer in layers) > 0.95 * len(layers)
        products = [layer for layer in layers if layer["operator"] == "MatMul" and layer["weight_bytes"]]
        assert products and all(layer["flops"] and layer["roof_share"] for layer in products)
        assert graph["flops"] > 1e6 and set(graph["slowest"]) <= {layer["name"] for layer in layers}
    attention = [one["module"] for one in values["graphs"]["vision.onnx"]["profile"][1:]]
    assert "tower.encoder.layers.1.self_attn.q_proj" in attention


def test_a_matrix_product_counts_what_its_packed_weights_hold(told: tuple[dict[str, Any], str]) -> None:
    """Packed weights are missing from ONNX Runtime's own account of an operator's inputs."""
    layers = told[0]["graphs"]["vision.onnx"]["profile"][1:]
    (product,) = (
        one
        for one in layers
        if one["module"] == "tower.encoder.layers.0.mlp.fc1" and one["operator"] == "MatMul"
    )
    assert product["weight_bytes"] == 32 * 64 * 4 and product["flops"] == 2 * 16 * 32 * 64


def test_the_page_is_whole_and_fetches_nothing(told: tuple[dict[str, Any], str]) -> None:
    _, page = told
    nesting = Nesting()
    nesting.feed(page)
    assert nesting.open == [] and nesting.seen >= {"table", "svg", "circle", "details", "style", "title"}
    assert not nesting.seen & {"script", "img", "link", "iframe"}
    assert not re.search(r"https?://|url\(|@import|src=", page)
    assert "NaN" not in page and "nan%" not in page and "prefers-color-scheme: dark" in page


def test_a_keyframe_only_bundle_has_the_stages_of_keyframes(
    tiny_bundle: Path, clips: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    values = json.loads((bundle / "manifest.json").read_text())
    del values["files"]["delta.onnx"]
    values["model"]["layout"]["window_tokens"] = 0
    (bundle / "manifest.json").write_text(json.dumps(values))
    settings = Settings(
        clip=str(clips / "car-detection.mp4"), seconds=1, runs=1, warm_up=0, language_threads=1
    )
    found = profile_stages(open_bundle(bundle), settings, lambda doing: None)
    names = [stage.name for stage in found.stages]
    assert "keyframe prefill" in names and not any("window" in name or "delta" in name for name in names)
    assert found.window is None


class Nesting(HTMLParser):
    """Holds what is open; fails where something closes that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["no/bundle"], "magno export"),
        (["BUNDLE", "--clip", "nowhere.mp4"], "no such file"),
        (["BUNDLE", "--runs", "0"], "runs wants 1"),
        (["BUNDLE", "--warm-up", "-1"], "warm_up wants 0"),
        (["BUNDLE", "--seconds", "nan"], "an hour"),
        (["BUNDLE", "--html", "."], "name a file in it"),
        (["BUNDLE", "--encoder-threads", "9999"], "threads"),
    ],
)
def test_bad_input_is_one_sentence(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    given = [str(tiny_bundle) if word == "BUNDLE" else word for word in words]
    clip = [] if "--clip" in given else ["--clip", "tests/clips/car-detection.mp4"]
    assert main(["profile", *given, *clip, *([] if "--seconds" in given else QUICK[:2])]) == 2
    found = capsys.readouterr()
    assert says in found.err and not found.out and len(found.err.strip().splitlines()) == 1


def test_what_is_no_onnx_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"\x3a\xff\xff\xff\x0f", b"\x3a\x02\x0a\x05"):
        (tmp_path / "x.onnx").write_bytes(content)
        with pytest.raises(EncoderError, match="ONNX"):
            read_graph(tmp_path / "x.onnx")


def test_the_roof_is_measured_with_as_many_threads_as_asked() -> None:
    roof = measure_roof(2)
    assert roof.threads == 2 and roof.flops_per_s > 1e8
    assert [size for size, _ in roof.copies] == sorted(size for size, _ in roof.copies)
    assert roof.bytes_per_s(1) == roof.copies[0][1] and roof.bytes_per_s(1 << 40) == roof.memory_bytes_per_s
