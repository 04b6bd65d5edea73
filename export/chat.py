"""The texts around a stream and a question: each by the special tokens that a tokenizer has. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from magno.export.errors import CheckpointError
from magno.export.weights.json_file import read_json

TOKENIZER = "tokenizer.json"
SYSTEM = "You are a helpful assistant."  # LLaVA-Video's and Qwen2's own


@dataclass(frozen=True, slots=True)
class Chat:
    """System text, then the stream, then the question."""

    system: str
    question_prefix: str
    question_suffix: str
    stop: str  # the special token that ends an answer
    turn_prefix: str  # between that and the next question of a conversation


# A special token -> the template that it belongs to.
CHATS = {
    "<|im_start|>": Chat(
        system=f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n",
        question_prefix="\n",
        question_suffix="<|im_end|>\n<|im_start|>assistant\n",
        stop="<|im_end|>",
        turn_prefix="\n<|im_start|>user\n",
    ),
    "<|start_header_id|>": Chat(
        system="<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
        f"{SYSTEM}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
        question_prefix="\n",
        question_suffix="<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        stop="<|eot_id|>",
        turn_prefix="<|start_header_id|>user<|end_header_id|>\n\n",
    ),
}
# A model that may think would spend the deadline on it: told to have thought already, as its own template does.
THINK, THOUGHT = "<think>", "<think>\n\n</think>\n\n"


def chat_of(folder: Path) -> Chat:
    """The texts for the tokenizer in `folder`. Raises CheckpointError."""
    specials = _specials(read_json(folder / TOKENIZER))
    for token, chat in CHATS.items():
        if token in specials and chat.stop in specials:
            if THINK in specials:
                return replace(chat, question_suffix=chat.question_suffix + THOUGHT)
            return chat
    raise CheckpointError(
        f"{folder / TOKENIZER} wants the special tokens of a chat ({' or '.join(CHATS)}), found none of them: "
        "name a model that was trained on one."
    )


def _specials(values: Any) -> set[str]:
    added = values.get("added_tokens") if isinstance(values, dict) else None
    if not isinstance(added, list):
        return set()
    return {str(token.get("content")) for token in added if isinstance(token, dict)}
