"""Worker processes and what they say; one that a file ends is told of, and the next goes on behind it."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import IO, Any

from magno.calibration.malformed.judge import Seen
from magno.runtime.units import MagnoError

WORKER = "from magno.calibration.malformed.worker import main; main()"
START_S = 300.0  # torch comes from a disk
HANG_S = 60.0  # of wall clock, on a machine however busy


class MalformedError(MagnoError):
    """What cannot be run."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one worker is to read: numbers `first`, `first + step`, ... below `count`."""

    checkpoint: str
    bundle: str
    seed: int
    first: int
    count: int
    step: int


def run_all(order: Order, processes: int, told: Callable[[int], None]) -> list[Seen]:
    """All numbers of an order, `processes` at once. Raises MalformedError where no worker can work."""
    seen: list[Seen] = []
    stopping = threading.Event()

    def take(one: Order) -> None:
        for each in _seen_of(one):
            if stopping.is_set():
                return
            seen.append(each)
            told(len(seen))

    orders = [
        replace(order, first=order.first + index * order.step, step=order.step * processes)
        for index in range(processes)
    ]
    with ThreadPoolExecutor(processes) as pool:
        try:
            list(pool.map(take, orders))
        finally:  # interrupted, or a worker cannot work: the others need not go on
            stopping.set()
    return sorted(seen, key=lambda one: one.number)


def _seen_of(order: Order) -> Iterator[Seen]:
    """By as many workers as it takes, one after another."""
    while order.first < order.count:
        reading: dict[str, Any] = {}
        with tempfile.TemporaryFile() as errors:
            process, lines = _started(order, errors)
            try:
                for values in lines:
                    reading = {} if "outcome" in values else values
                    if "outcome" in values:
                        yield Seen(**values)
                        order = replace(order, first=values["number"] + order.step)
            finally:
                process.kill()
                code = process.wait()
            if order.first >= order.count:
                return
            last_words = _last_words(errors)
        if "number" not in reading:
            raise MalformedError(
                f"A worker wants to live between files, found it gone ({code}): {last_words}"
            )
        told = f"the process was gone (code {code}): {last_words}"
        yield Seen(**reading, must_refuse=True, outcome="died", told=told)
        order = replace(order, first=reading["number"] + order.step)


def _started(order: Order, errors: IO[bytes]) -> tuple[subprocess.Popen[bytes], Iterator[dict[str, Any]]]:
    # Without the second, llama.cpp calls a debugger to its own end, which takes seconds.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GGML_NO_BACKTRACE": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, json.dumps(asdict(order))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
    )
    return process, _lines(process)


def _lines(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """What it says, until it ends or says nothing for too long."""
    assert process.stdout is not None
    descriptor, rest, patience_s = process.stdout.fileno(), b"", START_S
    with selectors.DefaultSelector() as selector, process.stdout:
        selector.register(descriptor, selectors.EVENT_READ)
        while selector.select(patience_s):
            data = os.read(descriptor, 1 << 16)
            if not data:
                return
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                values: dict[str, Any] = json.loads(line)
                patience_s = HANG_S if "number" in values else START_S
                yield values


def _last_words(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
    return (lines or ["it said nothing"])[-1][:300]
