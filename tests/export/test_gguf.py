"""llama.cpp reads what was trained: the same tokens from text, the same logits from tokens."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from magno.export.checkpoint import TOKENIZER, Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from magno.export.gguf_from_checkpoint import gguf_from_checkpoint
from magno.export.verify.tolerance import check
from magno.runtime.language import LanguageConfig, LanguageModel
from tests.tiny import LAYOUT, tiny_model

CONFIG = LanguageConfig(context_tokens=256, max_sequences=2, threads=1, batch_tokens=64)
PROMPT = [509, 82, 88, 341, 76, 198, 56, 78, 84, 264, 285, 268, 360, 458, 493, 13]
AWKWARD = (
    "",
    " ",
    "   leading and trailing   ",
    "\n\n\n",
    "a\r\nb\r\n\r\nc",
    "tab\tand\u00a0no-break\u2003em space",
    "Which way is the red square moving?",
    "don't DON'T we'Ll I'D they've'",
    "1234567890 3.14 ½ ² ٣",
    "naïve café — “quoted” …",
    "e\u0301 decomposed, \u00e9 composed",
    "日本語のテキスト、中文。",
    "Ελληνικά العربية עברית हिन्दी ไทย",
    "👩‍🚀🚗🏳️‍🌈",
    "\x00\x01\x7f",
    "\ufeffbom \u200bzero width \u202ereversed",
    "<|im_start|> as text <|im_end|>",
    "<|im_start",
    "!!!??? ... --- ###\n  indented",
    "x" * 300,
)


@pytest.fixture(scope="module")
def checkpoint(tiny_folder: Path) -> Checkpoint:
    return load_checkpoint(tiny_folder)


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Checkpoint) -> Tokenizer:
    return Tokenizer.from_str(checkpoint.tokenizer_json)


@pytest.fixture(scope="module")
def plain(checkpoint: Checkpoint) -> Tokenizer:
    """The tokenizer without its special tokens, so that their names are plain text."""
    return Tokenizer.from_str(json.dumps(json.loads(checkpoint.tokenizer_json) | {"added_tokens": []}))


@pytest.fixture(scope="module")
def language(tiny_gguf: Path) -> Any:
    with LanguageModel.open(tiny_gguf, CONFIG) as opened:
        yield opened


@pytest.mark.parametrize("text", AWKWARD)
def test_text_has_the_tokens_it_had_in_training(language: LanguageModel, plain: Tokenizer, text: str) -> None:
    found = language.tokenize(text)
    assert found == plain.encode(text).ids
    assert b"".join(language.piece(token) for token in found) == text.encode()


@given(text=st.text(max_size=24))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_has_the_tokens_it_had_in_training(
    language: LanguageModel, plain: Tokenizer, text: str
) -> None:
    assert language.tokenize(text) == plain.encode(text).ids


def test_the_layouts_texts_have_the_tokens_they_had_in_training(
    language: LanguageModel, tokenizer: Tokenizer
) -> None:
    for text in (
        LAYOUT.system_text,
        LAYOUT.keyframe_text,
        LAYOUT.question_suffix,
        "a<|im_end|>\n<|keyframe|>b",
    ):
        assert language.tokenize(text, special=True) == tokenizer.encode(text).ids
    (stop,) = language.tokenize(LAYOUT.stop_text, special=True)
    assert language.is_end(stop)


def logits_of(path: Path) -> np.ndarray:
    with LanguageModel.open(path, CONFIG) as model, model.open_sequence() as sequence:
        rows = []
        for token in PROMPT:
            sequence.append([token], want_logits=True)
            rows.append(sequence.logits())
    return np.array(rows)


@pytest.mark.parametrize("llm_type", ["f32", "f16"])
def test_logits_are_those_of_transformers(checkpoint: Checkpoint, tmp_path: Path, llm_type: str) -> None:
    out = tmp_path / "llm.gguf"
    gguf_from_checkpoint(checkpoint, out, llm_type)
    with torch.no_grad():
        wanted = checkpoint.model.language(torch.tensor([PROMPT])).logits[0].numpy()
    check("llm.gguf", f"gguf {llm_type}", wanted, logits_of(out))


def test_an_untied_output_matrix_is_exported(tmp_path: Path, checkpoint: Checkpoint) -> None:
    config = dataclasses.replace(
        checkpoint.config, text=checkpoint.config.text | {"tie_word_embeddings": False}
    )
    save_checkpoint(tmp_path, tiny_model(config), checkpoint.tokenizer_json)
    gguf_from_checkpoint(tmp_path, tmp_path / "llm.gguf", "f32")
    with torch.no_grad():
        wanted = load_checkpoint(tmp_path).model.language(torch.tensor([PROMPT])).logits[0].numpy()
    check("llm.gguf", "gguf f32", wanted, logits_of(tmp_path / "llm.gguf"))


def test_the_file_has_one_embedding_table_and_float32_norms(checkpoint: Checkpoint, tmp_path: Path) -> None:
    gguf_from_checkpoint(checkpoint, tmp_path / "llm.gguf", "f16")
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "llm.gguf").tensors}
    assert "output.weight" not in tensors
    assert tensors["token_embd.weight"].tensor_type == gguf.GGMLQuantizationType.F16
    for name in ("output_norm.weight", "blk.0.attn_q.bias", "blk.1.ffn_norm.weight"):
        assert tensors[name].tensor_type == gguf.GGMLQuantizationType.F32, name


def test_writing_twice_gives_the_same_bytes(checkpoint: Checkpoint, tmp_path: Path) -> None:
    for name in "ab":
        gguf_from_checkpoint(checkpoint, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def _without_merges(values: Any) -> None:
    values["model"]["merges"] = []


def _another_split(values: Any) -> None:
    values["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\w+"


def _word_piece(values: Any) -> None:
    values["model"]["type"] = "WordPiece"


def _beyond_the_vocabulary(values: Any) -> None:
    values["model"]["vocab"]["zzz"] = 99_999


def _without_stop(values: Any) -> None:
    values["added_tokens"] = [token for token in values["added_tokens"] if token["content"] != "<|im_end|>"]
    values["model"]["vocab"].pop("<|im_end|>", None)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_without_merges, "wants at least one merge"),
        (_another_split, "wants a pre-tokenizer of Qwen2"),
        (_word_piece, "wants a BPE model, found 'WordPiece'"),
        (_beyond_the_vocabulary, r"wants ids below vocab_size 512 of config.json, found 99999"),
        (_without_stop, r"wants the token '<\|im_end\|>'"),
        (lambda values: values.clear(), "wants a tokenizers file"),
    ],
)
def test_a_tokenizer_that_llama_cpp_would_read_otherwise_is_refused(
    checkpoint: Checkpoint, tmp_path: Path, change: Any, sentence: str
) -> None:
    values = json.loads(checkpoint.tokenizer_json)
    change(values)
    save_checkpoint(tmp_path, checkpoint.model, json.dumps(values))
    with pytest.raises(CheckpointError, match=sentence):
        gguf_from_checkpoint(tmp_path, tmp_path / "llm.gguf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors", TOKENIZER]


def test_another_type_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"llm_type wants one of f32, bf16, f16, q8_0, .*, found 'q4_k'"
    ):
        gguf_from_checkpoint(checkpoint, tmp_path / "llm.gguf", "q4_k")
