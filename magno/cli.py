"""`magno VERB`: one table of verbs; each lives in its own file and is imported only when it is called."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from magno import __version__

VERBS = {
    "ask": ("magno.runtime.commands.ask", "play a clip and ask a question about it"),
    "watch": ("magno.runtime.commands.watch", "show a camera in the terminal, and ask it"),
    "export": ("magno.export.cli", "turn a checkpoint into a bundle that the runtime opens"),
    "verify": (
        "magno.export.verify.cli",
        "compare a bundle with the checkpoint it was made of, rung by rung",
    ),
    "build": ("magno.export.engines.cli", "turn the encoders of a bundle into TensorRT engines"),
    "replay": (
        "magno.runtime.commands.replay",
        "play a clip through the engine in lockstep, and compare what it decided",
    ),
    "inspect": (
        "magno.runtime.commands.inspect",
        "say what a video source sends: pictures, vectors, motion, breaks",
    ),
    "eval": ("magno.training.eval_cli", "ask a bundle many questions whose answers are known"),
    "profile": (
        "magno.calibration.profiling.cli",
        "say where the time goes: stages, layers, the device's roof",
    ),
    "calibrate": (
        "magno.calibration.calibrate_cli",
        "measure what this device's steps cost, so that the engine knows it from its first question on",
    ),
    "bench": ("magno.calibration.bench", "measure this device, side by side with the alternative"),
}
INTERRUPTED, OUTPUT_CLOSED = 130, 141  # as a shell has it: 128 and the signal


def main(argv: list[str] | None = None) -> int:
    """Run a verb; its exit code. 2: what was asked for cannot be done, and one sentence said why."""
    words = sys.argv[1:] if argv is None else argv
    chosen = next((word for word in words if not word.startswith("-")), None)
    parser = argparse.ArgumentParser(prog="magno", description="Ask a robot's camera, before a deadline.")
    parser.add_argument("--version", action="version", version=f"magno {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, (module, summary) in VERBS.items():
        sub = verbs.add_parser(verb, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if verb == chosen:
            importlib.import_module(module).add_arguments(sub)
    args = parser.parse_args(words)
    try:
        code: int = importlib.import_module(VERBS[args.verb][0]).run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OUTPUT_CLOSED
    return code


if __name__ == "__main__":
    sys.exit(main())
