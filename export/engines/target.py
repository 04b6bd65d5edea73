"""What engines are built for: which GPU, and in which batches. Knows the rules, and asks CUDA who is here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from magno.runtime.backends import EncoderError
from magno.runtime.backends.engine_record import MAX_BATCH, Gpu, is_batch
from magno.runtime.backends.tensorrt_library import Library

TOO_OLD = "7.5"  # Turing: TensorRT-RTX builds for it alone or not at all, and has no float32 products on it


@dataclass(frozen=True, slots=True)
class Target:
    """What the engines are for."""

    gpu: Gpu | None  # None: none is here, so that the engines are for any of the compute capabilities
    compute_capabilities: tuple[str, ...]


def find_target(library: Library) -> Target:
    """The GPU that is here; with TensorRT-RTX and none here, every GPU that it knows. Raises EncoderError."""
    known = getattr(library.trt, "ComputeCapability", None)
    gpu = _gpu_here(needed=known is None)
    return choose_target(gpu, () if known is None else known.__members__)


def choose_target(gpu: Gpu | None, members: Iterable[str]) -> Target:
    """`members`: what the library can build for ("SM89", ...); empty: only for the GPU that is here."""
    known = tuple(f"{digits[:-1]}.{digits[-1]}" for name in members if (digits := _digits(name)))
    if gpu is None:
        return Target(None, tuple(capability for capability in known if capability != TOO_OLD))
    if known and gpu.compute_capability not in known:
        raise EncoderError(
            f"tensorrt-rtx wants a GPU of compute capability {', '.join(known)}, found "
            f"{gpu.compute_capability} ({gpu.name}): build with --engine tensorrt."
        )
    return Target(gpu, (gpu.compute_capability,))


def parse_batch(text: str) -> tuple[int, int, int]:
    """ "1,1,4" -> the smallest, the fastest and the largest batch. Raises EncoderError."""
    words = text.split(",")
    batch = tuple(int(word) for word in words if re.fullmatch(r"[0-9]{1,4}", word.strip()))
    if len(words) != 3 or not is_batch(batch):
        raise EncoderError(
            f"--profile wants MIN,OPT,MAX, three batches from 1 to {MAX_BATCH} that do not fall, found {text[:40]!r}."
        )
    return batch[0], batch[1], batch[2]


def _gpu_here(needed: bool) -> Gpu | None:
    try:
        from magno.runtime.backends.cuda import NoGpu, find_gpu
    except ImportError as error:
        if needed:
            raise EncoderError(
                f"A build wants cuda-python, found: {error}. Run: pip install cuda-python."
            ) from error
        return None
    try:
        return find_gpu()
    except NoGpu as error:
        if needed:
            raise EncoderError(
                f"{str(error)[:-1]}. Build where the GPU is, or with --engine tensorrt-rtx."
            ) from error
        return None


def _digits(name: str) -> str:
    found = re.fullmatch(r"SM([0-9]{2,3})", name)
    return found[1] if found else ""
