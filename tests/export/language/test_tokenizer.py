"""A tokenizer becomes llama.cpp's table of the same name, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import Qwen2Config

from magno.export.errors import CheckpointError
from magno.export.gguf_from_checkpoint import gguf_from_language
from magno.export.language.tokenizer import read_chat_template, read_table
from magno.export.language.tokenizer_parity import tokenizer_parity
from magno.runtime.language import LanguageConfig, LanguageModel
from tests.export.language.tiny import SIZES, STOP, VOCAB_SIZE, tiny_language, tokenizer_values, with_bos

CONFIG = LanguageConfig(context_tokens=256, max_sequences=1, threads=1, batch_tokens=64)
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m['content'] }} — ünï <|im_end|>\n{% endfor %}"
)


def exported(folder: Path, values: dict[str, Any], **files: str) -> Path:
    source = tiny_language(folder, Qwen2Config(**SIZES, tie_word_embeddings=True), values)
    for name, text in files.items():
        (folder / name.replace("_dot_", ".")).write_text(text, encoding="utf-8")
    gguf_from_language(source, folder / "llm.gguf", "f16", STOP)
    return folder / "llm.gguf"


def text_of(path: Path, key: str) -> Any:
    field = gguf.GGUFReader(path).fields[key]
    return field.contents()


@pytest.mark.parametrize("pre", ["qwen2", "llama-bpe", "smaug-bpe", "gpt-2", "smollm"])
def test_each_way_to_split_text_is_llama_cpps_of_that_name(pre: str, tmp_path: Path) -> None:
    values = tokenizer_values(pre)
    path = exported(tmp_path, values)
    assert text_of(path, "tokenizer.ggml.pre") == pre
    with LanguageModel.open(path, CONFIG) as language:
        found = tokenizer_parity(language, json.dumps(values))
        assert found.differing == found.not_restored == 0, found.examples

        @given(st.lists(st.text(max_size=12), max_size=20))
        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        def any_text(texts: list[str]) -> None:
            assert tokenizer_parity(language, json.dumps(values), texts).examples == ()

        any_text()


def test_text_is_composed_where_the_tokenizer_does(tmp_path: Path) -> None:
    values = tokenizer_values() | {"normalizer": {"type": "NFC"}}
    with LanguageModel.open(exported(tmp_path, values), CONFIG) as language:
        assert language.tokenize("e\u0301") == language.tokenize("\u00e9")
        found = tokenizer_parity(language, json.dumps(values))
        assert found.differing == found.not_restored == 0, found.examples


def test_a_token_that_is_not_special_is_one_in_plain_text(tmp_path: Path) -> None:
    values = tokenizer_values()
    thought = next(token for token in values["added_tokens"] if token["content"] == "<|endoftext|>")
    thought |= {"content": "<think>", "special": False, "normalized": False}
    with LanguageModel.open(exported(tmp_path, values), CONFIG) as language:
        assert language.tokenize("<think>") == [thought["id"]]
        assert language.piece(thought["id"]) == b"<think>"
        assert tokenizer_parity(language, json.dumps(values)).examples == ()


def test_the_token_before_every_text_is_told(tmp_path: Path) -> None:
    path = exported(tmp_path, with_bos(tokenizer_values("llama-bpe")))
    tokens = text_of(path, "tokenizer.ggml.tokens")
    assert text_of(path, "tokenizer.ggml.add_bos_token") is True
    assert tokens[text_of(path, "tokenizer.ggml.bos_token_id")] == "<|endoftext|>"
    assert tokens[text_of(path, "tokenizer.ggml.eos_token_id")] == STOP


@pytest.mark.parametrize(
    "files",
    [
        {"chat_template_dot_jinja": TEMPLATE},
        {"tokenizer_config_dot_json": json.dumps({"chat_template": TEMPLATE})},
        {
            "tokenizer_config_dot_json": json.dumps(
                {
                    "chat_template": [
                        {"name": "tools", "template": "x"},
                        {"name": "default", "template": TEMPLATE},
                    ]
                }
            )
        },
    ],
)
def test_the_chat_template_is_carried_over_as_it_is(files: dict[str, str], tmp_path: Path) -> None:
    assert text_of(exported(tmp_path, tokenizer_values(), **files), "tokenizer.chat_template") == TEMPLATE


def test_without_a_chat_template_there_is_none(tmp_path: Path) -> None:
    assert read_chat_template(tmp_path) is None
    assert "tokenizer.chat_template" not in gguf.GGUFReader(exported(tmp_path, tokenizer_values())).fields


def _changed(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    *outer, last = path.split(".")
    place: Any = values
    for key in outer:
        place = place[int(key) if key.isdigit() else key]
    place[int(last) if last.isdigit() else last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("model.byte_fallback", True, "found SentencePiece's"),
        ("model.type", "Unigram", "wants a BPE model, found 'Unigram'"),
        ("model.dropout", 0.1, "wants no dropout"),
        ("model.ignore_merges", True, "wants a pre-tokenizer of Qwen2"),
        ("model.merges", [], "wants at least one merge"),
        ("model.merges.0", "a b c", "wants merges of two"),
        ("normalizer", {"type": "Lowercase"}, "wants no normalizer or NFC, found 'Lowercase'"),
        ("pre_tokenizer", None, "wants a pre-tokenizer of Qwen2"),
        ("pre_tokenizer", {"type": "Metaspace"}, "wants a pre-tokenizer of Qwen2"),
        ("pre_tokenizer.pretokenizers.0.behavior", "Removed", "wants a pre-tokenizer of Qwen2"),
        ("pre_tokenizer.pretokenizers.1.add_prefix_space", True, "wants a pre-tokenizer of Qwen2"),
        ("added_tokens.0.lstrip", True, "wants no token with lstrip"),
        ("added_tokens.0.id", 2**70, "wants ids below vocab_size 512"),
        ("added_tokens.0.id", "0", "wants ids below vocab_size 512"),
        ("added_tokens.0.content", "<|im_end|>", r"each token once, found '<\|im_end\|>' twice"),
        ("model.vocab.日本", 500, "wants tokens of byte-level characters"),
        ("added_tokens", None, "wants a tokenizers file"),
        ("model", [], "wants a tokenizers file"),
    ],
)
def test_what_llama_cpp_would_read_otherwise_is_refused(
    path: str, value: Any, sentence: str, tmp_path: Path
) -> None:
    values = _changed(tokenizer_values(), path, value)
    (tmp_path / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(CheckpointError, match=sentence):
        read_table(tmp_path, VOCAB_SIZE)


def test_a_byte_without_a_token_is_refused(tmp_path: Path) -> None:
    values = tokenizer_values()
    del values["model"]["vocab"]["!"]
    values["model"]["merges"] = [merge for merge in values["model"]["merges"] if "!" not in "".join(merge)]
    (tmp_path / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(CheckpointError, match="wants a token for each byte, found none for '!'"):
        read_table(tmp_path, VOCAB_SIZE)


def test_sentencepiece_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"\x0a")
    with pytest.raises(CheckpointError, match=r"found SentencePiece's tokenizer\.model"):
        read_table(tmp_path, VOCAB_SIZE)


@given(
    data=st.recursive(
        st.none() | st.text(max_size=3) | st.integers(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["model", "type", "vocab", "merges", "added_tokens", "pre_tokenizer", "id", "content"]
                ),
                inner,
            )
        ),
    )
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_is_read_or_refused(data: Any, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(CheckpointError):
        read_table(tmp_path, VOCAB_SIZE)
