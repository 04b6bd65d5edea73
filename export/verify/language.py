"""The language model's rungs of the parity ladder: transformers -> GGUF, logits and tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import gguf
import numpy as np

from magno.export.source import LanguageSource
from magno.export.torch_modules import torch_language
from magno.export.verify.language_parity import LanguageParity, language_parity
from magno.export.verify.tolerance import ParityError
from magno.export.weights.json_file import read_text
from magno.runtime.language import LanguageConfig, LanguageError, LanguageModel
from magno.runtime.parity_record import Rung, RungOutcome

# Type of the weights -> least share of positions at which both name the same next token, ties of torch's own aside.
# What is not listed is reported and held to nothing: how much a quantisation may lose is its user's to say.
TOP1_GATES = {"all_f32": 0.99, "mostly_f16": 0.99, "mostly_bf16": 0.99, "mostly_q8_0": 0.95}
FLOAT_BYTES = 4
NO_CHECKPOINT = "wants --checkpoint DIR"
DIGITS = 9
TIES = "near-ties of torch's own count as agreement"
TEXT = "You watch a camera."
TOKENIZER = "tokenizer.json"


def language_rungs(
    path: Path, source: LanguageSource | None, threads: int, say: Callable[[str], None]
) -> Iterator[Rung]:
    """Logits and tokens of a bundle's llm.gguf. Raises CheckpointError."""
    kind = file_type(path)
    say(f"{path.name}: running it")
    yield _runs(path, f"gguf {kind.partition('_')[2]} runs", threads)
    logits_step, tokens_step = f"torch fp32 -> gguf {kind.partition('_')[2]}", "tokenizer.json -> gguf"
    why_not = _why_not(source)
    if source is None or why_not:
        for step in (logits_step, tokens_step):
            yield Rung(path.name, step, RungOutcome.SKIPPED, note=why_not)
        return
    say(f"{path.name}: torch and llama.cpp")
    try:
        text = read_text(source.folder / TOKENIZER)
        parity = language_parity(torch_language(source), text, path, threads=threads)
    except (LanguageError, ParityError) as error:
        yield Rung(path.name, logits_step, RungOutcome.FAILED, note=str(error))
        return
    yield _logits(path.name, logits_step, parity, TOP1_GATES.get(kind))
    yield _tokens(path.name, tokens_step, parity)


def _runs(path: Path, step: str, threads: int) -> Rung:
    """That llama.cpp loads it, and that its logits are numbers."""
    config = LanguageConfig(context_tokens=64, max_sequences=1, threads=threads)
    try:
        with LanguageModel.open(path, config) as language, language.open_sequence() as sequence:
            sequence.append(language.tokenize(TEXT)[:32], want_logits=True)
            finite = bool(np.isfinite(sequence.logits()).all())
    except LanguageError as error:
        return Rung(path.name, step, RungOutcome.FAILED, note=str(error))
    if finite:
        return Rung(path.name, step, RungOutcome.PASSED)
    return Rung(path.name, step, RungOutcome.FAILED, note="infinity or NaN in its logits")


def file_type(path: Path) -> str:
    """What most of the weights are stored in: all_f32, mostly_f16, mostly_q4_k_m, ..."""
    field = gguf.GGUFReader(path).get_field("general.file_type")
    return "all_unknown" if field is None else gguf.LlamaFileType(int(field.contents())).name.lower()


def _logits(name: str, step: str, parity: LanguageParity, gate: float | None) -> Rung:
    figures = {
        "top1": parity.top1_agreement,
        "ties": parity.top1_ties,
        "mean_kl": parity.mean_kl,
        "max_kl": parity.max_kl,
        "cosine": parity.min_cosine,
        "max_error": parity.max_error,
        "positions": float(parity.positions),
    }
    rounded = {key: round(value, DIGITS) for key, value in figures.items()}
    agreed = parity.top1_agreement + parity.top1_ties
    if gate is None:
        return Rung(name, step, RungOutcome.PASSED, rounded, {}, "reported: no gate for this quantisation")
    outcome = RungOutcome.PASSED if agreed >= gate else RungOutcome.FAILED
    return Rung(name, step, outcome, rounded, {"top1": gate}, TIES if parity.top1_ties else "")


def _tokens(name: str, step: str, parity: LanguageParity) -> Rung:
    words = parity.tokenizer
    figures = {
        "texts": float(words.texts),
        "differing": float(words.differing),
        "not_restored": float(words.not_restored),
    }
    sound = not words.differing and not words.not_restored
    note = "" if sound else f"as in {', '.join(repr(text[:40]) for text in words.examples[:3])}"
    outcome = RungOutcome.PASSED if sound else RungOutcome.FAILED
    return Rung(name, step, outcome, figures, {"differing": 0.0, "not_restored": 0.0}, note)


def _why_not(source: LanguageSource | None) -> str:
    if source is None:
        return NO_CHECKPOINT
    wanted = FLOAT_BYTES * sum(math.prod(tensor.shape) for tensor in source.tensors.values())
    free = _free_bytes()
    if free is not None and wanted > free:
        return (
            f"torch wants {wanted / 1e9:.1f} GB of memory for it in float32, found {free / 1e9:.1f} GB free"
        )
    return ""


def _free_bytes() -> int | None:
    """Memory that could be had; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)
