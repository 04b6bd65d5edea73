"""Run a bundle's parts beside the torch model they came from. The first that differs is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn

from magno.export.graphs.graph_file import GraphFile
from magno.export.verify.tolerance import TOLERANCES, Parity, ParityError, check
from magno.runtime.backends import Graph
from magno.runtime.bundle import Bundle
from magno.runtime.language import LanguageConfig, LanguageModel
from magno.runtime.spec import ModelSpec

BATCH = 3  # not the batch of two that the exporter saw
QUESTION = "Which way is the red square moving?"


def check_graph(module: nn.Module, path: Path, graph: Graph, precision: str = "fp32") -> Parity:
    """Compare an encoder's file with its module on fixed random inputs. Raises ParityError, or EncoderError."""
    random = np.random.default_rng(0)
    inputs = {
        port.name: random.uniform(-1.0, 1.0, (BATCH, *port.shape)).astype(np.float32) for port in graph.inputs
    }
    found = GraphFile(path, graph, precision).run([inputs])
    with torch.no_grad():
        wanted = module(*(torch.from_numpy(inputs[port.name]) for port in graph.inputs)).numpy()
    return check(path.name, f"onnx {precision}", wanted, found)


def check_language(
    module: nn.Module | None, tokenizer_json: str, bundle: Bundle, llm_type: str
) -> Parity | None:
    """Compare a prompt's tokens, and the logits after each. Raises ParityError or LanguageError.

    Without a `module`, or for a quantised type, the logits only have to be finite: `magno verify` tells the rest.
    """
    layout = bundle.spec.layout
    question = layout.question_prefix + QUESTION + layout.question_suffix
    text = layout.system_text + layout.text_before_keyframe(0.0) + question
    tokens = Tokenizer.from_str(tokenizer_json).encode(text, add_special_tokens=False).ids
    config = LanguageConfig(context_tokens=len(tokens) + 1, max_sequences=1, threads=1)
    with LanguageModel.open(bundle.llm, config) as language, language.open_sequence() as sequence:
        if (found := language.tokenize(text, special=True)) != tokens:
            raise ParityError(
                f"llm.gguf wants the prompt's tokens to be {tokens[:20]}…, found {found[:20]}…."
            )
        rows = []
        for token in tokens:
            sequence.append([token], want_logits=True)
            rows.append(sequence.logits())
    logits = np.stack(rows)
    if not np.isfinite(logits).all():
        raise ParityError(
            "llm.gguf wants finite logits, found infinity or NaN: check the checkpoint's weights."
        )
    rung = f"gguf {llm_type}"
    if module is None or rung not in TOLERANCES:
        return None
    with torch.no_grad():
        wanted = module(torch.tensor([tokens])).logits[0].numpy()
    return check("llm.gguf", rung, wanted, logits)


def example_inputs(
    spec: ModelSpec, batch: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Pixels, motion and residual of `batch` random pictures, over the ranges that training saw."""
    random = np.random.default_rng(0)
    codec = spec.codec
    side = codec.image_px
    pixels = random.uniform(-1.0, 1.0, (batch, 3, side, side)).astype(np.float32)
    motion = random.uniform(-1.0, 1.0, (batch, codec.patches**2, codec.motion_width)).astype(np.float32)
    residual = random.uniform(-1.0, 1.0, (batch, 1, side, side)).astype(np.float32)
    return pixels, motion, residual
