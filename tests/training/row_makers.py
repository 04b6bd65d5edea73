"""What makes rows of a shard's clips, with the reference model's own words and layout."""

from __future__ import annotations

from magno.training.pocket import LAYOUT
from magno.training.rows import Rows
from magno.training.tokenizer import build_tokenizer


def rows_of(questions: int, *, train: bool = False) -> Rows:
    """`questions` a row at most."""
    tokenizer = build_tokenizer(768)
    return Rows(
        lambda text: tokenizer.encode(text, add_special_tokens=False).ids, LAYOUT, questions, train=train
    )
