"""Language models and tokenizers small enough to make in a test."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from magno.export.language.pretokenizer import LLAMA3_SPLIT, QWEN2_SPLIT
from magno.export.language_part import open_language
from magno.export.source import LanguageSource
from tests.tiny import TOKENIZER, VOCAB_SIZE

STOP = "<|im_end|>"
SIZES = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}


def tokenizer_values(pre: str = "qwen2") -> dict[str, Any]:
    """tokenizer.json in the manner of what llama.cpp calls `pre`."""
    values: dict[str, Any] = json.loads(_qwen2())
    if pre in ("llama-bpe", "smaug-bpe"):
        values["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = LLAMA3_SPLIT
        values["model"]["ignore_merges"] = pre == "llama-bpe"
    elif pre == "gpt-2":
        values["pre_tokenizer"] = BYTE_LEVEL
    elif pre == "smollm":
        digits = {"type": "Digits", "individual_digits": True}
        values["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, BYTE_LEVEL]}
    return values


@cache
def _qwen2() -> str:
    text: str = TOKENIZER
    assert json.loads(text)["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] == QWEN2_SPLIT
    return text


def with_bos(values: dict[str, Any], token: str = "<|endoftext|>") -> dict[str, Any]:
    """A tokenizer whose post-processor puts `token` before every text, as Llama 3's does."""
    index = next(added["id"] for added in values["added_tokens"] if added["content"] == token)
    one, other = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}
    return values | {
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": token, "type_id": 0}}, one],
            "pair": [one, other],
            "special_tokens": {token: {"id": token, "ids": [index], "tokens": [token]}},
        }
    }


def tiny_language(
    folder: Path, config: Any, values: dict[str, Any] | None = None, dtype: torch.dtype = torch.float32
) -> LanguageSource:
    """Random weights of `config` and a tokenizer in `folder`, opened as a source."""
    torch.manual_seed(20260213)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, 0.08)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.to(dtype).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(values or tokenizer_values()), encoding="utf-8")
    return open_language(folder)
