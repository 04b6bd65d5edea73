"""What text alone scores: someone who reads the questions of shards and sees no picture. It should be chance.

python -m magno.training.baseline --data runs/world
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

from rich.table import Table

from magno.runtime.commands.tables import stdout_console
from magno.training.questions.families import FAMILIES
from magno.training.questions.words import PHRASINGS, worded
from magno.training.score import Share, is_right, mean, shares, text_only
from magno.training.shards import Lesson, open_shard


def text_shares(lessons: list[tuple[int, Lesson]]) -> dict[str, Share]:
    """`lessons` with the number of the half (0 or 1) they belong to: each half is answered by the other's texts."""
    told = text_only(
        [worded(lesson.phrase, lesson.slots) for _, lesson in lessons],
        [lesson.answers[0] for _, lesson in lessons],
        [half for half, _ in lessons],
    )
    right = [is_right(guess, lesson.answers) for guess, (_, lesson) in zip(told, lessons, strict=True)]
    return shares([lesson.family for _, lesson in lessons], right)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    lessons = [
        (lesson.clip % 2, lesson)
        for folder in sorted(args.data.glob("*-??????"))
        for lesson in open_shard(folder).lessons
    ]
    found = text_shares(lessons)
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for _, lesson in lessons:
        answers[lesson.family][lesson.answers[0]] += 1
    table = Table("family", "questions", "text only", "chance", "answers", box=None)
    for family, share in sorted(found.items()):
        common = ", ".join(f"{answer} {count}" for answer, count in answers[family].most_common(6))
        table.add_row(
            family, str(share.asked), f"{share.value:.0%}", f"{1 / FAMILIES[family].choices:.0%}", common
        )
    stdout_console().print(table)
    print(f"mean of families {mean(found):.1%}; {len(PHRASINGS)} kinds of phrase")


if __name__ == "__main__":
    main()
