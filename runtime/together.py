"""Several sequences grow in one native step, each by its own tokens: a step's fixed cost is paid once.

Knows no llama.cpp: what is native is the model's.
"""

from __future__ import annotations

from dataclasses import dataclass

from magno.runtime.language import LanguageModel
from magno.runtime.native_batch import Part
from magno.runtime.sequence import LanguageError, Sequence, cache_full, check_logits


@dataclass(frozen=True, slots=True)
class Share:
    """What one sequence brings to a native step."""

    sequence: Sequence
    tokens: list[int]  # one or more
    want_logits: bool


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of the shares."""

    faults: list[LanguageError | None]  # in their order; a sequence with a fault is as it was
    as_one: bool  # whether it was one native step


def append_together(model: LanguageModel, shares: list[Share]) -> Appended:
    """As `Sequence.append` for each of the shares, in one native step of at most batch_tokens.

    Where it cannot be made as one (cells are lacking, llama.cpp refuses, a sequence is released), each share is
    appended alone, in the order given: what is wrong with one harms no other.
    """
    try:
        with model._exclusive():
            return Appended(_in_one_step(model, shares), True)
    except LanguageError:
        return Appended([_alone(share) for share in shares], len(shares) == 1)


def _alone(share: Share) -> LanguageError | None:
    try:
        share.sequence.append(share.tokens, want_logits=share.want_logits)
    except LanguageError as error:
        return error
    return None


def _in_one_step(model: LanguageModel, shares: list[Share]) -> list[LanguageError | None]:
    _check(model, shares)
    parts = [
        Part(share.sequence._id, share.tokens, share.sequence.position, share.want_logits) for share in shares
    ]
    try:
        logits = model._decode(parts)
    except BaseException:
        for part in parts:
            model._drop(part.sequence_id, part.position, -1)
        raise
    faults: list[LanguageError | None] = []
    for share, part, found in zip(shares, parts, logits, strict=True):
        try:
            check_logits(found)
        except LanguageError as error:  # its embeddings were bad: no matter of the others
            model._drop(part.sequence_id, part.position, -1)
            faults.append(error)
        else:
            share.sequence._grown(part.position, part.position + len(share.tokens), found)
            faults.append(None)
    return faults


def _check(model: LanguageModel, shares: list[Share]) -> None:
    if len({id(share.sequence) for share in shares}) < len(shares):
        raise LanguageError("A native step wants each sequence once, found one twice: append one by one.")
    for share in shares:
        share.sequence._check_live()
        model._check_tokens(share.tokens)
        if not share.tokens:
            raise LanguageError("A share of a native step wants a token or more, found none: leave it out.")
    wanted = sum(len(share.tokens) for share in shares)
    if wanted > model.free_tokens:
        raise cache_full(wanted, model.free_tokens)
    if wanted > model.config.batch_tokens:
        raise LanguageError(
            f"A native step wants {model.config.batch_tokens} tokens at most, found {wanted}: share it out."
        )
