"""The bundle of the golden trace: the tiny model, with a layout and a tokenizer that stay as they are whatever becomes
of the pocket model's."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from magno.export.bundle_from_checkpoint import bundle_from_checkpoint
from magno.export.checkpoint import save_checkpoint
from magno.runtime.spec import TokenLayout
from tests.tiny import CODEC, TINY, tiny_model

TOKENIZER = Path(__file__).parent / "tokenizer.json"
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


def golden_bundle(folder: Path) -> Path:
    """Made in `folder`."""
    model = tiny_model(dataclasses.replace(TINY, layout=LAYOUT))
    save_checkpoint(folder / "checkpoint", model, TOKENIZER.read_text(encoding="utf-8"))
    return bundle_from_checkpoint(folder / "checkpoint", folder / "bundle", llm_type="f32")
