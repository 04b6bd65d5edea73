"""A GGUF file beside the torch model it came from: logits of prompts with text and embeddings, and the tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from magno.export.language.tokenizer_parity import TokenizerParity, tokenizer_parity
from magno.export.verify.kl import kl_nats
from magno.export.verify.tolerance import compare
from magno.runtime.language import LanguageConfig, LanguageModel

TIE = 0.01  # of a position's standard deviation: two logits nearer than that are beyond half precision
EMBEDDINGS = 12  # rows between the two halves of a prompt, as a window or a keyframe puts them there
# Text before and after the embeddings.
PROMPTS = (
    ("You watch a camera.\n", "\nWhich way is the red square moving?"),
    (
        "At 3.5 s:",
        " A person in a yellow coat walks from the left to the right, then stops at the door. Why?",
    ),
    ("画面に何が見えますか。", " Que voit-on à gauche de la voiture bleue, et depuis combien de temps ?"),
    ("", 'Answer in JSON: {"moving": true, "objects": ["car", "bicycle"], "seconds": [0.5, 12, 307]}'),
    (
        "def track(frame, boxes):\n    ",
        "for box in boxes:\n        if box.speed > 0.25:\n            yield box",
    ),
    (
        "Once more, slowly: the green circle",
        " was behind the wall and is now above it; it moves up and to the left.",
    ),
)


@dataclass(frozen=True, slots=True)
class LanguageParity:
    """How far llama.cpp lies from torch. Logits are compared at every token, and after the embeddings."""

    positions: int
    top1_agreement: float  # share of positions at which both name the same next token
    top1_ties: float  # share at which they differ, but between two that torch itself holds within TIE
    mean_kl: float  # nats, of llama.cpp's distribution from torch's
    max_kl: float
    max_error: float  # of a logit, relative to the largest
    min_cosine: float  # of a position's logits
    tokenizer: TokenizerParity


def language_parity(module: Any, tokenizer_json: str, gguf: Path, *, threads: int = 1) -> LanguageParity:
    """Compare the file `gguf` with `module` (a transformers ...ForCausalLM in float32) and its tokenizer.

    Raises LanguageError for a file that does not run, ParityError for logits of another shape or NaN.
    """
    tokenizer = Tokenizer.from_str(tokenizer_json)
    prompts = list(_prompts(module, tokenizer))
    longest = max(len(before) + EMBEDDINGS + len(after) for before, after, _ in prompts)
    config = LanguageConfig(context_tokens=longest, max_sequences=1, threads=threads, batch_tokens=64)
    figures = []
    with LanguageModel.open(gguf, config) as language:
        words = tokenizer_parity(language, tokenizer_json)
        for before, after, rows in prompts:
            wanted = _torch_logits(module, before, rows, after)
            found = _native_logits(language, before, rows, after)
            lost = lost_by_choice(wanted, found)
            figures.append((lost, kl_nats(wanted, found), compare(wanted, found)))
    lost = np.concatenate([lost for lost, _, _ in figures])
    kl = np.concatenate([kl for _, kl, _ in figures])
    return LanguageParity(
        positions=len(lost),
        top1_agreement=float((lost == 0).mean()),
        top1_ties=float(((lost > 0) & (lost < TIE)).mean()),
        mean_kl=float(kl.mean()),
        max_kl=float(kl.max()),
        max_error=max(parity.max_error for _, _, parity in figures),
        min_cosine=min(parity.min_cosine for _, _, parity in figures),
        tokenizer=words,
    )


def lost_by_choice(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far below the best of `wanted` (n, vocabulary) lies the token that `found` names, in standard deviations."""
    chosen = np.take_along_axis(wanted, found.argmax(axis=1)[:, None], axis=1)[:, 0]
    lost: NDArray[np.float32] = (wanted.max(axis=1) - chosen) / np.maximum(wanted.std(axis=1), 1e-12)
    return lost


def _prompts(module: Any, tokenizer: Tokenizer) -> Iterator[tuple[list[int], list[int], NDArray[np.float32]]]:
    """Tokens before, tokens after, and (EMBEDDINGS, embed_dim) rows as large as the model's own."""
    random = np.random.default_rng(0)
    table = module.get_input_embeddings().weight
    scale = float(table[:4096].detach().std())
    for before, after in PROMPTS:
        rows = random.normal(0.0, scale, (EMBEDDINGS, table.shape[1])).astype(np.float32)
        yield *(tokenizer.encode(text, add_special_tokens=False).ids for text in (before, after)), rows


def _torch_logits(
    module: Any, before: list[int], rows: NDArray[np.float32], after: list[int]
) -> NDArray[np.float32]:
    """(positions, vocabulary): of each token, and of the last embedding."""
    embed = module.get_input_embeddings()
    with torch.no_grad():
        parts = (
            embed(torch.tensor(before, dtype=torch.long)),
            torch.from_numpy(rows),
            embed(torch.tensor(after)),
        )
        logits = module(inputs_embeds=torch.cat(parts)[None]).logits[0]
    last = len(before) + len(rows) - 1
    result: NDArray[np.float32] = torch.cat((logits[: len(before)], logits[last:])).numpy()
    return result


def _native_logits(
    language: LanguageModel, before: list[int], rows: NDArray[np.float32], after: list[int]
) -> NDArray[np.float32]:
    """As `_torch_logits`."""
    found = []
    with language.open_sequence() as sequence:
        for part in (*([token] for token in before), rows, *([token] for token in after)):
            sequence.append(part, want_logits=True)
            found.append(sequence.logits())
    return np.stack(found)
