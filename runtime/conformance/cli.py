"""`magno inspect --conformance SOURCE`: a table of verdicts, and the record that lifts `calibrated`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from rich.console import Console
from rich.table import Table

from magno.runtime.camera.hardware.calibrated import write_record
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraRequest
from magno.runtime.commands.tables import stdout_console
from magno.runtime.conformance.photometric import Photometer
from magno.runtime.conformance.suite import open_measured, record_of, tests_of
from magno.runtime.conformance.vector_sources import VECTOR_SOURCES
from magno.runtime.conformance.verdict import Verdict
from magno.runtime.units import MagnoError

PICTURE_PX = 640  # of real pictures: half the pixels of a 720p line
SECONDS = 10.0
STATUS_PICTURES = 25
FAILED, BAD_INPUT, CANNOT_TELL = 1, 2, 3
WORDS = {True: "passed", False: "FAILED", None: "cannot tell"}


def run(args: argparse.Namespace) -> int:
    """Test one source: one of VECTOR_SOURCES on pictures of known motion, any other on what it shows."""
    try:
        told = _suite(args) if args.source in VECTOR_SOURCES else _photometric(args)
    except MagnoError as error:
        print(error, file=sys.stderr)
        if args.json:
            print(json.dumps({"source": args.source, "error": str(error)}))
        return BAD_INPUT
    verdicts, facts = told
    answers = [verdict.passed for verdict in verdicts]
    passed = False if False in answers else None if None in answers else True
    if args.json:
        each = [dataclasses.asdict(verdict) for verdict in verdicts]
        print(json.dumps({"source": args.source, "passed": passed, **facts, "tests": each, "error": ""}))
    else:
        _print(verdicts, facts)
    return {True: 0, False: FAILED, None: CANNOT_TELL}[passed]


def _suite(args: argparse.Namespace) -> tuple[list[Verdict], dict[str, object]]:
    with Console(stderr=True).status("measuring the unit") as status:
        source, convention = open_measured(args.source)
        verdicts = []
        for name, test in tests_of(source, full=args.full).items():
            status.update(f"testing {name}")
            verdicts.append(test(source))
    record = record_of(source, convention, verdicts)
    facts = {
        "device": dataclasses.asdict(source.device),
        "convention": dataclasses.asdict(convention),
        "calibrated": record.calibrated,
        "record": str(write_record(record)),
    }
    return verdicts, facts


def _photometric(args: argparse.Namespace) -> tuple[list[Verdict], dict[str, object]]:
    until_s = SECONDS if args.seconds is None else args.seconds
    request = CameraRequest(
        args.source,
        PICTURE_PX,
        "fast",
        until_s=until_s,
        rate=args.rate,
        b_frames=args.b_frames,
        topic=args.topic,
    )
    photometer, pictures = Photometer(), 0
    with CameraReader(request) as reader, Console(stderr=True).status("looking") as status:
        opened = reader.opened()
        for frame in reader.frames():
            photometer.step(frame)
            pictures += 1
            if pictures % STATUS_PICTURES == 0:
                status.update(f"looking: {pictures} pictures, {photometer.pictures} tell something")
    facts = {"codec": opened.codec, "pictures": pictures, "telling": photometer.pictures}
    return photometer.verdicts(), facts


def _print(verdicts: list[Verdict], facts: dict[str, object]) -> None:
    console = stdout_console()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("test", "", "found", "wanted"):
        table.add_column(title, overflow="fold")
    for verdict in verdicts:
        table.add_row(verdict.name, WORDS[verdict.passed], verdict.found, verdict.wanted)
    console.print(table)
    for name, value in facts.items():
        told = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        console.print(f"{name:<14}{told}", highlight=False, soft_wrap=True)
    if any(verdict.passed is None for verdict in verdicts):
        print(
            "What could not be told: let the camera see something with texture move, across and up, for longer."
        )
