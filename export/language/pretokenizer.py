"""How a tokenizer.json splits text before its merges -> the name under which llama.cpp splits alike. Pure.

llama.cpp has a hand-written rule for each name, and runs an unknown pattern as another one without a word, so a
tokenizer is taken only where all of it is one of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from magno.export.errors import CheckpointError

QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_SPLIT = QWEN2_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
GPT2_SPLIT = "ByteLevel's own"  # its use_regex stands for GPT-2's pattern


@dataclass(frozen=True, slots=True)
class Splitting:
    """What decides how text falls into words, and whether a word that is a token is merged at all."""

    steps: tuple[str, ...]
    ignore_merges: bool


NAMES = {
    Splitting((QWEN2_SPLIT,), False): "qwen2",  # Qwen2, Qwen2.5, Qwen3
    Splitting((LLAMA3_SPLIT,), True): "llama-bpe",  # Llama 3, 3.1, 3.2, 3.3
    Splitting((LLAMA3_SPLIT,), False): "smaug-bpe",
    Splitting((GPT2_SPLIT,), False): "gpt-2",
    Splitting(("digits", GPT2_SPLIT), False): "smollm",
}


def pretokenizer_name(values: dict[str, Any], where: str) -> str:
    """llama.cpp's name for the splitting of a tokenizer.json's `values`. Raises CheckpointError for another."""
    outer = values.get("pre_tokenizer") or {}
    steps = outer.get("pretokenizers", []) if outer.get("type") == "Sequence" else [outer]
    ignore_merges = bool(values["model"].get("ignore_merges"))
    name = NAMES.get(Splitting(tuple(found for step in steps if (found := _step(step))), ignore_merges))
    if name is None or steps[-1].get("type") != "ByteLevel":
        raise CheckpointError(
            f"{where} wants a pre-tokenizer of Qwen2, Llama 3, GPT-2 or SmolLM (with its ignore_merges), found "
            "another: llama.cpp would split text differently from training."
        )
    return name


def _step(step: dict[str, Any]) -> str | None:
    """One pre-tokenizer in a word; None: it splits nothing."""
    kind = step.get("type")
    if kind == "ByteLevel" and not step.get("add_prefix_space", True):
        return GPT2_SPLIT if step.get("use_regex", True) else None
    if kind == "Digits" and step.get("individual_digits"):
        return "digits"
    if kind == "Split" and step.get("behavior") == "Isolated" and not step.get("invert"):
        return str(step["pattern"].get("Regex"))
    return f"unknown {kind}"
