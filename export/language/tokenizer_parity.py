"""The tokens of llama.cpp beside those of the tokenizers library, over awkward strings."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from magno.export.language.awkward_strings import AWKWARD
from magno.runtime.language import LanguageModel

SHOWN = 5


@dataclass(frozen=True, slots=True)
class TokenizerParity:
    """What a comparison of tokenizers found."""

    texts: int
    differing: int  # texts with other tokens
    not_restored: int  # texts that their tokens do not spell again
    examples: tuple[str, ...]  # the first of either


def tokenizer_parity(
    language: LanguageModel, tokenizer_json: str, texts: Iterable[str] = AWKWARD
) -> TokenizerParity:
    """Compare plain text, in which special tokens are text, and each special token between words, where it is one.

    Raises LanguageError.
    """
    values = json.loads(tokenizer_json) | {"truncation": None, "padding": None}
    whole, plain = (Tokenizer.from_str(json.dumps(found)) for found in (values, _without_special(values)))
    composes = (values.get("normalizer") or {}).get("type") == "NFC"
    differing, not_restored, count = [], [], 0
    for text in texts:
        count += 1
        found = language.tokenize(text)
        if found != plain.encode(text, add_special_tokens=False).ids:
            differing.append(text)
        wanted = unicodedata.normalize("NFC", text) if composes else text
        if b"".join(language.piece(token) for token in found) != wanted.encode():
            not_restored.append(text)
    for token in values["added_tokens"]:
        count += 1
        text = f"before{token['content']}\nafter {token['content']}"
        if language.tokenize(text, special=True) != whole.encode(text, add_special_tokens=False).ids:
            differing.append(text)
    examples = tuple(dict.fromkeys(differing + not_restored))[:SHOWN]
    return TokenizerParity(count, len(differing), len(not_restored), examples)


def _without_special(values: dict[str, Any]) -> dict[str, Any]:
    """The tokenizer with its special tokens renamed to what stands in no text: removed, the others' ids would move."""
    renamed = {
        token["content"]: f"\U0010ffff{token['id']}\U0010ffff"
        for token in values["added_tokens"]
        if token["special"]
    }
    added = [
        token | {"content": renamed.get(token["content"], token["content"])}
        for token in values["added_tokens"]
    ]
    vocab = {renamed.get(text, text): index for text, index in values["model"]["vocab"].items()}
    model = values["model"] | {"vocab": vocab}
    return values | {"added_tokens": added, "model": model, "post_processor": None}
