"""`magno eval`: what share of questions a bundle answers right, through the production runtime alone."""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from magno.runtime.commands.ask import DEFAULT_BUNDLE
from magno.runtime.commands.tables import stdout_console
from magno.runtime.config import OPEN, EngineConfig
from magno.runtime.units import MagnoError
from magno.training.ablations import ABLATIONS, AS_IT_IS, ablated
from magno.training.eval_report import Result, as_json, print_report
from magno.training.examine import examine
from magno.training.questions_file import EXAMPLE, Question, QuestionsError, read_questions
from magno.training.score import is_right, text_only
from magno.training.suites import SUITES

SETS = Path("runs/suites")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE, metavar="DIR", help="default: %(default)s")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--suite", choices=list(SUITES), help="a set of our own; default: world")
    what.add_argument("--questions", type=Path, metavar="FILE", help="your own, as JSON lines")
    parser.add_argument(
        "--sets",
        type=Path,
        default=SETS,
        metavar="DIR",
        help="where sets are kept, and made when missing: %(default)s",
    )
    parser.add_argument(
        "--questions-a-family",
        type=int,
        default=400,
        metavar="N",
        help="of a set that is made; default: %(default)s",
    )
    parser.add_argument(
        "--clips-folder",
        type=Path,
        default=Path("tests/clips"),
        metavar="DIR",
        help="real clips a set is made from",
    )
    parser.add_argument("--ablate", action="append", choices=ABLATIONS[1:], help="also with this taken away")
    parser.add_argument(
        "--budget-tokens", type=int, default=OPEN, metavar="N", help="of the stream; default: the engine's"
    )
    parser.add_argument("--misses", action="store_true", help="list every question that was answered wrong")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = f"A line of questions: {EXAMPLE}. Exit code: 0 evaluated, 2 bad input."


def run(args: argparse.Namespace) -> int:
    try:
        path = args.questions or _suite(args)
        questions = read_questions(path)
        ablations = [*(args.ablate or (ABLATIONS[1:] if args.suite == "ablation" else ()))]
        results = [_examined(args, questions, name) for name in (AS_IT_IS, *dict.fromkeys(ablations))]
    except MagnoError as error:
        print(error, file=sys.stderr)
        return 2
    if args.json:
        print(
            json.dumps(
                {"questions": str(path), "bundle": args.bundle, **as_json(results)}, ensure_ascii=False
            )
        )
    else:
        print_report(results, stdout_console(), misses=args.misses)
    return 0


def _suite(args: argparse.Namespace) -> Path:
    """The questions of one of our sets; made first when it is not there."""
    from magno.training.suite import (  # it decodes and encodes: for whoever makes one
        QUESTIONS_FILE,
        write_suite,
    )

    name = args.suite or "world"
    folder: Path = args.sets / name
    path = folder / QUESTIONS_FILE
    if path.exists():
        return path
    if args.questions_a_family < 1:
        raise QuestionsError(f"--questions-a-family wants 1 or more, found {args.questions_a_family}.")
    if not args.clips_folder.is_dir():
        raise QuestionsError(
            f"The set {name} is made from real clips and wants them in {args.clips_folder}, found no such folder. "
            "Name it with --clips-folder, or ask questions of your own with --questions."
        )
    print(f"making the set {name} in {folder}", file=sys.stderr)
    return write_suite(name, folder, args.questions_a_family, args.clips_folder)


def _examined(args: argparse.Namespace, questions: Sequence[Question], ablation: str) -> Result:
    columns = (
        TextColumn("asking" if ablation == AS_IT_IS else f"asking, {ablation}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with ablated(ablation) as backend, Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=len(questions))
        config = EngineConfig(bundle=args.bundle, backend=backend, budget_tokens=args.budget_tokens)
        examined = examine(config, questions, lambda done: progress.update(bar, completed=done))
    right = [is_right(told, q.answers) for told, q in zip(examined.told, questions, strict=True)]
    guesses = text_only(
        [q.text for q in questions],
        [q.answers[0] for q in questions],
        [zlib.crc32(str(q.clip).encode()) % 2 for q in questions],  # one clip's questions are not independent
    )
    guessed = [is_right(guess, q.answers) for guess, q in zip(guesses, questions, strict=True)]
    return Result(ablation, list(questions), examined.told, right, guessed, examined.questions_per_second)
