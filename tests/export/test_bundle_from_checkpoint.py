"""An export is whole or not there; `magno export` says so in words."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

import magno.export.bundle_from_checkpoint as exporting
from magno.export.bundle_from_checkpoint import STEPS, bundle_from_checkpoint
from magno.export.checkpoint import CheckpointError
from magno.export.cli import add_arguments, run
from magno.runtime.bundle import BundleError, open_bundle


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_command_replaces_a_bundle_by_the_same_bytes_and_keeps_what_was_made_on_the_device(
    tiny_folder: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    (out / "engines" / "orin").mkdir(parents=True)
    (out / "engines" / "orin" / "vision.engine").write_text("built here")
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    assert run(arguments(str(tiny_folder), "--out", str(out), "--llm-type", "f32", "--json")) == 0
    assert torch.backends.mha.get_fastpath_enabled() == fast_attention
    first, second = open_bundle(tiny_bundle).manifest, open_bundle(out).manifest
    assert dataclasses.replace(second, created=first.created) == first
    assert (out / "engines" / "orin" / "vision.engine").read_text() == "built here"
    assert entries(tmp_path) == {"bundle"}
    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("seconds") > 0 and printed.pop("peak_memory_bytes") > 1e6
    assert printed == {
        "bundle": str(out),
        "model": "tiny",
        "windows": True,
        "manifest_sha256": open_bundle(out).manifest_sha256,
        "bytes": {name: record.bytes for name, record in second.files.items()},
    }


def test_an_export_that_fails_leaves_the_old_bundle(
    tiny_folder: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    before = open_bundle(out).manifest_sha256

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "onnx_from_torch", full)
    steps: list[str] = []
    with pytest.raises(OSError, match="No space left"):
        bundle_from_checkpoint(tiny_folder, out, progress=lambda step, done, total: steps.append(step))
    assert steps == list(STEPS[:2])
    assert open_bundle(out).manifest_sha256 == before
    assert entries(tmp_path) == {"bundle"}


def test_a_folder_that_is_no_bundle_is_not_replaced(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BundleError, match="wants to be a bundle or empty, found a folder with other files"):
        bundle_from_checkpoint(tiny_folder, tmp_path)
    assert entries(tmp_path) == {"thesis.tex"}


def test_a_file_or_link_is_not_replaced(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(BundleError, match="wants to be a folder, found something else"):
            bundle_from_checkpoint(tiny_folder, tmp_path / name)


def test_a_missing_checkpoint_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="wants to be a checkpoint folder"):
        bundle_from_checkpoint(tmp_path / "nowhere", tmp_path / "bundle")
    assert entries(tmp_path) == set()


def test_the_command_says_what_is_wrong_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments(str(tmp_path / "nowhere"), "--out", str(tmp_path / "bundle"))) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.strip().splitlines()[-1].endswith("found none: check the path.")
    assert "Traceback" not in printed.err


def test_the_command_says_that_it_cannot_write(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert run(arguments(str(tiny_folder), "--out", str(tmp_path / "file" / "bundle"))) == 2
    assert "wants to be writable, found: Not a directory." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "wants CHECKPOINT, or --vision, --llm and --projector, found no --vision: name it."),
        (("--vision", "a", "--llm", "b"), "found no --projector: name it."),
        (("a", "--delta", "b"), "wants CHECKPOINT or parts of a model, found both: leave out --delta."),
    ],
)
def test_the_command_wants_a_whole_checkpoint_or_all_its_parts(
    words: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments(*words, "--out", str(tmp_path / "bundle"))) == 2
    assert capsys.readouterr().err.strip().endswith(sentence)
