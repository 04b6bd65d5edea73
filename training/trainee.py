"""The model in training: its forward pass over a batch of rows, and every loss. Knows no optimiser and no file."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from magno.export.model import MagnoModel
from magno.training.alignment import Alignment, Pairs
from magno.training.batches import Batch
from magno.training.heads import MotionHead, NameHead, things_of
from magno.training.rows import IGNORE
from magno.training.samples import Keyframes, Windows

BEFORE_LAST = 2  # so many layers before the last, a mover's state must say which thing it is
WEIGHTS = {
    "answers": 1.0,
    "patches": 0.4,
    "things": 0.4,
    "places": 0.3,
    "motion": 0.4,
    "names": 0.4,
    "aligned": 1.0,
}


@dataclass(slots=True)
class Losses:
    parts: dict[str, Tensor]  # by the keys of WEIGHTS
    right: Tensor | None = None  # (answer tokens,) bool

    @property
    def total(self) -> Tensor:
        return torch.stack([WEIGHTS[name] * part for name, part in self.parts.items()]).sum()


class Trainee(torch.nn.Module):
    """The model and its throw-away heads."""

    def __init__(self, model: MagnoModel, *, heads: bool = True) -> None:
        """`heads=False` trains on answers alone, for the ablation."""
        super().__init__()
        self.model, self._uses_heads = model, heads
        width = model.language.config.hidden_size
        self.patch_names, self.thing_names, self.mover_names = (NameHead(width) for _ in range(3))
        self.motion = MotionHead(width)
        self.alignment = Alignment(width, model.config.codec.patches**2)

    def named(self, keyframes: Keyframes) -> Losses:
        """What keyframe tokens say by themselves."""
        return Losses(self._seen(self.model.vision(keyframes.pixels), keyframes))

    def moved(self, windows: Windows) -> Losses:
        """What motion tokens say by themselves."""
        return Losses(
            {"motion": self._motion(self.model.delta(windows.motion, windows.residual), windows)[0]}
        )

    def aligned(self, pairs: Pairs) -> Losses:
        """What the Δ-tokens say of the picture after a window, once they know the one before."""
        return Losses({"aligned": self.alignment.loss(self.model, pairs)})

    def forward(self, batch: Batch) -> Losses:
        """Everything: answers, and what the tokens and the states between say."""
        model = self.model
        vision, deltas = model.vision(batch.keyframes.pixels), self._deltas(batch)
        states = self._states(vision, deltas, batch)
        told = batch.labels[:, 1:] != IGNORE
        logits = model.language.lm_head(states[-1][:, :-1][told])
        wanted = batch.labels[:, 1:][told]
        parts = {"answers": cross_entropy(logits, wanted)}
        if self._uses_heads:
            motion, chosen, told_of = self._motion(deltas, batch.windows)
            parts |= {"motion": motion, **self._seen(vision, batch.keyframes)}
            parts["names"] = self._names(states[-1 - BEFORE_LAST], batch, chosen, told_of)
        return Losses(parts, logits.argmax(-1) == wanted)

    def states(self, batch: Batch) -> tuple[Tensor, ...]:
        """(B, L, embed_dim) after each layer, the last one normed."""
        return self._states(self.model.vision(batch.keyframes.pixels), self._deltas(batch), batch)

    def _deltas(self, batch: Batch) -> Tensor:
        deltas: Tensor = self.model.delta(batch.windows.motion, batch.windows.residual)
        return deltas

    def _states(self, vision: Tensor, deltas: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        language = self.model.language
        embedded = language.get_input_embeddings()(batch.ids)
        for rows, tokens in ((batch.keyframe_rows, vision), (batch.window_rows, deltas)):
            embedded = embedded.index_put((rows[:, 0], rows[:, 1]), tokens.reshape(-1, embedded.shape[-1]))
        output = language.model(
            inputs_embeds=embedded,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            use_cache=False,
            output_hidden_states=True,
        )
        return tuple(output.hidden_states)

    def _seen(self, vision: Tensor, keyframes: Keyframes) -> dict[str, Tensor]:
        flat = vision.reshape(-1, vision.shape[-1])
        return {
            "patches": self.patch_names.loss(flat, keyframes.colours.flatten(), keyframes.shapes.flatten()),
            "things": self.thing_names.loss(*things_of(vision, keyframes)),
            "places": self.motion.place_loss(vision),
        }

    def _motion(self, deltas: Tensor, windows: Windows) -> tuple[Tensor, Tensor, Tensor]:
        return self.motion.loss(deltas[:, : self.model.config.delta.motion_queries], windows)

    def _names(self, state: Tensor, batch: Batch, chosen: Tensor, told_of: Tensor) -> Tensor:
        """The language model's state at each token that tells of a mover says its name."""
        rows = batch.window_rows.reshape(len(batch.windows.known), -1, 2)[:, 1 : 1 + chosen.shape[1]]
        if not bool(told_of.any()):
            return state.sum() * 0
        at = state[rows[..., 0][told_of], rows[..., 1][told_of]]
        colours, shapes = (
            names.gather(1, chosen)[told_of] for names in (batch.windows.colour, batch.windows.shape)
        )
        return self.mover_names.loss(at, colours, shapes)
