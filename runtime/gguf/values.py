"""Does a GGUF file's metadata say what a language model can be? Pure.

llama.cpp ends the whole process over some values, and reads beyond arrays that are shorter than it believes; those
are refused here (found by altering one value at a time). What it refuses by itself is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from magno.runtime.gguf.walk import AGAIN, GgufError


@dataclass(frozen=True, slots=True)
class Array:
    """A list in the metadata: the type of its items, and how many."""

    kind: int
    count: int


Value = int | float | bool | str | Array

ALIGNMENT, USUAL_ALIGNMENT = "general.alignment", 32
ARCHITECTURE, TOKENS, TOKEN_TYPES = (
    "general.architecture",
    "tokenizer.ggml.tokens",
    "tokenizer.ggml.token_type",
)
# Key, after the architecture's name -> the least and the most of a whole number, where it is there.
WHOLE = {
    "block_count": (1, 512),
    "context_length": (1, 1 << 30),
    "embedding_length": (1, 1 << 17),
    "feed_forward_length": (1, 1 << 21),
    "attention.head_count": (1, 1024),
    "attention.head_count_kv": (1, 1024),
    "attention.key_length": (2, 1 << 14),
    "attention.value_length": (2, 1 << 14),
    "rope.dimension_count": (2, 1 << 14),
    "vocab_size": (1, 1 << 22),
    "expert_count": (0, 0),
    "expert_used_count": (0, 0),
}
EPSILON = "attention.layer_norm_rms_epsilon"
SCALING = ("none", "linear", "yarn", "longrope")
ONE_OF: dict[str, tuple[str, ...]] = {
    "tokenizer.ggml.model": ("gpt2",)
}  # byte-level BPE, as export writes it
INT32 = (4, 5)  # types of a list of token types


def check_values(values: Mapping[str, Value], name: str) -> None:
    """Raises GgufError naming the file and the key."""
    architecture = values.get(ARCHITECTURE)
    if not isinstance(architecture, str):
        _refuse(name, ARCHITECTURE, "a text", architecture)
    for key, (least, most) in WHOLE.items():
        _check_whole(values, f"{architecture}.{key}", least, most, name)
    epsilon = values.get(f"{architecture}.{EPSILON}", 0.0)
    if not isinstance(epsilon, float) or not 0.0 <= epsilon < 1.0:
        _refuse(name, f"{architecture}.{EPSILON}", "a number from 0 to 1", epsilon)
    for key, known in (ONE_OF | {f"{architecture}.rope.scaling.type": SCALING}).items():
        if (found := values.get(key, known[0])) not in known:
            _refuse(name, key, " or ".join(known), found)
    _check_heads(values, architecture, name)
    tokens, types = values.get(TOKENS), values.get(TOKEN_TYPES)
    if not isinstance(tokens, Array) or not tokens.count:
        _refuse(name, TOKENS, "a list", tokens)
    if types is not None and (
        not isinstance(types, Array) or types.kind not in INT32 or types.count != tokens.count
    ):
        _refuse(name, TOKEN_TYPES, f"a list of {tokens.count} whole numbers", types)


def alignment_of(values: Mapping[str, Value], name: str) -> int:
    """To how many bytes tensors are aligned. Raises GgufError for what is no power of two."""
    found = values.get(ALIGNMENT, USUAL_ALIGNMENT)
    if type(found) is not int or not 1 <= found <= 1 << 20 or found & (found - 1):
        _refuse(name, ALIGNMENT, "a power of two", found)
    return found


def _check_whole(values: Mapping[str, Value], key: str, least: int, most: int, name: str) -> None:
    found = values.get(key, least)
    if type(found) is not int or not least <= found <= most:
        _refuse(name, key, f"{least} to {most}", found)


def _check_heads(values: Mapping[str, Value], architecture: str, name: str) -> None:
    """Heads share keys evenly, and all of a head is rotated, where it is said how much."""
    heads, keys = (values.get(f"{architecture}.attention.{key}") for key in ("head_count", "head_count_kv"))
    if isinstance(heads, int) and isinstance(keys, int) and heads % keys:
        _refuse(name, f"{architecture}.attention.head_count_kv", f"a divisor of {heads}", keys)
    width = values.get(f"{architecture}.embedding_length")
    usual = width // heads if isinstance(width, int) and isinstance(heads, int) else 0
    for key in ("attention.key_length", "attention.value_length", "rope.dimension_count"):
        wanted = values.get(f"{architecture}.attention.key_length", usual)
        if (found := values.get(f"{architecture}.{key}", usual)) != wanted:
            _refuse(name, f"{architecture}.{key}", f"{wanted}, as keys have", found)


def _refuse(name: str, key: str, wanted: str, found: object) -> NoReturn:
    raise GgufError(f"{name}: {key[:80]} wants {wanted}, found {str(found)[:60]!r}. {AGAIN}")
