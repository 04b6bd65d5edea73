"""Run a bundle's encoders beside the torch model they came from. The first that differs is named."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from magno.export.model import MagnoModel
from magno.export.tolerance import Parity, check
from magno.runtime.bundle import Bundle
from magno.runtime.encoder import open_encoder
from magno.runtime.spec import ModelSpec

BATCH = 3  # not the batch of two that the exporter saw


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
