"""The reference checkpoint's configuration. Sizes and texts, nothing else."""

from __future__ import annotations

from magno.export.model import CheckpointConfig, DeltaConfig
from magno.runtime.spec import CodecSpec, TokenLayout
from magno.runtime.units import ResidualKind
from magno.training.questions.words import SYSTEM

VOCAB_LIMIT = 768

CODEC = CodecSpec(
    image_px=128,
    patch_px=16,
    motion_grid=32,
    motion_scale_px=2.0,
    motion_clip=8.0,
    residual_scale=64.0,
    window_pictures=8,
    windows_per_gop=4,
    residual_kinds=(ResidualKind.PIXEL_MC,),
)

# As short as can be: each question's own tokens are what it waits for.
LAYOUT = TokenLayout(
    system_text=f"<|im_start|>{SYSTEM}<|im_end|>",
    keyframe_text="<|keyframe|>",
    keyframe_tokens=CODEC.patches**2,
    window_tokens=8,
    question_prefix="<|im_start|>",
    question_suffix="<|im_end|>",
    stop_text="<|im_end|>",
    cut_text="<|cut|>",
    time_periods_s=(4.0, 16.0, 64.0, 256.0),
    # when.TELLS_STOPS: mostly in the middle of the window before; when.TELLS_ARRIVALS: of its own.
    time_lags=(0.0, 0.0, 0.0, 0.0, 1.5, 0.5, 0.0, 0.0),
)

EMBED_DIM = 256
DELTA = DeltaConfig(
    width=192, layers=2, heads=6, motion_queries=4, residual_queries=4, stem_channels=(16, 32, 64, 96)
)


def pocket_config(vocab_size: int, stop_token: int, pad_token: int) -> CheckpointConfig:
    """The pocket checkpoint for a tokenizer of this size."""
    return CheckpointConfig(
        name="pocket",
        vision={
            "image_size": CODEC.image_px,
            "patch_size": CODEC.patch_px,
            "hidden_size": 192,
            "intermediate_size": 768,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "vision_use_head": False,
        },
        text={
            "vocab_size": vocab_size,
            "hidden_size": EMBED_DIM,
            "intermediate_size": 512,
            "num_hidden_layers": 6,
            # Wide heads that turn slowly: what is alike is found by likeness over the whole stream. Of 32 columns at
            # 10,000, only four keep still over an evicted span.
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "rope_theta": 1_000_000.0,
            "max_position_embeddings": 4096,
            "tie_word_embeddings": False,
            "bos_token_id": None,
            "eos_token_id": stop_token,
            "pad_token_id": pad_token,
        },
        delta=DELTA,
        codec=CODEC,
        layout=LAYOUT,
    )
