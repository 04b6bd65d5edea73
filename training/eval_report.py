"""What an evaluation found, for people and for programs. Knows no engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from magno.training.questions.words import WAYS_8
from magno.training.questions_file import Question
from magno.training.score import Share, mean, normalised, shares

DIRECTION = "direction"  # families that begin so have a confusion table
OTHER = "(other)"


@dataclass(frozen=True, slots=True)
class Result:
    """One pass over all questions."""

    ablation: str
    questions: list[Question]
    told: list[str]
    right: list[bool]
    guessed: list[bool]  # right by the text alone
    per_second: float  # questions, watching included

    def families(self) -> dict[str, Share]:
        return shares([question.family for question in self.questions], self.right)

    def text_only(self) -> dict[str, Share]:
        return shares([question.family for question in self.questions], self.guessed)

    def chance(self, family: str) -> float:
        """What answering at random scores."""
        asked = [question for question in self.questions if question.family == family]
        choices = max(question.choices for question in asked) or len({q.answers[0] for q in asked})
        return 1 / choices

    def confusion(self) -> Counter[tuple[str, str]]:
        """(truth, told) of all direction questions."""
        pairs = zip(self.questions, self.told, self.right, strict=True)
        return Counter(
            (question.answers[0], question.answers[0] if right else _way(told))
            for question, told, right in pairs
            if question.family.startswith(DIRECTION)
        )


def _way(told: str) -> str:
    return normalised(told) if normalised(told) in WAYS_8 else OTHER


def as_json(results: list[Result]) -> dict[str, object]:
    return {"results": [_one(result) for result in results]}


def _one(result: Result) -> dict[str, object]:
    text, families = result.text_only(), result.families()
    return {
        "ablation": result.ablation,
        "mean_of_families": mean(families),
        "questions_per_second": round(result.per_second, 2),
        "families": {
            family: {
                "right": share.right,
                "asked": share.asked,
                "accuracy": share.value,
                "interval": share.interval,
                "text_only": text[family].value,
                "chance": result.chance(family),
            }
            for family, share in families.items()
        },
        "confusion": {f"{truth} -> {told}": n for (truth, told), n in sorted(result.confusion().items())},
        "misses": [
            {"clip": q.clip.name, "at_s": q.at_s, "question": q.text, "answers": q.answers[:1], "told": told}
            for q, told, right in zip(result.questions, result.told, result.right, strict=True)
            if not right
        ],
    }


def print_report(results: list[Result], console: Console, *, misses: bool) -> None:
    """Tables; the first result is the model as it is, the others have something taken away."""
    first, others = results[0], results[1:]
    table = Table(box=None, pad_edge=False)
    for heading in ("family", "right", "accuracy", "95 % interval", "text only", "chance"):
        table.add_column(heading, justify="left" if heading == "family" else "right", no_wrap=True)
    for other in others:
        table.add_column(other.ablation, justify="right")
    text, without = first.text_only(), [other.families() for other in others]
    for family, share in sorted(first.families().items()):
        low, high = share.interval
        table.add_row(
            family,
            f"{share.right}/{share.asked}",
            f"{share.value:.1%}",
            f"{low:.1%} to {high:.1%}",
            f"{text[family].value:.0%}",
            f"{first.chance(family):.0%}",
            *(f"{each[family].value:.1%}" for each in without),
        )
    means = (f"{mean(each):.1%}" for each in without)
    table.add_row(
        "mean of families",
        "",
        f"{mean(first.families()):.1%}",
        "",
        f"{mean(text):.0%}",
        "",
        *means,
        style="bold",
    )
    console.print(table)
    if first.confusion():
        console.print(_confusion_table(first.confusion()))
    console.print(f"{first.per_second:.1f} questions a second, watching included")
    if misses:
        for q, told, right in zip(first.questions, first.told, first.right, strict=True):
            if not right:
                at = "its end" if q.at_s is None else f"{q.at_s:g} s"
                line = f"{q.clip.name} at {at}: {q.text} {q.answers[0]}; said {told[:60]!r}"
                console.print(line, markup=False, highlight=False)


def _confusion_table(confusion: Counter[tuple[str, str]]) -> Table:
    truths, tolds = ({pair[side] for pair in confusion} for side in (0, 1))
    rows = [*(way for way in WAYS_8 if way in truths), *sorted(truths - set(WAYS_8))]
    columns = [*rows, *(way for way in (*WAYS_8, OTHER) if way in tolds and way not in rows)]
    table = Table("truth, told", box=None)
    for told in columns:
        table.add_column(told, justify="right")
    for truth in rows:
        table.add_row(truth, *(str(confusion[truth, told] or ".") for told in columns))
    return table
