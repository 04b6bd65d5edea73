"""The tokens of llama.cpp beside those of the tokenizers library, over awkward strings."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Tokenizer

from magno.export.language.awkward_strings import AWKWARD
from magno.runtime.language import LanguageModel

SHOWN = 5


@dataclass(frozen=True, slots=True)
class TokenizerParity:
    """What a comparison of tokenizers found."""

    texts: int
    differing: int  # texts with other tokens, as plain text or with its special tokens read
    not_restored: int  # texts that their tokens do not spell again
    examples: tuple[str, ...]  # the first of either


def tokenizer_parity(
    language: LanguageModel, tokenizer_json: str, texts: Iterable[str] = AWKWARD
) -> TokenizerParity:
    """Compare plain text (special tokens are text) and trusted text (they are tokens). Raises LanguageError."""
    values = json.loads(tokenizer_json)
    whole = Tokenizer.from_str(tokenizer_json)
    whole.no_truncation()
    ordinary = [token for token in values["added_tokens"] if not token["special"]]
    plain = Tokenizer.from_str(json.dumps(values | {"added_tokens": ordinary, "truncation": None}))
    composes = (values.get("normalizer") or {}).get("type") == "NFC"
    count, differing, not_restored = 0, [], []
    for text in texts:
        count += 1
        found = language.tokenize(text)
        same = found == plain.encode(text, add_special_tokens=False).ids and (
            language.tokenize(text, special=True) == whole.encode(text, add_special_tokens=False).ids
        )
        if not same:
            differing.append(text)
        wanted = unicodedata.normalize("NFC", text) if composes else text
        if b"".join(language.piece(token) for token in found) != wanted.encode():
            not_restored.append(text)
    examples = tuple(dict.fromkeys(differing + not_restored))[:SHOWN]
    return TokenizerParity(count, len(differing), len(not_restored), examples)
