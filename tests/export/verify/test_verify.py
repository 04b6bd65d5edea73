"""`magno verify`: what agrees, what does not and where, and what the manifest keeps of it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from magno.cli import main
from magno.export.errors import CheckpointError
from magno.export.families import open_source
from magno.export.graphs.graph_file import GraphFile
from magno.export.graphs.precision import at_precision
from magno.export.source import Source
from magno.export.verify.encoders import Exam, encoder_rungs
from magno.export.verify.ladder import merged, open_origin
from magno.export.verify.shown import ShownError, show_clips
from magno.runtime.bundle import open_bundle
from magno.runtime.encoder import vision_graph
from magno.runtime.parity_record import ParityRecord, Rung, RungOutcome, complaint
from tests.tiny import CODEC

PASSED, FAILED, SKIPPED = RungOutcome.PASSED, RungOutcome.FAILED, RungOutcome.SKIPPED


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def verify(bundle: Path, clips: Path, *words: str) -> int:
    shown = ["--clip", str(clips / "car-detection.mp4"), "--keyframes", "2", "--windows", "2"]
    return main(["verify", str(bundle), *shown, "--threads", "1", "--json", *words])


def damage(bundle: Path, name: str, weight: str) -> None:
    """Other weights, under a manifest that knows of them."""
    model = onnx.load(bundle / name)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == weight)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + 1, weight))
    onnx.save(model, bundle / name)
    manifest = json.loads((bundle / "manifest.json").read_text())
    data = (bundle / name).read_bytes()
    manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def test_a_sound_bundle_passes_and_its_figures_go_into_the_manifest_alone(
    bundle: Path, tiny_folder: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = json.loads((bundle / "manifest.json").read_text())
    files = {path.name: path.read_bytes() for path in bundle.iterdir() if path.name != "manifest.json"}
    assert verify(bundle, clips, "--checkpoint", str(tiny_folder)) == 0
    printed = json.loads(capsys.readouterr().out)
    rungs = {(rung["file"], rung["step"]): rung for rung in printed["rungs"]}
    for name in ("vision.onnx", "delta.onnx"):
        assert rungs[name, "torch fp32 -> onnx fp32"]["figures"]["cosine"] >= 0.9999
        assert rungs[name, "onnx fp32 -> engine"]["outcome"] == "skipped"
    assert rungs["llm.gguf", "torch fp32 -> gguf f32"]["figures"]["top1"] >= 0.99
    assert rungs["llm.gguf", "tokenizer.json -> gguf"]["figures"]["differing"] == 0
    text = (bundle / "manifest.json").read_text()
    assert (
        text
        == json.dumps(before | {"parity": json.loads(text)["parity"]}, indent=2, ensure_ascii=False) + "\n"
    )
    assert {
        path.name: path.read_bytes() for path in bundle.iterdir() if path.name != "manifest.json"
    } == files
    opened = open_bundle(bundle)
    assert complaint(opened.manifest.parity, "it") is None
    assert printed["inputs"] == "2 keyframes and 2 windows of car-detection.mp4"


def test_parts_that_fit_at_the_bundles_size_alone_are_opened_at_it(
    tiny_bundle: Path, tiny_folder: Path
) -> None:
    """A tower trained at another size than the Δ-encoder wants."""
    bundle = open_bundle(tiny_bundle)

    def opens(image_px: int | None) -> Source:
        if image_px is None:
            raise CheckpointError("The Δ-encoder wants pictures of 64 px, found a tower for 96.")
        return open_source(tiny_folder, image_px)

    assert open_origin(bundle, opens).spec == bundle.spec


def test_other_weights_are_below_the_gate_and_the_layer_is_named(
    bundle: Path, tiny_folder: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(bundle, "delta.onnx", "motion_reader.layers.layers.0.linear1.bias")
    assert verify(bundle, clips, "--checkpoint", str(tiny_folder)) == 3
    (failed,) = (rung for rung in json.loads(capsys.readouterr().out)["rungs"] if rung["outcome"] == "failed")
    assert failed["file"] == "delta.onnx"
    assert "diverges first at motion_reader.layers.layers.0.linear1, cosine" in failed["note"]
    parity = open_bundle(bundle).manifest.parity
    assert "did not agree with its checkpoint" in str(complaint(parity, "it"))


def test_without_a_checkpoint_it_says_what_it_could_not_compare(
    bundle: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(bundle, clips) == 0
    rungs = json.loads(capsys.readouterr().out)["rungs"]
    outcomes = {(rung["file"], rung["step"]): rung["outcome"] for rung in rungs}
    assert outcomes["vision.onnx", "onnx fp32 runs"] == outcomes["llm.gguf", "gguf f32 runs"] == "passed"
    assert outcomes["vision.onnx", "torch fp32 -> onnx fp32"] == "skipped"
    assert "was never compared" in str(complaint(open_bundle(bundle).manifest.parity, "it"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--checkpoint", "models/pocket"], "wants the checkpoint it was made of"),
        (["--checkpoint", "nowhere"], "wants to be a checkpoint folder"),
        (["--clip", "nowhere.mp4"], "no such file"),
        (["--windows", "0"], "--windows wants 1 to"),
    ],
)
def test_what_cannot_be_verified_is_said_in_one_sentence(
    bundle: Path, clips: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (bundle / "manifest.json").read_bytes()
    assert verify(bundle, clips, *words) == 2
    printed = capsys.readouterr()
    assert says in printed.err and printed.out == "" and "Traceback" not in printed.err
    assert (bundle / "manifest.json").read_bytes() == before


def test_a_graph_in_half_precision_is_compared_with_itself_in_float32(
    bundle: Path, tiny_folder: Path
) -> None:
    path, spec = bundle / "vision.onnx", open_bundle(bundle).spec
    model = onnx.load(path)
    at_precision(model, "bf16")
    onnx.save(model, path)
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64, 64)).astype(np.float32)
    file = GraphFile(path, vision_graph(spec), "bf16")
    exam = Exam(file, open_source(tiny_folder).vision, [{"pixels": pixels}], threads=1)
    rungs = {rung.step: rung for rung in encoder_rungs(exam, lambda text: None)}
    own = rungs["onnx fp32 -> onnx bf16"]
    assert own.outcome is PASSED and own.figures["cosine"] >= 0.999
    assert "no bfloat16 kernels" in own.note


def test_clips_without_windows_are_no_ground_for_a_comparison(clips: Path) -> None:
    with pytest.raises(ShownError, match="found no clip"):
        show_clips(CODEC, [])
    shown = show_clips(CODEC, [clips / "car-detection.mp4"], keyframes=3, windows=0)
    assert (shown.pixels.shape, len(shown.motion)) == ((3, 3, 64, 64), 0)


def record(*rungs: Rung) -> ParityRecord:
    return ParityRecord("2026-11-21T00:00:00+00:00", "nothing", {}, rungs)


def test_a_rung_skipped_now_keeps_what_it_was_before() -> None:
    climbed, skipped = Rung("a", "x -> y", PASSED, {"cosine": 1.0}), Rung("a", "x -> y", SKIPPED)
    failed = Rung("a", "x -> y", FAILED)
    assert merged(None, record(skipped)) == record(skipped)
    assert merged(record(climbed), record(skipped)) == record(climbed)
    assert merged(record(climbed), record(failed)) == record(failed)
    assert complaint(record(skipped), "it") and complaint(None, "it")
