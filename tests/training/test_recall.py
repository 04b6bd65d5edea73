"""The bench of recall on a short stream: each question asked then, later with what is recalled, and later without."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from magno.training import recall


def test_questions_are_asked_then_and_later(tiny_bundle: Path, clips: Path) -> None:
    parser = argparse.ArgumentParser()
    recall.add_arguments(parser)
    words = ["--bundle", str(tiny_bundle), "--questions", str(clips / "car-detection.jsonl"), "--count", "3"]
    figures = recall.measure(parser.parse_args([*words, "--later", "8"]), lambda text: None)
    assert figures["questions"] == 3 and set(figures["accuracy"]) == set(recall.WAYS)  # type: ignore[call-overload]
    assert float(figures["watched_s"]) > 12 and int(figures["recalled_tokens_p50"]) > 0  # type: ignore[arg-type, call-overload]
    console = Console(width=120)
    with console.capture():
        console.print(recall.report(figures))
