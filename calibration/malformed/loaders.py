"""The production loader of every family, up to the first use of what it loads. Each raises MagnoError to refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from magno.calibration.malformed.kinds import RECORD
from magno.export.checkpoint import load_checkpoint
from magno.export.families import open_source
from magno.export.gguf_from_checkpoint import gguf_from_language
from magno.export.weights.tensors import open_tensors
from magno.runtime.backends import ort
from magno.runtime.backends.engine_record import parse_record
from magno.runtime.bundle import LLM, MANIFEST, VISION, open_bundle, parse_manifest
from magno.runtime.encoder import Encoder, vision_graph
from magno.runtime.language import LanguageConfig, LanguageModel

WRITTEN = "written.gguf"
SMALL = LanguageConfig(context_tokens=256, max_sequences=1, threads=1)


def _weights(folder: Path) -> None:
    load_checkpoint(folder)


def _config(folder: Path) -> None:
    open_source(folder)
    load_checkpoint(folder)


def _tokenizer(folder: Path) -> None:
    """Into the language model's file, as an export does, and that into llama.cpp."""
    source = open_source(folder)
    gguf_from_language(source.language, folder / WRITTEN, "f16", source.spec.layout.stop_text)
    LanguageModel.open(folder / WRITTEN, SMALL).close()


def _shards(folder: Path) -> None:
    for tensor in open_tensors(folder).values():
        tensor.read()


def _language_model(folder: Path) -> None:
    with LanguageModel.open(folder / LLM, SMALL) as language, language.open_sequence() as sequence:
        language.tokenize("Which way?")
        sequence.append([0], want_logits=True)
        sequence.step()


def _graph(folder: Path) -> None:
    spec = parse_manifest((folder / MANIFEST).read_bytes()).model
    side = spec.codec.image_px
    session = ort.open(folder / VISION, vision_graph(spec), threads=1)
    with Encoder(spec, session, None) as encoder:
        encoder.keyframe(np.zeros((1, 3, side, side), np.float32))


def _manifest(folder: Path) -> None:
    open_bundle(folder)


def _engine_record(folder: Path) -> None:
    parse_record((folder / RECORD).read_bytes(), str(folder / RECORD))


LOADERS: dict[str, Callable[[Path], None]] = {
    "weights": _weights,
    "config": _config,
    "tokenizer": _tokenizer,
    "shards": _shards,
    "language model": _language_model,
    "graph": _graph,
    "manifest": _manifest,
    "engine record": _engine_record,
}
