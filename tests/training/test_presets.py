"""The paper's two readings of its Δ-encoder's size."""

from __future__ import annotations

from magno.training.pocket import CODEC
from magno.training.presets import PRESETS, parameters
from magno.training.train import new_model


def test_counts_are_those_of_the_real_thing() -> None:
    model = new_model()[0]
    assert sum(parameters(PRESETS["pocket"]).values()) == sum(p.numel() for p in model.delta.parameters())
    assert model.config.codec == CODEC


def test_only_the_narrow_reading_keeps_the_papers_word() -> None:
    assert (
        sum(parameters(PRESETS["paper-small"]).values())
        < 15e6
        < sum(parameters(PRESETS["paper-wide"]).values())
    )
