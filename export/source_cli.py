"""The flags that name a model: a whole checkpoint, or its parts. Imports torch only when one is opened."""

from __future__ import annotations

import argparse
from pathlib import Path

from magno.export.source import Source
from magno.runtime.units import MagnoError

NEEDED = ("vision", "llm", "projector")
PARTS = (*NEEDED, "delta")


def add_part_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the parts; `args.checkpoint` is the caller's to declare."""
    parts = parser.add_argument_group("a model from parts, in place of a checkpoint")
    parts.add_argument("--vision", type=Path, metavar="DIR", help="SigLIP, or SigLIP 2 of fixed resolution")
    parts.add_argument("--llm", type=Path, metavar="DIR", help="Qwen2, Qwen2.5, Qwen3 or Llama")
    parts.add_argument(
        "--projector",
        type=Path,
        metavar="FILE",
        help="safetensors with LLaVA's mlp2x_gelu, and its image_newline",
    )
    parts.add_argument("--delta", type=Path, metavar="DIR", help="a Δ-encoder; without it: keyframes only")
    parts.add_argument(
        "--vision-layer",
        type=int,
        default=-2,
        metavar="N",
        help="layer of the tower that the projector reads (-2, as LLaVA; -1: the last, with its norm)",
    )


def names_model(args: argparse.Namespace) -> bool:
    """Whether any of the flags was given."""
    return args.checkpoint is not None or any(getattr(args, name) is not None for name in PARTS)


def check_chosen(args: argparse.Namespace, verb: str, checkpoint: str) -> None:
    """Either a whole checkpoint, or the parts of one. Raises MagnoError; `checkpoint` is the flag's name."""
    given = [f"--{name}" for name in PARTS if getattr(args, name) is not None]
    if args.checkpoint is not None and given:
        raise MagnoError(
            f"magno {verb} wants {checkpoint} or parts of a model, found both: leave out {given[0]}."
        )
    lacking = [f"--{name}" for name in NEEDED if getattr(args, name) is None]
    if args.checkpoint is None and lacking:
        raise MagnoError(
            f"magno {verb} wants {checkpoint}, or --vision, --llm and --projector, found no {lacking[0]}: name it."
        )


def source_of(args: argparse.Namespace, image_px: int | None) -> Source:
    """What the flags name, no weight read. Raises CheckpointError or SpecError."""
    if args.checkpoint is not None:
        from magno.export.families import open_source

        return open_source(args.checkpoint, image_px)
    from magno.export.parts import Parts, open_parts

    parts = Parts(args.vision, args.llm, args.projector, args.delta, args.vision_layer)
    return open_parts(parts, image_px)
