"""Training data on disk: a shard is a folder of arrays and of questions as JSON lines. Mapped, never loaded whole.

Clip i owns the items item_at[i]:item_at[i + 1] (keyframes and windows, in the order the runtime saw them), and
likewise its keyframes, windows, things and questions. A question sees its clip's items up to and with `item`; what
it needs begins at item `needs`: a row that shows items needs..item can ask it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

RESIDUAL_STEP = 2.0  # levels: a residual is kept as int8
QUESTIONS = "questions.jsonl"
CLIPS = "clips.jsonl"
STILL = "still"  # begins the names of shards whose clips are one picture each, without questions


@dataclass(frozen=True, slots=True)
class ShardArrays:
    item_at: np.ndarray  # (clips + 1,) int32
    keyframe_at: np.ndarray
    window_at: np.ndarray
    thing_at: np.ndarray
    place_at: np.ndarray  # of `places`: items times things of a clip
    kinds: np.ndarray  # (items,) uint8: 0 keyframe, 1 window
    first: np.ndarray  # (items,) int16: picture that a window starts from
    last: np.ndarray  # (items,) int16: its newest picture
    camera: np.ndarray  # (items, 3) float16: see true_motion.camera
    keyframes: np.ndarray  # (keyframes, S, S, 3) uint8
    cuts: np.ndarray  # (keyframes,) bool: it shows another scene, as the runtime found
    motion: np.ndarray  # (windows, P*P, motion_width) float16
    residual: np.ndarray  # (windows, 1, S, S) int8, in steps of RESIDUAL_STEP levels
    ends: np.ndarray  # (windows or 0, S, S, 3) uint8: the newest picture of each window, for stage 1
    motion_map: np.ndarray  # (windows, 8, 8, 2) float16: true motion in model pixels; NaN across a cut
    colour: np.ndarray  # (things,) int8: index in words.COLOURS, -1 for none
    shape: np.ndarray  # (things,) int8: index in words.SHAPES + words.NOUNS
    places: np.ndarray  # (items times things, 6) float16: see true_motion.places


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question of a shard."""

    clip: int
    item: int  # the newest it sees, counted in its clip
    needs: int  # the earliest it needs
    family: str
    phrase: str  # with `slots`, for questions.words: any wording will do
    slots: tuple[str, ...]
    answers: tuple[str, ...]  # all that are right; the first is the one to train on
    thing: int  # it is about this thing of its clip; -1: about none


@dataclass(frozen=True, slots=True)
class Shard:
    arrays: ShardArrays
    lessons: tuple[Lesson, ...]
    clips_told: tuple[dict[str, Any], ...]  # of each clip: seed, fps, size, settings and so on

    @property
    def clips(self) -> int:
        return len(self.arrays.item_at) - 1

    def kinds(self, clip: int) -> np.ndarray:
        """(items,) uint8 of one clip: 0 keyframe, 1 window."""
        return np.asarray(self.arrays.kinds[self.arrays.item_at[clip] : self.arrays.item_at[clip + 1]])

    def window(self, clip: int, item: int) -> int:
        """Which window this item of a clip is, or would be."""
        return int(self.arrays.window_at[clip]) + int(np.count_nonzero(self.kinds(clip)[:item]))

    def keyframe(self, clip: int, item: int) -> int:
        """Which keyframe this item of a clip is, or would be: one less is the newest before it."""
        return int(self.arrays.keyframe_at[clip]) + int(np.count_nonzero(self.kinds(clip)[:item] == 0))

    def shown_s(self, clip: int, item: int) -> float:
        """When the newest picture of this item of a clip was shown."""
        picture = self.arrays.last[int(self.arrays.item_at[clip]) + item]
        return int(picture) / float(self.clips_told[clip]["fps"])

    def residual(self, window: int, residual_scale: float) -> np.ndarray:
        """(1, S, S) float32, as features.residual gives it."""
        return self.arrays.residual[window].astype(np.float32) * (RESIDUAL_STEP / residual_scale)

    def places(self, clip: int) -> np.ndarray:
        """(items, things, 6) float16 of one clip."""
        a = self.arrays
        items = int(a.item_at[clip + 1] - a.item_at[clip])
        return np.asarray(a.places[a.place_at[clip] : a.place_at[clip + 1]].reshape(items, -1, 6))


def small_residual(residual: np.ndarray, residual_scale: float) -> np.ndarray:
    """float -> int8 in steps of RESIDUAL_STEP levels."""
    return np.clip(np.rint(residual * (residual_scale / RESIDUAL_STEP)), -127, 127).astype(np.int8)


def write_shard(
    folder: Path, arrays: ShardArrays, lessons: list[Lesson], clips: list[dict[str, object]]
) -> None:
    """Written aside and renamed: a folder of this name is whole."""
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for field in fields(ShardArrays):
        np.save(aside / f"{field.name}.npy", getattr(arrays, field.name))
    lines = [
        json.dumps({name: getattr(lesson, name) for name in Lesson.__slots__}, ensure_ascii=False)
        for lesson in lessons
    ]
    (aside / QUESTIONS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (aside / CLIPS).write_text("\n".join(json.dumps(clip) for clip in clips) + "\n", encoding="utf-8")
    aside.rename(folder)


def open_shard(folder: Path) -> Shard:
    """Arrays mapped read-only: what is not used takes no memory."""
    arrays = {
        field.name: np.load(folder / f"{field.name}.npy", mmap_mode="r", allow_pickle=False)
        for field in fields(ShardArrays)
    }
    lines = (folder / QUESTIONS).read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines if line]
    lessons = [
        Lesson(**{**each, "slots": tuple(each["slots"]), "answers": tuple(each["answers"])}) for each in found
    ]
    told = (folder / CLIPS).read_text(encoding="utf-8").splitlines()
    return Shard(ShardArrays(**arrays), tuple(lessons), tuple(json.loads(line) for line in told))
