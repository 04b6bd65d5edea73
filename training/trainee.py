"""The model in training: its forward pass over a batch of rows, and every loss. Knows no optimiser and no file."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from magno.export.model import MagnoModel
from magno.training.alignment import Alignment, Pairs
from magno.training.batches import Batch
from magno.training.changes import ChangeHead
from magno.training.elapsed import ROTATION, clear_moments, ground_elapsed, keep_moments
from magno.training.grounding import Words, ground
from magno.training.guide import BEFORE_LAST, LATEST, THEN, Guide
from magno.training.heads import MotionHead, NameHead, things_of
from magno.training.rows import IGNORE
from magno.training.samples import Keyframes, Windows

# Each layer of a language model adds about as much as it began with, which its norm makes 1 a column. Tokens of length
# 40 beside words of 0.3 were one failure, both at 4 another: what the first layer added drowned them, and what later
# layers wrote was lost beside that.
TOKEN_STRENGTH = 1.0  # root of the mean square
MODEL, GUIDE = "model.", "guide."  # names of parameters begin so
LANGUAGE = ("model.language.", GUIDE)
WEIGHTS = {
    "answers": 1.0,
    "patches": 0.4,
    "things": 0.4,
    "places": 0.3,
    "middles": 0.5,
    "motion": 0.4,
    "names": 0.4,
    "looks": 0.5,
    "found": 0.3,
    "ago": 1.0,
    "events": 0.3,
    "changes": 0.5,
    "aligned": 1.0,
}


@dataclass(slots=True)
class Losses:
    parts: dict[str, Tensor]  # by the keys of WEIGHTS
    right: Tensor | None = None  # (answer tokens,) bool

    @property
    def total(self) -> Tensor:
        return torch.stack([WEIGHTS[name] * part for name, part in self.parts.items()]).sum()


class Trainee(nn.Module):
    """The model and its throw-away heads."""

    def __init__(self, model: MagnoModel, words: Words, *, heads: bool = True) -> None:
        """`heads=False` trains on answers alone, for the ablation."""
        super().__init__()
        self.model, self._words, self._uses_heads = model, words, heads
        width = model.language.config.hidden_size
        self.patch_names, self.thing_names = NameHead(width), NameHead(width)
        self.middle = nn.Linear(width, 1)
        periods_s = model.config.layout.time_periods_s
        self.motion, self.guide = MotionHead(width), Guide(width, words, periods_s)
        self._guided = len(model.language.model.layers) - BEFORE_LAST
        self._time_columns = ROTATION * len(periods_s)
        keep_moments(model.language, self._time_columns, self._guided)
        self.changes = ChangeHead(width, model.config.delta.residual_queries)
        self.alignment = Alignment(width, model.config.codec.patches**2)

    def encoders(self) -> list[nn.Parameter]:
        """All that the tokens come from, and the heads that ask them."""
        return [each for name, each in self.named_parameters() if not name.startswith(LANGUAGE)]

    def language(self) -> list[nn.Parameter]:
        """The language model, and the head that asks its states."""
        return [each for name, each in self.named_parameters() if name.startswith(LANGUAGE)]

    def readers(self) -> list[nn.Parameter]:
        """The heads that ask tokens."""
        return [each for name, each in self.named_parameters() if not name.startswith((MODEL, GUIDE))]

    def guides(self) -> list[nn.Parameter]:
        """The head that asks the language model's states."""
        return [each for name, each in self.named_parameters() if name.startswith(GUIDE)]

    @torch.no_grad()
    def settle(self, keyframes: Keyframes) -> None:
        """Between tokens and answers: tokens of TOKEN_STRENGTH, whose heads make up for it so that these say what they
        said, and a language model that begins from them."""
        share = TOKEN_STRENGTH / self.model.vision(keyframes.pixels).square().mean().sqrt()
        for projector in (self.model.vision.projector, self.model.delta.projector):
            projector.outer.weight *= share
            projector.outer.bias *= share
        heads = (self.patch_names, self.thing_names, self.middle, self.motion, self.changes)
        for reader in (each for head in heads for each in head.modules() if isinstance(each, nn.Linear)):
            reader.weight /= share
        names = (self.patch_names, self.thing_names)
        language, periods_s = self.model.language, self.model.config.layout.time_periods_s
        ground(language, self._words, names, self.motion, self._guided)
        clear_moments(language, self._time_columns, self._guided)
        ground_elapsed(language, self._guided, (THEN, LATEST), periods_s, self._words.seconds)

    def named(self, keyframes: Keyframes) -> Losses:
        """What keyframe tokens say by themselves."""
        return Losses(self._seen(self._vision(keyframes), keyframes))

    def moved(self, windows: Windows) -> Losses:
        """What Δ-tokens say by themselves."""
        deltas = self._deltas(windows)
        return Losses({"motion": self._motion(deltas, windows)[0], "changes": self._changes(deltas, windows)})

    def aligned(self, pairs: Pairs) -> Losses:
        """What the Δ-tokens say of the picture after a window, once they know the one before."""
        return Losses({"aligned": self.alignment.loss(self.model, pairs)})

    def forward(self, batch: Batch, *, frozen: bool = False) -> Losses:
        """Answers, and what the tokens and the states between say. `frozen`: tokens stay as they are, and only the
        language model learns to read them."""
        model = self.model
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            vision, deltas = self._vision(batch.keyframes), self._deltas(batch.windows)
            moved = self._motion(deltas, batch.windows) if self._uses_heads else None
        states = self._states(vision, deltas, batch)
        told = batch.labels[:, 1:] != IGNORE
        logits = model.language.lm_head(states[-1][:, :-1][told])
        wanted = batch.labels[:, 1:][told]
        parts = {"answers": cross_entropy(logits, wanted)}
        if moved is not None:
            motion, chosen, told_of = moved
            parts |= self.guide.losses(model.language, states, batch, (chosen, told_of))
            if not frozen:
                changes = self._changes(deltas, batch.windows)
                parts |= {"motion": motion, "changes": changes, **self._seen(vision, batch.keyframes)}
        return Losses(parts, logits.argmax(-1) == wanted)

    def states(self, batch: Batch) -> tuple[Tensor, ...]:
        """(B, L, embed_dim) after each layer, the last one normed."""
        return self._states(self._vision(batch.keyframes), self._deltas(batch.windows), batch)

    def _vision(self, keyframes: Keyframes) -> Tensor:
        return self._without_time(self.model.vision(keyframes.pixels))

    def _deltas(self, windows: Windows) -> Tensor:
        return self._without_time(self.model.delta(windows.motion, windows.residual))

    def _without_time(self, tokens: Tensor) -> Tensor:
        """With nothing in the columns that the language model sees the time in."""
        kept = tokens.shape[-1] - self._time_columns
        return nn.functional.pad(tokens[..., :kept], (0, tokens.shape[-1] - kept))

    def _states(self, vision: Tensor, deltas: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        language = self.model.language
        embedded = language.get_input_embeddings()(batch.ids)
        seen = (
            (batch.keyframe_rows, vision, batch.keyframe_times),
            (batch.window_rows, deltas, batch.window_times),
        )
        for rows, encoded, times in seen:
            tokens = encoded + nn.functional.pad(times, (encoded.shape[-1] - times.shape[-1], 0))
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
            "middles": binary_cross_entropy_with_logits(
                self.middle(vision)[..., 0], keyframes.middles.to(vision.dtype)
            ),
        }

    def _motion(self, deltas: Tensor, windows: Windows) -> tuple[Tensor, Tensor, Tensor]:
        return self.motion.loss(deltas[:, : self.model.config.delta.motion_queries], windows)

    def _changes(self, deltas: Tensor, windows: Windows) -> Tensor:
        return self.changes.loss(deltas[:, self.model.config.delta.motion_queries :], windows.residual)
