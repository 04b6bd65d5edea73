"""A folder's tokenizer -> the table that llama.cpp reads, or one sentence on what cannot be carried over.

Read are tokenizer.json (a byte-level BPE of the tokenizers library), and the chat template of tokenizer_config.json or
chat_template.jinja. Tokenizers of SentencePiece (Llama 2) are refused.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import GGUFWriter, TokenType
from tokenizers import Tokenizer, pre_tokenizers

from magno.export.errors import CheckpointError
from magno.export.language.pretokenizer import pretokenizer_name
from magno.export.weights.json_file import read_json, read_text, short
from magno.runtime.language import NORMALIZER_KEY

TOKENIZER, TOKENIZER_CONFIG, CHAT_TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
ALPHABET = frozenset(pre_tokenizers.ByteLevel.alphabet())  # a character for each byte
UNWANTED_FLAGS = ("single_word", "lstrip", "rstrip")


@dataclass(frozen=True, slots=True)
class TokenTable:
    """A tokenizer in llama.cpp's terms."""

    pre: str  # its name for the way text is split
    tokens: tuple[str, ...]  # by id; bytes as the byte-level alphabet's characters
    kinds: tuple[TokenType, ...]
    merges: tuple[str, ...]
    bos: str | None  # put before every text
    normalizer: str | None  # "nfc"


def read_table(folder: Path, vocab_size: int) -> TokenTable:
    """The folder's tokenizer, its ids filled up to `vocab_size`. Raises CheckpointError."""
    path = folder / TOKENIZER
    if not path.is_file() and (folder / "tokenizer.model").is_file():
        raise CheckpointError(
            f"{folder} wants {TOKENIZER} with a byte-level BPE, found SentencePiece's tokenizer.model: use a Qwen or "
            "Llama 3 model."
        )
    values = read_json(path)
    try:
        _check_model(values, str(path))
        return TokenTable(
            pretokenizer_name(values, str(path)),
            *_tokens(values["model"]["vocab"], values["added_tokens"], vocab_size, path),
            merges=_merges(values["model"]["merges"], path),
            bos=_prefix(Tokenizer.from_file(str(path)), path),
            normalizer=_normalizer(values.get("normalizer"), path),
        )
    except CheckpointError:
        raise
    except Exception as error:  # any shape of JSON; the tokenizers library raises bare Exceptions
        raise CheckpointError(
            f"{path} wants a tokenizers file with a BPE model, found: {short(error)}."
        ) from error


