"""What a question's states are asked for, hop by hop, on the way to its answer; thrown away after training.

A mover's token says which thing it is; so does the question's last token of the thing it asks about. One layer later
a head of attention looks from there at the tokens that show the thing now, and a second one at the window in which
what is asked of happened, or at the other thing where two are compared, and a third one at the newest item; and then
the state says where the thing is, how it moves, and how long ago it happened. Answers follow: without this, attention
was still at chance after an hour.

To find the last of many windows that show a thing is too much for one look. So one token of each window is asked what
has stopped since the window before, with heads sent to the movers of both; another, whether something came; and each
patch, whether its thing is new.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    log_softmax,
    smooth_l1_loss,
)
from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

from magno.training.batches import Batch
from magno.training.elapsed import elapsed_loss
from magno.training.facts import CELLS
from magno.training.grounding import WordHead, Words
from magno.training.guidance import Changed, Guidance
from magno.training.heads import soft_cells
from magno.training.samples import Windows

BEFORE_LAST = 2  # the last layers: one looks for the thing, and one words what was found
NOW, THEN, COUNT, LATEST = 0, 1, 2, 3  # its heads
MOVED, MOVES = 0, 1  # of the layer before it: from what tells of stops, to the movers of two windows
# Column of a row: there attention goes that finds nothing, so that an absence can be read as well.
NOWHERE = 0


class Guide(nn.Module):
    """`losses` of a language model's states on a batch of rows."""

    def __init__(self, width: int, words: Words, periods_s: tuple[float, ...]) -> None:
        super().__init__()
        self.names, self._periods_s = WordHead(words), periods_s
        self.place, self.moves = nn.Linear(width, CELLS**2), nn.Linear(width, 3)
        self.stops, self.came, self.newcomer = (nn.Linear(width, 1) for _ in range(3))
        self.second = nn.Linear(width, width, bias=False)  # where a state keeps the other name of two

    def losses(
        self, language: Any, states: tuple[Tensor, ...], batch: Batch, told: tuple[Tensor, Tensor]
    ) -> dict[str, Tensor]:
        """`states` after each layer, the embeddings first; `told`: which mover each token tells of, and whether
        (heads.MotionHead.loss)."""
        named, found = states[-1 - BEFORE_LAST], states[-BEFORE_LAST]
        movers = _mover_columns(batch, told[0].shape[1])
        compared = _compared(batch, movers, told[1])
        before = states[-2 - BEFORE_LAST]
        return {
            "names": self._names(named, language.get_input_embeddings().weight, batch, movers, told),
            "looks": self._looks(language, named, batch, NOW, _shown(batch, movers, told))
            + self._looks(language, named, batch, THEN, _happened(batch, movers, told))
            + self._looks(language, named, batch, LATEST, batch.asked.newest)
            + self._counts(language, named, batch)
            + self._compares(language, before, batch, compared),
            "found": self._found(found, batch.asked),
            "ago": self._ago(found, batch.asked),
            "events": self._events(named, language.get_input_embeddings().weight, batch.changed),
        }

    def _names(
        self, states: Tensor, embedded: Tensor, batch: Batch, movers: Tensor, told: tuple[Tensor, Tensor]
    ) -> Tensor:
        chosen, told_of = told
        rows = batch.window_rows.reshape(len(movers), -1, 2)[:, :1, 0].expand_as(movers)
        asked = batch.asked
        at_movers, at_questions = (
            states[rows[told_of], movers[told_of]],
            states[asked.at[:, 0], asked.at[:, 1]],
        )
        looks = torch.stack([names.gather(1, chosen)[told_of] for names in _looks_of(batch.windows)], dim=-1)
        words = asked.sought[:, 0] * asked.named[:, None]
        return (
            self._named(at_movers, looks, embedded)
            + self._named(at_questions, words, embedded)
            + self._named(self.second(at_questions), asked.second, embedded)
        )

    def _named(self, states: Tensor, names: Tensor, embedded: Tensor) -> Tensor:
        """What is not told (0), and things without a colour of their own, are not asked for."""
        total = states.sum() * 0
        for logits, wanted in zip(self.names.logits(states, embedded), names.T, strict=True):
            known = (wanted > 0) & (wanted <= logits.shape[1])
            if bool(known.any()):
                total = total + cross_entropy(logits[known], wanted[known] - 1)
        return total

    def _looks(self, language: Any, states: Tensor, batch: Batch, head: int, shown: Tensor) -> Tensor:
        """How much of its attention each question gives to the tokens that show its thing."""
        some = shown.any(1)
        if not bool(some.any()):
            return states.sum() * 0
        layer = language.model.layers[-BEFORE_LAST]
        given = _given(language, layer, head, states, batch, batch.asked.at[some])
        return -torch.logsumexp(given.masked_fill(~shown[some], -torch.inf), -1).mean()

    def _compares(
        self, language: Any, states: Tensor, batch: Batch, compared: tuple[Tensor, Tensor]
    ) -> Tensor:
        """How much of its attention what tells of stops gives to what moved before, and to what moves."""
        at = batch.changed.stops_at
        if not len(at):
            return states.sum() * 0
        layer = language.model.layers[-1 - BEFORE_LAST]
        lost = torch.zeros(())
        for head, wanted in zip((MOVED, MOVES), compared, strict=True):
            given = _given(language, layer, head, states, batch, at)
            lost = lost - torch.logsumexp(given.masked_fill(~wanted, -torch.inf), -1).mean()
        return lost

    def _counts(self, language: Any, states: Tensor, batch: Batch) -> Tensor:
        """Attention shared out evenly among the things and NOWHERE, whose share then tells how many they are."""
        asked = batch.asked
        if not bool(asked.counts.any()):
            return states.sum() * 0
        wanted = asked.counted[asked.counts]
        wanted[:, NOWHERE] = True
        layer = language.model.layers[-BEFORE_LAST]
        given = _given(language, layer, COUNT, states, batch, asked.at[asked.counts])
        return -(given.masked_fill(~wanted, 0.0).sum(1) / wanted.sum(1)).mean()

    def _found(self, states: Tensor, asked: Guidance) -> Tensor:
        if not bool(asked.in_view.any()):
            return states.sum() * 0
        at = asked.at[asked.in_view]
        state = _normed(states, at)
        spots = soft_cells(asked.place[asked.in_view][None])[0]
        placed = -(log_softmax(self.place(state), -1) * spots).sum(-1).mean()
        moved = smooth_l1_loss(self.moves(state), asked.moves[asked.in_view], reduction="none", beta=0.2)
        return 0.5 * placed + 2 * moved.sum(-1).mean()

    def _events(self, states: Tensor, embedded: Tensor, changed: Changed) -> Tensor:
        """Whether a token tells that something has stopped, and what; another, that something came; and a patch, that
        what lies there is new."""
        total = states.sum() * 0
        if len(changed.stops_at):
            at_stops = _normed(states, changed.stops_at)
            some = (changed.stopped != 0).any(1)
            total = (
                total + self._named(at_stops, changed.stopped, embedded) + _said(self.stops(at_stops), some)
            )
        for head, at, true in (
            (self.came, changed.patches_at, changed.came),
            (self.newcomer, changed.windows_at, changed.newcomer),
        ):
            if len(at):
                total = total + _said(head(_normed(states, at)), true)
        return total

    def _ago(self, states: Tensor, asked: Guidance) -> Tensor:
        known = ~asked.ago_s.isnan()
        if not bool(known.any()):
            return states.sum() * 0
        at = asked.at[known]
        return elapsed_loss(states[at[:, 0], at[:, 1]], self._periods_s, asked.ago_s[known])


