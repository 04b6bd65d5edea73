"""A checkpoint small enough to make in every test session: random weights, a real tokenizer. Its texts and tokenizer
stay as they are whatever becomes of the pocket model's, so that what it says stays too."""

from __future__ import annotations

from pathlib import Path

import torch

from magno.export.checkpoint import save_checkpoint
from magno.export.model import CheckpointConfig, DeltaConfig, MagnoModel
from magno.runtime.spec import CodecSpec, ResidualKind, TokenLayout

VOCAB_SIZE = 512
EMBED_DIM = 64
CODEC = CodecSpec(
    image_px=64,
    patch_px=16,
    motion_grid=8,
    motion_scale_px=4.0,
    motion_clip=8.0,
    residual_scale=32.0,
    window_pictures=4,
    windows_per_gop=4,
    residual_kinds=(ResidualKind.PIXEL_MC,),
)
LAYOUT = TokenLayout(
    system_text="<|im_start|>system\nYou watch a camera.<|im_end|>\n<|im_start|>user\n",
    keyframe_text="<|keyframe|>",
    keyframe_tokens=CODEC.patches**2,
    window_tokens=8,
    question_prefix="\n",
    question_suffix="<|im_end|>\n<|im_start|>assistant\n",
    stop_text="<|im_end|>",
    turn_prefix="\n<|im_start|>user\n",
)
TOKENIZER = (
    Path(__file__).with_name("tiny_tokenizer.json").read_text(encoding="utf-8")
)  # of VOCAB_SIZE tokens
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": CODEC.image_px,
    "patch_size": CODEC.patch_px,
    "vision_use_head": False,
}
TEXT = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": EMBED_DIM,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}
DELTA = DeltaConfig(
    width=32, layers=1, heads=4, motion_queries=4, residual_queries=4, stem_channels=(8, 16, 16, 32)
)
TINY = CheckpointConfig("tiny", VISION, TEXT, DELTA, CODEC, LAYOUT)


def tiny_model(config: CheckpointConfig = TINY) -> MagnoModel:
    """Random weights, the same every time; spread enough that answers differ from prompt to prompt."""
    torch.manual_seed(20260213)
    model = MagnoModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.1)
            elif name.startswith("language.") and parameter.ndim == 2:
                parameter.normal_(0.0, 0.08)
    return model


def tiny_checkpoint(folder: Path) -> Path:
    """Write the tiny checkpoint into `folder`, and give it back."""
    save_checkpoint(folder, tiny_model(), TOKENIZER)
    return folder
