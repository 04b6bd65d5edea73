"""What the runtime says of a bundle that was not compared with its checkpoint, or that differs from it."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import pytest

from magno.runtime.bundle import open_bundle, parse_manifest
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.parity_record import ParityRecord, Rung, RungOutcome, complaint
from magno.runtime.spec import SpecError, to_dict

RUNS = Rung("vision.onnx", "onnx fp16 runs", RungOutcome.PASSED)
NOT_COMPARED = Rung(
    "vision.onnx", "torch fp32 -> onnx fp32", RungOutcome.SKIPPED, note="wants --checkpoint DIR"
)
AGREES = Rung(
    "vision.onnx", "torch fp32 -> onnx fp32", RungOutcome.PASSED, {"cosine": 1.0}, {"cosine": 0.9999}
)
DIFFERS = Rung("delta.onnx", "onnx fp32 -> onnx fp16", RungOutcome.FAILED, {"cosine": 0.5}, {"cosine": 0.999})


def record(*rungs: Rung) -> ParityRecord:
    return ParityRecord("2026-11-21T12:00:00+00:00", "8 keyframes", {"torch": "2.13"}, rungs)


@pytest.mark.parametrize(
    ("parity", "says"),
    [
        (None, "it was never compared with its checkpoint: run magno verify it --checkpoint DIR."),
        (record(RUNS, NOT_COMPARED), "it was never compared"),
        (
            record(RUNS, AGREES, DIFFERS),
            "did not agree with its checkpoint on 2026-11-21 (delta.onnx, onnx fp32",
        ),
        (record(RUNS, DIFFERS), "did not agree"),
        (record(RUNS, AGREES), None),
    ],
)
def test_it_complains_of_what_was_not_shown(parity: ParityRecord | None, says: str | None) -> None:
    found = complaint(parity, "it")
    assert found is None if says is None else found is not None and says in found


def test_a_manifest_keeps_a_record_and_refuses_one_that_is_none(tiny_bundle: Path) -> None:
    manifest = dataclasses.replace(open_bundle(tiny_bundle).manifest, parity=record(RUNS, AGREES, DIFFERS))
    values = to_dict(manifest)
    assert parse_manifest(json.dumps(values).encode()) == manifest
    values["parity"]["rungs"][0]["outcome"] = "fine"
    with pytest.raises(SpecError, match="wants one of passed, failed, skipped, found 'fine'"):
        parse_manifest(json.dumps(values).encode())


def test_an_engine_says_so_once(tiny_bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Engine.open(EngineConfig(bundle=str(tiny_bundle))):
        pass
    assert [note.message for note in caplog.records if "never compared" in note.message] == [
        complaint(None, str(tiny_bundle))
    ]