def _normed(states: Tensor, at: Tensor) -> Tensor:
    """(N, width) of those at rows and columns (N, 2)."""
    return nn.functional.rms_norm(states[at[:, 0], at[:, 1]], states.shape[-1:])


def _said(logits: Tensor, true: Tensor) -> Tensor:
    """(N, 1) logits of what is seldom true: both kinds weigh alike."""
    lost = binary_cross_entropy_with_logits(logits[:, 0], true.to(logits.dtype), reduction="none")
    return torch.stack([lost[kind].mean() for kind in (true, ~true) if bool(kind.any())]).mean()


def _looks_of(windows: Windows) -> tuple[Tensor, Tensor]:
    return windows.colour, windows.shape


def _mover_columns(batch: Batch, count: int) -> Tensor:
    """(W, count) columns of the tokens that tell of movers: the first of a window's tells of the background."""
    return batch.window_rows.reshape(len(batch.windows.known), -1, 2)[:, 1 : 1 + count, 1]


def _shown(batch: Batch, movers: Tensor, told: tuple[Tensor, Tensor]) -> Tensor:
    """(Q, L) bool: the tokens from which a question's things can be read: their movers' in the window that tells of
    them; where there are none, and where their looks are asked for, their patches; of what is named and nowhere,
    NOWHERE."""
    asked = batch.asked
    shown = _telling(batch, movers, told, asked.window, asked.sought)
    by_patches = asked.by_looks | ~shown.any(1)
    shown |= asked.patches & by_patches[:, None]
    shown[:, NOWHERE] |= asked.named & ~shown.any(1)
    return shown


