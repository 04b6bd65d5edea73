"""Run a bundle's parts beside the torch model they came from. The first that differs is named."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from magno.export.checkpoint import Checkpoint
from magno.export.model import MagnoModel
from magno.export.tolerance import Parity, ParityError, check
from magno.runtime.bundle import Bundle
from magno.runtime.encoder import open_encoder
from magno.runtime.language import LanguageConfig, LanguageModel
from magno.runtime.spec import ModelSpec

BATCH = 3  # not the batch of two that the exporter saw
QUESTION = "Which way is the red square moving?"


def check_encoders(model: MagnoModel, bundle: Bundle, backend: str = "ort") -> dict[str, Parity]:
    """Compare each encoder on fixed random inputs. Raises ParityError naming the graph, or EncoderError."""
    pixels, motion, residual = example_inputs(bundle.spec, BATCH)
    with open_encoder(bundle, backend) as encoder, torch.no_grad():
        wanted = model.vision(torch.from_numpy(pixels)).numpy()
        found = {"vision.onnx": check("vision.onnx", "onnx", wanted, encoder.keyframe(pixels))}
        if encoder.has_windows:
            wanted = model.delta(torch.from_numpy(motion), torch.from_numpy(residual)).numpy()
            found["delta.onnx"] = check("delta.onnx", "onnx", wanted, encoder.window(motion, residual))
    return found


def check_language(checkpoint: Checkpoint, bundle: Bundle, llm_type: str) -> Parity:
    """Compare the prompt's tokens, and the logits after each. Raises ParityError or LanguageError."""
    layout = bundle.spec.layout
    question = layout.question_prefix + QUESTION + layout.question_suffix
    text = layout.system_text + layout.keyframe_text + question
    tokens = Tokenizer.from_str(checkpoint.tokenizer_json).encode(text).ids
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
    with torch.no_grad():
        wanted = checkpoint.model.language(torch.tensor([tokens])).logits[0].numpy()
    return check("llm.gguf", f"gguf {llm_type}", wanted, np.stack(rows))


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
