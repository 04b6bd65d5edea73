"""What `magno verify` found of a bundle, as its manifest keeps it. Measures nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class RungOutcome(Enum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # the note says what it wants


@dataclass(frozen=True, slots=True)
class Rung:
    """One step from one way of running a part of the model to the next."""

    file: str  # of the bundle
    step: str  # "torch fp32 -> onnx fp32"
    outcome: RungOutcome
    figures: dict[str, float] = field(default_factory=dict)  # cosine and max_error, or top1 and kl
    gate: dict[str, float] = field(default_factory=dict)  # what `figures` had to keep to
    note: str = ""  # why it was skipped; the first layer that diverges


@dataclass(frozen=True, slots=True)
class ParityRecord:
    """The ladder as it was last climbed."""

    verified: str  # ISO 8601
    inputs: str  # what both sides were shown
    tools: dict[str, str]  # name -> version
    rungs: tuple[Rung, ...]

    @property
    def failed(self) -> tuple[Rung, ...]:
        return tuple(rung for rung in self.rungs if rung.outcome is RungOutcome.FAILED)

    @property
    def compared(self) -> bool:
        """Whether anything was held against the checkpoint."""
        return any(
            rung.step.startswith("torch") and rung.outcome is not RungOutcome.SKIPPED for rung in self.rungs
        )

    def of(self, file: str, step: str) -> Rung | None:
        return next((rung for rung in self.rungs if (rung.file, rung.step) == (file, step)), None)


def complaint(parity: ParityRecord | None, bundle: str) -> str | None:
    """What whoever runs this bundle must be told: one sentence, or nothing."""
    if parity is None or not (parity.compared or parity.failed):
        return f"{bundle} was never compared with its checkpoint: run magno verify {bundle} --checkpoint DIR."
    if parity.failed:
        rung = parity.failed[0]
        return (
            f"{bundle} did not agree with its checkpoint on {parity.verified[:10]} ({rung.file}, {rung.step}): "
            "export it again, at a higher precision."
        )
    return None