def _happened(batch: Batch, movers: Tensor, told: tuple[Tensor, Tensor]) -> Tensor:
    """(Q, L) bool: what tells of a stop or of an arrival; else the token of what moved when it began to, or the text
    that tells a cut; of what did not happen, NOWHERE. Of a stop the mover's last token is none of them: where it would
    do as well, attention went to all the windows in which the thing moved."""
    asked = batch.asked
    turned = _telling(batch, movers, told, asked.turn, asked.turned)
    shown = torch.where(asked.told_by.any(1, keepdim=True), asked.told_by, turned) | asked.cuts
    shown[:, NOWHERE] |= (asked.turn < 0) & (asked.turned > 0).any(-1)[:, 0]
    shown[:, NOWHERE] |= asked.changed & ~asked.cuts.any(1)
    return shown


def _compared(batch: Batch, movers: Tensor, told_of: Tensor) -> tuple[Tensor, Tensor]:
    """(E, L) bool twice: the movers of the window before, and of its own; of none, NOWHERE."""
    found = []
    for window in (batch.changed.stop_window - 1, batch.changed.stop_window):
        wanted = torch.zeros(len(window), batch.ids.shape[1], dtype=torch.bool)
        wanted = wanted.scatter(1, movers[window], told_of[window])
        wanted[:, NOWHERE] |= ~wanted.any(1)
        found.append(wanted)
    return found[0], found[1]


def _telling(
    batch: Batch, movers: Tensor, told: tuple[Tensor, Tensor], windows: Tensor, sought: Tensor
) -> Tensor:
    """(Q, L) bool: tokens of one window of each question (Q,) that tell of a mover that looks like one of those sought
    (Q, things, 2)."""
    chosen, told_of = told
    within = windows[:, None] == torch.arange(len(movers))  # (Q, W)
    looks = torch.stack([names.gather(1, chosen) for names in _looks_of(batch.windows)], dim=-1)  # (W, 3, 2)
    wanted = sought[:, None, None]  # (Q, 1, 1, things, colour and shape)
    same = ((wanted == 0) | (wanted == looks[None, :, :, None])).all(-1).any(-1)  # (Q, W, 3)
    question, window, token = torch.nonzero(same & told_of & within[..., None], as_tuple=True)
    shown = torch.zeros_like(batch.asked.patches)
    shown[question, movers[window, token]] = True
    return shown


def _given(language: Any, layer: Any, head: int, states: Tensor, batch: Batch, at: Tensor) -> Tensor:
    """(N, L) log shares of attention that a head of the layer gives from the tokens `at` (N, 2)."""
    attention, normed = layer.self_attn, layer.input_layernorm(states)
    size = attention.head_dim
    own = slice(head * size, (head + 1) * size)
    query, key = (
        nn.functional.linear(normed, part.weight[own], part.bias[own])[:, None]
        for part in (attention.q_proj, attention.k_proj)
    )
    query, key = apply_rotary_pos_emb(query, key, *language.model.rotary_emb(normed, batch.positions))
    scores = torch.einsum("nd,nld->nl", query[at[:, 0], 0, at[:, 1]], key[at[:, 0], 0]) * attention.scaling
    seen = batch.mask[at[:, 0], 0, at[:, 1]]
    return log_softmax(scores.masked_fill(~seen, -torch.inf), -1)
