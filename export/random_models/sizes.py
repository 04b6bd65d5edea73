"""config.json of real models, as their publishers have it, and a narrow version of each for tests. Data, no more."""

from __future__ import annotations

from typing import Any

Sizes = dict[str, Any]

SIGLIP_BASE: Sizes = {  # google/siglip-base-patch16-224
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 16,
}
SIGLIP: dict[str, Sizes] = {
    "siglip-so400m-14-384": {  # google/siglip-so400m-patch14-384
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 384,
        "patch_size": 14,
    },
    "siglip-base-16-224": SIGLIP_BASE,
    "siglip2-base": SIGLIP_BASE,  # google/siglip2-base-patch16-224: the same tower, trained otherwise
}
LANGUAGE: dict[str, Sizes] = {
    "qwen2-0.5b": {  # Qwen/Qwen2-0.5B-Instruct
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": True,
    },
    "qwen2-7b-4-layers": {  # Qwen/Qwen2-7B-Instruct, cut to its first four layers
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 4,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": False,
    },
    "qwen3-0.6b": {  # Qwen/Qwen3-0.6B
        "model_type": "qwen3",
        "architectures": ["Qwen3ForCausalLM"],
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151936,
        "max_position_embeddings": 40960,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": True,
    },
    "llama-3.2-1b": {  # meta-llama/Llama-3.2-1B-Instruct
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5,
        "rope_theta": 500000.0,
        "rope_scaling": {
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        "tie_word_embeddings": True,
    },
}
# What LLaVA adds to its language model's configuration: lmms-lab/LLaVA-Video-7B-Qwen2.
LLAVA: Sizes = {
    "model_type": "llava",
    "architectures": ["LlavaQwenForCausalLM"],
    "mm_vision_tower": "google/siglip-so400m-patch14-384",
    "mm_hidden_size": 1152,
    "mm_projector_type": "mlp2x_gelu",
    "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "patch",
    "mm_spatial_pool_mode": "bilinear",
    "mm_spatial_pool_stride": 2,
    "mm_newline_position": "grid",
    "mm_patch_merge_type": "spatial_unpad",
    "add_faster_video": False,
    "image_aspect_ratio": "anyres_max_9",
}
TINY_VISION: Sizes = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 64,
    "patch_size": 12,  # five whole patches, and four pixels that are not seen, as so400m has six
}
TINY_LANGUAGE: Sizes = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 512,
    "max_position_embeddings": 2048,
}
TINY_HEAD_DIM = 16
TINY_SCALED_CONTEXT = 16384  # beyond what Llama's scaling begins at


def language_sizes(name: str, tiny: bool) -> Sizes:
    """config.json of a language model."""
    sizes = dict(LANGUAGE[name])
    if tiny:
        sizes |= TINY_LANGUAGE
        sizes |= {"head_dim": TINY_HEAD_DIM} if "head_dim" in sizes else {}
        sizes |= {"max_position_embeddings": TINY_SCALED_CONTEXT} if "rope_scaling" in sizes else {}
    return sizes
