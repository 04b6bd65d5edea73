"""Questions about clips as JSON lines: what anybody may write, strictly read. Knows no engine.

{"clip": "a.mp4", "at_s": 4.0, "question": "...", "answers": ["left"], "family": "direction"}
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from magno.runtime.units import MagnoError

EXAMPLE = '{"clip": "a.mp4", "at_s": 4.0, "question": "...", "answers": ["left"], "family": "direction"}'
MAX_BYTES = 64 << 20


class QuestionsError(MagnoError):
    """A file of questions that cannot be asked."""


@dataclass(frozen=True, slots=True)
class Question:
    clip: Path
    at_s: float | None  # None: at the clip's end
    text: str
    answers: tuple[str, ...]  # any of them is right
    family: str
    choices: int = 0  # among so many answers chance chooses; 0: not said

    @property
    def moment(self) -> tuple[Path, float]:
        """What has to be watched before it is asked; they sort in the order in which a clip is watched."""
        return self.clip, math.inf if self.at_s is None else self.at_s


def read_questions(path: Path) -> list[Question]:
    """All questions of a file. Raises QuestionsError, which names the line."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise QuestionsError(f"{path} wants to be {MAX_BYTES >> 20} MB at most. Split it.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise QuestionsError(
            f"Wanted questions as JSON lines in {path}, found none to read: {reason}."
        ) from error
    lines = ((number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip())
    questions = [_question(line, f"{path}, line {number}", path.parent) for number, line in lines]
    if not questions:
        raise QuestionsError(f"{path} wants at least one question, found none. A line looks like {EXAMPLE}.")
    return questions


def _question(line: str, where: str, folder: Path) -> Question:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise QuestionsError(f"{where} wants one JSON object such as {EXAMPLE}, found no JSON.") from error
    if not isinstance(found, dict):
        raise QuestionsError(
            f"{where} wants one JSON object such as {EXAMPLE}, found {type(found).__name__}."
        )
    for key in ("clip", "question"):
        if not isinstance(found.get(key), str) or not found[key].strip():
            raise QuestionsError(f'{where} wants "{key}" to be text, found {_shown(found.get(key))}.')
    answers, at_s = found.get("answers"), found.get("at_s")
    if not isinstance(answers, list) or not answers or not all(isinstance(a, str) and a for a in answers):
        raise QuestionsError(f'{where} wants "answers" to be a list of texts, found {_shown(answers)}.')
    if at_s is not None and (
        isinstance(at_s, bool) or not isinstance(at_s, int | float) or not math.isfinite(at_s) or at_s < 0
    ):
        raise QuestionsError(f'{where} wants "at_s" to be seconds from 0 on, found {_shown(at_s)}.')
    family, choices = found.get("family", "all"), found.get("choices", 0)
    if not isinstance(family, str) or not family:
        raise QuestionsError(f'{where} wants "family" to be text, found {_shown(family)}.')
    if isinstance(choices, bool) or not isinstance(choices, int) or choices < 0:
        raise QuestionsError(f'{where} wants "choices" to be a whole number, found {_shown(choices)}.')
    clip = folder / found["clip"]
    try:
        there = clip.is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        raise QuestionsError(
            f'{where} wants "clip" to be a file beside it or a whole path, found no {str(clip)[:300]!r}.'
        )
    return Question(clip, at_s, found["question"], tuple(answers), family, choices)


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)[:60]
