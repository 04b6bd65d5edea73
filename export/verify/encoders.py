"""The encoders' rungs of the parity ladder: torch -> ONNX in float32 -> ONNX at its precision -> engines."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from magno.export.graphs.graph_file import Arrays, GraphFile
from magno.export.graphs.onnx_from_torch import onnx_from_torch
from magno.export.source import EncoderSource
from magno.export.torch_modules import torch_encoder
from magno.export.verify.divergence import Divergence, between_graphs, from_torch
from magno.export.verify.tolerance import ParityError, compare
from magno.runtime.backends import Backend, EncoderError
from magno.runtime.encoder import BACKENDS
from magno.runtime.parity_record import Rung, RungOutcome

GATES = {"fp32": 0.9999, "fp16": 0.999, "bf16": 0.999}  # least cosine of a token
ENGINE_GATE = 0.999  # of an engine from its graph, whichever kernels it chose
ENGINES = ("tensorrt", "tensorrt-rtx")
NO_CHECKPOINT = "wants --checkpoint DIR"
ROUNDING_ONLY = "computed in float32 and rounded to bfloat16 at every node: this CPU has no bfloat16 kernels"
DIGITS = 9


@dataclass(frozen=True, slots=True)
class Exam:
    """One encoder of a bundle, and what it is shown."""

    file: GraphFile
    source: EncoderSource | None  # None: there is no checkpoint to compare with
    batches: Sequence[Arrays]
    threads: int


def encoder_rungs(exam: Exam, say: Callable[[str], None]) -> Iterator[Rung]:
    """Every rung of one encoder, those that cannot be climbed here as skipped. Raises CheckpointError."""
    name, precision = exam.file.path.name, exam.file.precision
    say(f"{name}: running it")
    try:
        exam.file.check()
        own = exam.file.run(exam.batches, exam.threads)
    except EncoderError as error:
        yield Rung(name, f"onnx {precision} runs", RungOutcome.FAILED, note=str(error))
        return
    yield _passed_if(
        name, f"onnx {precision} runs", bool(np.isfinite(own).all()), "infinity or NaN in its tokens"
    )
    yield from _torch_rungs(exam, own, say)
    yield from _engine_rungs(exam, own, say)


def _torch_rungs(exam: Exam, own: NDArray[np.float32], say: Callable[[str], None]) -> Iterator[Rung]:
    name, precision = exam.file.path.name, exam.file.precision
    steps = ("torch fp32 -> onnx fp32", f"onnx fp32 -> onnx {precision}")
    if exam.source is None:
        for step in steps[: 1 if precision == "fp32" else 2]:
            yield Rung(name, step, RungOutcome.SKIPPED, note=NO_CHECKPOINT)
        return
    say(f"{name}: torch")
    module = torch_encoder(exam.source)
    wanted = _torch_tokens(module, exam.batches)
    with _in_float32(exam.file, module) as exact:
        found = own if precision == "fp32" else exact.run(exam.batches, exam.threads)
        gate = GATES["fp32"]
        yield _rung(
            (name, steps[0], gate),
            (wanted, found),
            lambda at: from_torch(module, exact.load(), exam.batches[at], gate),
        )
        if precision != "fp32":
            say(f"{name}: {precision} beside fp32")
            gate = GATES[precision]
            yield _rung(
                (name, steps[1], gate),
                (found, own),
                lambda at: between_graphs(exact.load(), exam.file.load(), exam.batches[at], gate),
                ROUNDING_ONLY if precision == "bf16" else "",
            )


def _engine_rungs(exam: Exam, own: NDArray[np.float32], say: Callable[[str], None]) -> Iterator[Rung]:
    file = exam.file
    built = sorted(path.name for path in file.path.parent.glob("engines/*") if path.is_dir())
    flavours = [flavour for flavour in ENGINES if any(name.endswith(f".{flavour}") for name in built)]
    if not flavours:
        note = f"no engine was built: magno build {file.path.parent} --engine tensorrt"
        yield Rung(file.path.name, f"onnx {file.precision} -> engine", RungOutcome.SKIPPED, note=note)
    for flavour in flavours:
        step = f"onnx {file.precision} -> {flavour}"
        say(f"{file.path.name}: {flavour}")
        try:
            session = cast(Backend, importlib.import_module(BACKENDS[flavour])).open(file.path, file.graph, 1)
        except (EncoderError, ImportError) as error:  # no such device here, or built for another
            yield Rung(file.path.name, step, RungOutcome.SKIPPED, note=str(error))
            continue
        try:
            found = np.concatenate([session.infer(batch) for batch in exam.batches])
        except EncoderError as error:
            yield Rung(file.path.name, step, RungOutcome.FAILED, note=str(error))
            continue
        finally:
            session.close()
        yield _rung((file.path.name, step, ENGINE_GATE), (own, found), lambda at: None)


def _rung(
    what: tuple[str, str, float],  # file, step, least cosine
    sides: tuple[NDArray[np.float32], NDArray[np.float32]],
    locate: Callable[[int], Divergence | None],  # in which layer the batch of this number diverges
    note: str = "",
) -> Rung:
    name, step, gate = what
    wanted, found = sides
    gates = {"cosine": gate}
    try:
        parity = compare(wanted, found)
    except ParityError as error:
        finite = np.isfinite(found).reshape(len(found), -1).all(axis=1)
        return Rung(
            name, step, RungOutcome.FAILED, {}, gates, _told(locate(int(finite.argmin())), str(error))
        )
    figures = {"cosine": round(parity.min_cosine, DIGITS), "max_error": round(parity.max_error, DIGITS)}
    if parity.min_cosine >= gate:
        return Rung(name, step, RungOutcome.PASSED, figures, gates, note)
    worst = min(range(len(wanted)), key=lambda at: compare(wanted[at], found[at]).min_cosine)
    return Rung(name, step, RungOutcome.FAILED, figures, gates, _told(locate(worst), note))


def _told(divergence: Divergence | None, note: str) -> str:
    where = f"diverges {divergence}" if divergence else "no layer alone falls below the gate: it adds up"
    return f"{where}; {note}" if note else where


def _passed_if(name: str, step: str, passed: bool, note: str) -> Rung:
    return Rung(name, step, RungOutcome.PASSED if passed else RungOutcome.FAILED, note="" if passed else note)


def _torch_tokens(module: nn.Module, batches: Sequence[Arrays]) -> NDArray[np.float32]:
    with torch.no_grad():
        tokens = [module(*(torch.from_numpy(array) for array in batch.values())).numpy() for batch in batches]
    return np.concatenate(tokens)


@contextmanager
def _in_float32(file: GraphFile, module: nn.Module) -> Iterator[GraphFile]:
    """The encoder's graph before it was brought to its precision."""
    if file.precision == "fp32":
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        exact = GraphFile(Path(folder) / file.path.name, file.graph, "fp32")
        onnx_from_torch(module, file.graph, exact.path)
        yield exact
