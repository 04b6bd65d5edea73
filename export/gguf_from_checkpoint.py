"""The checkpoint's language model and tokenizer -> one GGUF file that llama.cpp opens.

Key and tensor names as llama.cpp's converter writes them for Qwen2 (gguf's own tables hold them).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType

from magno.export.checkpoint import TOKENIZER, Checkpoint, CheckpointError, load_checkpoint

LLM_TYPES = {
    "f16": (LlamaFileType.MOSTLY_F16, np.dtype(np.float16), GGMLQuantizationType.F16),
    "f32": (LlamaFileType.ALL_F32, np.dtype(np.float32), GGMLQuantizationType.F32),
}
# llama.cpp splits text by its own hand-written rule for the name "qwen2"; this is the pattern it stands for.
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def gguf_from_checkpoint(checkpoint: Path | Checkpoint, out: Path, llm_type: str = "f16") -> None:
    """Write `out`: matrices in `llm_type`, norms and biases in float32, no output matrix when tied.

    Raises CheckpointError for a model or tokenizer that llama.cpp's qwen2 would run differently.
    """
    if llm_type not in LLM_TYPES:
        raise CheckpointError(f"llm_type wants one of {', '.join(LLM_TYPES)}, found {llm_type!r}.")
    loaded = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint)
    writer = GGUFWriter(out, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.QWEN2])
    try:
        _add_model(writer, loaded, llm_type)
        _add_tokenizer(writer, loaded)
        _add_tensors(writer, loaded, llm_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _add_model(writer: GGUFWriter, checkpoint: Checkpoint, llm_type: str) -> None:
    config = checkpoint.model.language.config
    # transformers before 5 has the bare rope_theta.
    rope = getattr(config, "rope_parameters", None) or {"rope_theta": config.rope_theta}
    for name, wanted, found in (
        ("rope_type", "default", rope.get("rope_type", "default")),
        ("use_sliding_window", False, config.use_sliding_window),
        ("hidden_act", "silu", config.hidden_act),
    ):
        if found != wanted:
            raise CheckpointError(
                f"text_config.{name} wants {wanted!r} for llama.cpp's qwen2, found {found!r}."
            )
    writer.add_name(checkpoint.config.name)
    writer.add_file_type(LLM_TYPES[llm_type][0])
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)


def _add_tokenizer(writer: GGUFWriter, checkpoint: Checkpoint) -> None:
    try:
        values = json.loads(checkpoint.tokenizer_json)
        model, added = values["model"], values["added_tokens"]
        _check_tokenizer(values)
        merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
        tokens, kinds = _token_table(model["vocab"], added, checkpoint.config.text["vocab_size"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{TOKENIZER} wants a tokenizers file with a BPE model: {error!r:.200}."
        ) from error
    if not merges:
        raise CheckpointError(
            f"{TOKENIZER} wants at least one merge, found none: llama.cpp refuses an empty list."
        )
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    stop = checkpoint.config.layout.stop_text
    if stop not in tokens:
        raise CheckpointError(f"{TOKENIZER} wants the token {stop!r} (layout.stop_text), found none.")
    writer.add_eos_token_id(tokens.index(stop))
    pad = "<|endoftext|>" if "<|endoftext|>" in tokens else stop
    writer.add_pad_token_id(tokens.index(pad))
    writer.add_add_bos_token(False)


def _check_tokenizer(values: dict[str, Any]) -> None:
    """Refuse what llama.cpp would tokenize otherwise than `tokenizers` does."""
    if values["model"].get("type") != "BPE":
        raise CheckpointError(f"{TOKENIZER} wants a BPE model, found {values['model'].get('type')!r}.")
    splits = (values.get("pre_tokenizer") or {}).get("pretokenizers", [])
    patterns = [split["pattern"].get("Regex") for split in splits if split.get("type") == "Split"]
    if patterns != [QWEN2_SPLIT] or splits[-1].get("type") != "ByteLevel":
        raise CheckpointError(
            f"{TOKENIZER} wants Qwen2's pre-tokenizer (its Split pattern, then ByteLevel), found another: "
            "llama.cpp would split text differently from training."
        )


def _token_table(
    vocab: dict[str, int], added: list[dict[str, Any]], size: int
) -> tuple[list[str], list[int]]:
    """Token texts and types by id; ids nobody uses are named [PADn]."""
    by_id = {index: (text, TokenType.NORMAL) for text, index in vocab.items()}
    for token in added:
        by_id[token["id"]] = (token["content"], TokenType.CONTROL)
    if by_id and max(by_id) >= size:
        raise CheckpointError(
            f"{TOKENIZER} wants ids below text_config.vocab_size {size}, found {max(by_id)}."
        )
    table = [by_id.get(index, (f"[PAD{index}]", TokenType.UNUSED)) for index in range(size)]
    return [text for text, _ in table], [int(kind) for _, kind in table]


def _add_tensors(writer: GGUFWriter, checkpoint: Checkpoint, llm_type: str) -> None:
    language = checkpoint.model.language
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, language.config.num_hidden_layers)
    _, dtype, raw_type = LLM_TYPES[llm_type]
    for name, tensor in language.state_dict().items():
        if name == "lm_head.weight" and language.config.tie_word_embeddings:
            continue
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise CheckpointError(f"{name} wants a place in llama.cpp's qwen2, found none.")
        values = tensor.detach().numpy()
        if values.ndim == 1:
            writer.add_tensor(target, values.astype(np.float32), raw_dtype=GGMLQuantizationType.F32)
        else:
            writer.add_tensor(target, values.astype(dtype), raw_dtype=raw_type)
