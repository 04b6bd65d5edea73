"""The engine's one configuration, filled from a file, flags or ROS parameters by `spec.from_dict`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from magno.runtime.cadence import WINDOWS
from magno.runtime.camera.request import B_FRAMES, DECODERS
from magno.runtime.spec import SpecError

LEAST = 1
OPEN = 0  # a size that follows from the bundle and the other sizes
BYTES_PER_MB = 1_000_000
QUESTION_TOKENS = 64  # cells that must be left for questions and their answers
QUESTIONS_TOKENS = 768  # and that are, where nobody says how many


@dataclass(frozen=True, slots=True)
class EngineConfig:
    bundle: str  # folder that `magno export` wrote
    backend: str = "ort"  # of the encoders: see encoder.BACKENDS
    threads: int = 2  # of the language model
    encoder_threads: int = 1
    context_tokens: int = OPEN  # cells of the one KV cache: all cameras and questions together
    budget_tokens: int = (
        OPEN  # of one camera's stream: sink and newest GOPs; else as memory.usual_budget has it
    )
    archive_mb: int = 64  # of each camera's past, which questions may be about, beside what the cache holds
    # Where it is kept beyond memory and this process: it tells what was seen. Empty: nowhere.
    past_dir: str = ""
    past_mb: int = 1000  # of each camera there; pocket fills some 140 MB an hour at 25 pictures a second
    max_step_tokens: int = 128  # the longest native step; a GPU's cannot be interrupted
    max_cameras: int = 4
    max_queries: int = 8  # answered at once, each in its own fork
    max_waiting: int = 32  # admitted and not yet begun; more are refused
    max_conversations: int = 16  # whose earlier turns are remembered: Query.conversation
    max_turns: int = 8  # of one conversation
    max_turn_tokens: int = 128  # of one conversation's turns: each of its questions prefills them
    max_standing: int = 8  # standing questions; they are asked one at a time
    windows: str = "fixed"  # or "adaptive", to what moves: see cadence
    b_frames: str = "skip"  # of all cameras: "use", "skip" or "refuse"
    decoder: str = "ffmpeg"  # of all cameras; or "nvdec", on an NVIDIA GPU whose vectors were calibrated

    def __post_init__(self) -> None:
        if not self.bundle:
            raise SpecError("bundle wants the folder that magno export wrote, found nothing.")
        for name, known in (("windows", WINDOWS), ("b_frames", B_FRAMES), ("decoder", DECODERS)):
            if getattr(self, name) not in known:
                raise SpecError(
                    f"{name} wants one of {', '.join(known)}, found {str(getattr(self, name))[:80]!r}."
                )
        for name in self.__slots__:
            value = getattr(self, name)
            least = OPEN if name in ("context_tokens", "budget_tokens") else LEAST
            if isinstance(value, int) and value < least:
                raise SpecError(f"{name} wants {least} or more, found {value}.")
        if self.context_tokens != OPEN and self.budget_tokens != OPEN:
            self._check_room()

    @property
    def archive_bytes(self) -> int:
        return self.archive_mb * BYTES_PER_MB

    @property
    def past_bytes(self) -> int:
        return self.past_mb * BYTES_PER_MB

    def sized(self, usual_budget: int) -> EngineConfig:
        """The same with every size told. Raises SpecError where they do not fit."""
        budget = self.budget_tokens or usual_budget
        recalled = budget  # one question's, about the past
        context = self.context_tokens or budget * self.max_cameras + recalled + QUESTIONS_TOKENS
        return replace(self, budget_tokens=budget, context_tokens=context)

    def _check_room(self) -> None:
        wanted = self.budget_tokens * self.max_cameras + QUESTION_TOKENS
        if self.context_tokens < wanted:
            raise SpecError(
                f"context_tokens wants {wanted}, room for {self.max_cameras} cameras of {self.budget_tokens} tokens "
                f"and a question, found {self.context_tokens}. Raise it, or lower max_cameras or budget_tokens."
            )
