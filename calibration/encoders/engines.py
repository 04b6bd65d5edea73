"""What runs an encoder in a bench: torch eager, and ONNX Runtime at several precisions, from files made here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from magno.calibration.encoders.subjects import Subject
from magno.export.graphs.graph_file import Arrays
from magno.export.graphs.int8 import int8_onnx
from magno.export.graphs.onnx_from_torch import onnx_from_torch
from magno.export.graphs.precision import at_precision
from magno.runtime.backends import ort

Run = Callable[[Arrays], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Settings:
    """How engines run."""

    threads: int
    repeats: int
    fp16: bool


@contextmanager
def running(
    subject: Subject,
    pictures: Sequence[Arrays],
    folder: Path,
    settings: Settings,
    say: Callable[[str], None],
) -> Iterator[dict[str, tuple[Run, int]]]:
    """Name -> what runs a batch of one, and how large its weights or file are."""

    def eager(batch: Arrays) -> NDArray[np.float32]:
        with torch.inference_mode():
            tokens: NDArray[np.float32] = subject.module(*map(torch.from_numpy, batch.values())).numpy()
            return tokens

    files = {"onnx fp32": folder / subject.file, "onnx int8": folder / f"int8-{subject.file}"}
    say(f"{subject.file}: to ONNX")
    onnx_from_torch(subject.module, subject.graph, files["onnx fp32"])
    if settings.fp16:
        files["onnx fp16"] = folder / f"fp16-{subject.file}"
        model = onnx.load(files["onnx fp32"])
        at_precision(model, "fp16")
        onnx.save(model, files["onnx fp16"])
        del model
    say(f"{subject.file}: calibrating INT8 on {len(pictures)} of the clip")
    int8_onnx(files["onnx fp32"], files["onnx int8"], pictures)
    sessions = {name: ort.open(path, subject.graph, settings.threads) for name, path in files.items()}
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        yield {"torch fp32": (eager, 4 * subject.parameters)} | {
            name: (session.infer, files[name].stat().st_size) for name, session in sessions.items()
        }
    finally:
        torch.set_num_threads(before)
        for session in sessions.values():
            session.close()
