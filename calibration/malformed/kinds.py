"""Which file is damaged, and how: one table of families, and malformed file N of it, the same on every machine. Pure
but for reading the sound originals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magno.calibration.malformed.damage import PLAIN, Damage, Damager, Rng, choice
from magno.calibration.malformed.damage_gguf import GGUF
from magno.calibration.malformed.damage_json import JSON
from magno.calibration.malformed.damage_onnx import ONNX
from magno.calibration.malformed.damage_safetensors import SAFETENSORS, tiny
from magno.runtime.backends.engine_record import FORMAT, EngineFile, EngineRecord, Settings
from magno.runtime.bundle import LLM, MANIFEST, VISION
from magno.runtime.spec import to_dict

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
INDEX, SHARD, RECORD = "model.safetensors.index.json", "model-00001-of-00001.safetensors", "engines.json"
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Family:
    """Files of one kind, and their ways to be wrong."""

    share: float  # of all malformed files
    file: str  # the one that is damaged
    damagers: Mapping[str, Damager]


@dataclass(frozen=True, slots=True)
class Malformed:
    """One malformed file."""

    number: int
    family: str
    kind: str
    damage: Damage


FAMILIES = {
    "weights": Family(0.19, WEIGHTS, PLAIN | SAFETENSORS),
    "config": Family(0.14, CONFIG, PLAIN | JSON),
    "tokenizer": Family(0.11, TOKENIZER, PLAIN | JSON),
    "shards": Family(0.06, INDEX, PLAIN | JSON),
    "language model": Family(0.2, LLM, PLAIN | GGUF),
    "graph": Family(0.15, VISION, PLAIN | ONNX),
    "manifest": Family(0.11, MANIFEST, PLAIN | JSON),
    "engine record": Family(0.04, RECORD, PLAIN | JSON),
}
ELSEWHERE = (
    "../outside.onnx",
    "/etc/passwd",
    "engines/../../x",
    "",
    ".",
    "a\x00b",
    "x" * 5000,
    "vision.onnx/",
    "..",
)


def originals(checkpoint: Path, bundle: Path) -> dict[str, Files]:
    """The sound files of every family, by name. Raises OSError where one is missing."""
    model = {name: (checkpoint / name).read_bytes() for name in (CONFIG, WEIGHTS, TOKENIZER)}
    manifest = (bundle / MANIFEST).read_bytes()
    shard = tiny({"a.weight": (4, 3), "b.bias": (5,), "c": (2, 2, 2)})
    index = {"metadata": {"total_size": 50}, "weight_map": dict.fromkeys(("a.weight", "b.bias", "c"), SHARD)}
    return {
        "weights": model,
        "config": model,
        "tokenizer": model,
        "shards": {INDEX: json.dumps(index).encode(), SHARD: shard},
        "language model": {LLM: (bundle / LLM).read_bytes()},
        "graph": {VISION: (bundle / VISION).read_bytes(), MANIFEST: manifest},
        "manifest": _small_bundle(manifest),
        "engine record": {RECORD: json.dumps(to_dict(_record())).encode()},
    }


def malform(sound: Mapping[str, Files], number: int, seed: int = 0) -> Malformed:
    """Malformed file `number`."""
    rng = np.random.default_rng((seed, number))
    shares = np.array([family.share for family in FAMILIES.values()])
    name = list(FAMILIES)[int(rng.choice(len(FAMILIES), p=shares / shares.sum()))]
    family, files = FAMILIES[name], sound[name]
    if name == "manifest" and rng.random() < 0.3:
        kind = str(choice(rng, list(WHOLE_BUNDLES)))
        return Malformed(number, name, kind, WHOLE_BUNDLES[kind](files, rng))
    kind = str(choice(rng, list(family.damagers)))
    damaged, must_refuse = family.damagers[kind](files[family.file], rng)
    same = damaged == files[family.file]
    return Malformed(number, name, kind, Damage({family.file: damaged}, must_refuse and not same))


def _small_bundle(manifest: bytes) -> Files:
    """A bundle whose files are a few bytes: what is in them is no matter of the manifest."""
    values = json.loads(manifest)
    files = {name: f"this stands for {name}".encode() for name in values["files"]}
    values["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
    }
    return {**files, MANIFEST: json.dumps(values).encode()}


def _file_changed(files: Files, rng: Rng) -> Damage:
    name = _some_file(files, rng)
    return Damage({name: bytes([files[name][0] ^ 1]) + files[name][1:]})


def _file_lost(files: Files, rng: Rng) -> Damage:
    return Damage({_some_file(files, rng): None})


def _file_a_link(files: Files, rng: Rng) -> Damage:
    """To a file with the right bytes, even: a link may lead anywhere tomorrow."""
    return Damage({_some_file(files, rng): "/etc/hostname"})


def _wrong_hash(files: Files, rng: Rng) -> Damage:
    values = json.loads(files[MANIFEST])
    record = values["files"][_some_file(files, rng)]
    record["sha256"] = record["sha256"][::-1]
    return Damage({MANIFEST: json.dumps(values).encode()})


def _wrong_bytes(files: Files, rng: Rng) -> Damage:
    values = json.loads(files[MANIFEST])
    record = values["files"][_some_file(files, rng)]
    record["bytes"] = choice(rng, [record["bytes"] + 1, 0, -1, 1 << 62])
    return Damage({MANIFEST: json.dumps(values).encode()})


def _climbs_out(files: Files, rng: Rng) -> Damage:
    values = json.loads(files[MANIFEST])
    name = _some_file(files, rng)
    record = values["files"].pop(name) if rng.random() < 0.5 else values["files"][name]
    values["files"][str(choice(rng, ELSEWHERE))] = record
    return Damage({MANIFEST: json.dumps(values).encode()})


WHOLE_BUNDLES = {
    "a file changed": _file_changed,
    "a file lost": _file_lost,
    "a file that is a link": _file_a_link,
    "a wrong hash": _wrong_hash,
    "a wrong size of a file": _wrong_bytes,
    "a path that climbs out": _climbs_out,
}


def _some_file(files: Files, rng: Rng) -> str:
    return str(choice(rng, [name for name in files if name != MANIFEST]))


def _record() -> EngineRecord:
    engine = EngineFile("0" * 64, "1" * 64, 1000, (1, 1, 8), "engine", 4.7)
    settings = Settings(True, False, 3, 1 << 30, False, "detailed")
    return EngineRecord(
        FORMAT,
        "tensorrt",
        "10.3.0",
        "Orin",
        ("8.7",),
        settings,
        {VISION: engine},
        "2026-11-21T10:32:40+00:00",
    )