def add_tokenizer(writer: GGUFWriter, table: TokenTable, config: Any, stop_text: str) -> None:
    """Write the table; `stop_text` is the token that ends an answer. Raises CheckpointError where it is none."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(table.pre)
    writer.add_token_list(table.tokens)
    writer.add_token_types(table.kinds)
    writer.add_token_merges(table.merges)
    if stop_text not in table.tokens:
        raise CheckpointError(f"{TOKENIZER} wants the token {stop_text!r} (layout.stop_text), found none.")
    writer.add_eos_token_id(table.tokens.index(stop_text))
    pad = "<|endoftext|>" if "<|endoftext|>" in table.tokens else stop_text
    writer.add_pad_token_id(table.tokens.index(pad))
    bos = table.tokens.index(table.bos) if table.bos is not None else getattr(config, "bos_token_id", None)
    if isinstance(bos, int) and 0 <= bos < len(table.tokens):
        writer.add_bos_token_id(bos)
    writer.add_add_bos_token(table.bos is not None)
    writer.add_add_eos_token(False)
    if table.normalizer is not None:
        writer.add_string(NORMALIZER_KEY, table.normalizer)


def read_chat_template(folder: Path) -> str | None:
    """The chat template as it stands; where several are named, the one named default. Raises CheckpointError."""
    if (folder / CHAT_TEMPLATE).is_file():
        return read_text(folder / CHAT_TEMPLATE)
    if not (folder / TOKENIZER_CONFIG).is_file():
        return None
    values = read_json(folder / TOKENIZER_CONFIG)
    found = values.get("chat_template") if isinstance(values, dict) else None
    if isinstance(found, list):
        named = {item.get("name"): item.get("template") for item in found if isinstance(item, dict)}
        found = named.get("default")
    if found is not None and not isinstance(found, str):
        raise CheckpointError(
            f"{folder / TOKENIZER_CONFIG}: chat_template wants text, found {str(found)[:40]}."
        )
    return found


def _check_model(values: Any, where: str) -> None:
    """Refuse what llama.cpp would tokenize otherwise than the tokenizers library does."""
    model = values["model"]
    if model.get("type") != "BPE":
        raise CheckpointError(f"{where} wants a BPE model, found {model.get('type')!r}.")
    if model.get("byte_fallback"):
        raise CheckpointError(
            f"{where} wants a byte-level BPE, found SentencePiece's (byte_fallback): use a Qwen or Llama 3 model."
        )
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            raise CheckpointError(f"{where} wants no {key}, which llama.cpp lacks, found {model[key]!r:.40}.")
    for token in values["added_tokens"]:
        for flag in UNWANTED_FLAGS:
            if token.get(flag):
                raise CheckpointError(
                    f"{where} wants no token with {flag}, which llama.cpp lacks, found {token['content']!r:.60}."
                )


def _normalizer(found: dict[str, Any] | None, where: Path) -> str | None:
    if found is None or found == {"type": "Sequence", "normalizers": []}:
        return None
    if found.get("type") != "NFC":
        raise CheckpointError(f"{where} wants no normalizer or NFC, found {str(found.get('type'))[:40]!r}.")
    return "nfc"


def _merges(found: list[Any], where: Path) -> tuple[str, ...]:
    merges = tuple(merge if isinstance(merge, str) else " ".join(merge) for merge in found)
    if not merges:
        raise CheckpointError(
            f"{where} wants at least one merge, found none: llama.cpp refuses an empty list."
        )
    if any(merge.count(" ") != 1 for merge in merges):
        raise CheckpointError(f"{where} wants merges of two byte-level pieces, found another.")
    return merges


def _tokens(
    vocab: dict[str, int], added: list[dict[str, Any]], size: int, where: Path
) -> tuple[tuple[str, ...], tuple[TokenType, ...]]:
    """Token texts and types by id; ids nobody uses are named [PADn]."""
    by_id = {index: (text, TokenType.NORMAL) for text, index in vocab.items()}
    for token in added:
        kind = TokenType.CONTROL if token["special"] else TokenType.USER_DEFINED
        by_id[token["id"]] = (token["content"], kind)
    if not all(type(index) is int and 0 <= index < size for index in by_id):
        raise CheckpointError(
            f"{where} wants ids below vocab_size {size} of config.json, found {max(by_id, key=_number)}."
        )
    table = [by_id.get(index, (f"[PAD{index}]", TokenType.UNUSED)) for index in range(size)]
    texts = tuple(text for text, _ in table)
    if len(set(texts)) != size:
        twice = next(text for text, count in Counter(texts).items() if count > 1)
        raise CheckpointError(f"{where} wants each token once, found {twice!r:.60} twice.")
    plain = {text for text, kind in table if kind is TokenType.NORMAL}
    if odd := set().union(*plain) - ALPHABET:
        raise CheckpointError(f"{where} wants tokens of byte-level characters, found {min(odd)!r}.")
    if missing := ALPHABET - plain:
        raise CheckpointError(f"{where} wants a token for each byte, found none for {min(missing)!r}.")
    return texts, tuple(kind for _, kind in table)


def _number(index: object) -> float:
    return index if isinstance(index, int) else float("inf")


def _prefix(tokenizer: Tokenizer, where: Path) -> str | None:
    """The token that the post-processor puts before a text. Raises CheckpointError where it does more."""
    bare, whole = (tokenizer.encode("a", add_special_tokens=special).tokens for special in (False, True))
    if whole == bare:
        return None
    if len(whole) == len(bare) + 1 and whole[1:] == bare:
        return str(whole[0])
    raise CheckpointError(
        f"{where} wants a post-processor that adds one token before a text at most, found it make {whole}."
    )
