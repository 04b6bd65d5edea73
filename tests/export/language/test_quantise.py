"""llama.cpp's own quantiser makes files that it reads, the same every time."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import llama_cpp
import pytest
import torch
from transformers import Qwen2Config

from magno.export.errors import CheckpointError
from magno.export.gguf_from_checkpoint import QUANTISE, WRITE, gguf_from_language
from magno.export.language.llm_types import QUANTISED
from magno.export.language.quantise import quantise
from magno.export.source import LanguageSource
from magno.export.torch_modules import torch_language
from magno.export.verify.language_parity import language_parity
from tests.export.language.tiny import SIZES, STOP, tiny_language, tokenizer_values


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> LanguageSource:
    config = Qwen2Config(**SIZES, tie_word_embeddings=True)
    return tiny_language(tmp_path_factory.mktemp("language"), config, dtype=torch.bfloat16)


def test_types_are_llama_cpps() -> None:
    for name, number in QUANTISED.items():
        assert getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{name.upper()}") == number


@pytest.mark.parametrize(
    ("llm_type", "most_kl"), [("f16", 1e-5), ("bf16", 1e-4), ("q8_0", 1e-3), ("q4_k_m", 0.02)]
)
def test_a_smaller_type_is_near_the_model(
    source: LanguageSource, llm_type: str, most_kl: float, tmp_path: Path
) -> None:
    gguf_from_language(source, tmp_path / "llm.gguf", llm_type, STOP)
    found = language_parity(torch_language(source), json.dumps(tokenizer_values()), tmp_path / "llm.gguf")
    assert found.mean_kl < most_kl
    assert found.tokenizer.differing == found.tokenizer.not_restored == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["llm.gguf"]


def test_quantising_twice_gives_the_same_bytes_and_says_how_far_it_is(
    source: LanguageSource, tmp_path: Path
) -> None:
    steps: list[tuple[str, int, int]] = []
    for name in "ab":
        gguf_from_language(source, tmp_path / name, "q4_k_m", STOP, lambda *step: steps.append(step))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    tensors = len(gguf.GGUFReader(tmp_path / "a").tensors)
    assert (WRITE, tensors, tensors) in steps and (QUANTISE, tensors, tensors) in steps


def test_what_llama_cpp_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "in.gguf").write_bytes(b"nothing")
    with pytest.raises(
        CheckpointError, match=r"^out\.gguf wants to be quantised to q8_0, found llama.cpp refuse: .*in\.gguf"
    ):
        quantise(tmp_path / "in.gguf", tmp_path / "out.gguf", "q8_0", lambda done, total: None)


def test_a_weight_beyond_half_precision_is_named(tmp_path: Path) -> None:
    config = Qwen2Config(**SIZES, tie_word_embeddings=True)
    tiny_language(tmp_path, config)
    from safetensors.torch import load_file, save_file

    from magno.export.language_part import open_language

    weights = load_file(tmp_path / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 5] = 1e5
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    source = open_language(tmp_path)
    with pytest.raises(CheckpointError, match=r"blk\.1\.ffn_up\.weight wants weights within float16's 65504"):
        gguf_from_language(source, tmp_path / "llm.gguf", "f16", STOP)
    gguf_from_language(source, tmp_path / "llm.gguf", "bf16", STOP)
