"""The demo: a node in its own process watches two clips as live cameras and is asked over real ROS services.

python -m magno_ros.demo --bundle bundles/pocket --clip tests/clips/car-detection.mp4
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from magno_interfaces.msg import StreamStatus
from rich import box
from rich.console import Console
from rich.table import Table

from magno.runtime.units import MagnoError
from magno_ros import rendered
from magno_ros.client import MagnoClient
from magno_ros.conversions import OUTCOME_NAMES, ms_from_duration
from magno_ros.process import NodeProcess, loopback_environment, other_running_threads

DEADLINE_S = 0.5
ENOUGH_PICTURES = 40
ENOUGH_S = 30.0
TABLE_COLUMNS = 140  # where there is no terminal to ask
ROOMY_COLUMNS = 100  # a narrower terminal gets a tighter table
REPEATS = 3


class DemoError(MagnoError):
    """The demo could not be shown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One line of the demo's script."""

    camera: str
    question: str
    at_s: float  # of the stream: since the cameras were started
    truth: str | None = None  # what somebody who watches the clip would say; None: the drawn clip's own
    through: str = "query"  # the service, or "ask": the action, with its text as feedback


# The car park's truth is read off the clip by eye: a white car drives up from second 5 to 8; then, at 16, a red one
# drives up while a grey one drives down, which is more than this checkpoint was trained for.
SCRIPT = (
    Asked("drawn", "Which way is the red square moving?", 3.0),
    Asked("car park", "Which way is the white car moving?", 6.0, "up"),
    Asked("car park", "Which way is the car moving?", 7.2, "up"),
    Asked("car park", "Which way is the white car moving?", 7.6, "up", through="ask"),
    Asked("car park", "Which way is the red car moving?", 17.0, "up"),
)
KNOWN_CLIP = "car-detection.mp4"  # of which the script tells the truth
# ROS wants plain names of parameters.
CAMERAS = {"car park": "car_park", "drawn": "drawn"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Times in milliseconds; None: there was none."""

    camera: str
    question: str
    answer: str
    truth: str | None
    outcome: str
    error: str
    through: str
    ttft_ms: float | None
    latency_ms: float
    age_ms: float | None
    cached_tokens: int
    watched_s: float


@dataclass(frozen=True, slots=True)
class Compared:
    """The same question the paper's way: everything is prefilled when it is asked."""

    question: str
    ttft_ms: float  # ours
    prefill_ttft_ms: float
    ratio: float
    other_threads: int  # that ran on this machine just before: they slow the paper's way more than ours


class Arrivals:
    """What stream_status has told so far."""

    def __init__(self) -> None:
        self._newest: dict[str, StreamStatus] = {}
        self._changed = threading.Condition()

    def tell(self, status: StreamStatus) -> None:
        with self._changed:
            self._newest[status.camera] = status
            self._changed.notify_all()

    def wait(self, cameras: list[str]) -> None:
        """Until every camera has ENOUGH_PICTURES. Raises DemoError after ENOUGH_S or if a camera is lost."""
        until = time.monotonic() + ENOUGH_S
        with self._changed:
            while not all(self._enough(name) for name in cameras):
                left_s = until - time.monotonic()
                lost = [s for s in self._newest.values() if s.state == StreamStatus.STATE_LOST]
                if lost:
                    raise DemoError(f"The camera {lost[0].camera} was lost: {lost[0].error_msg}")
                if left_s <= 0:
                    found = ", ".join(f"{s.camera} {s.pictures_received}" for s in self._newest.values())
                    raise DemoError(
                        f"{ENOUGH_PICTURES} pictures of each camera were wanted within {ENOUGH_S:.0f} s, found "
                        f"{found or 'no status at all'}. Is the machine busy?"
                    )
                self._changed.wait(left_s)

    def _enough(self, name: str) -> bool:
        status = self._newest.get(name)
        return status is not None and status.pictures_received >= ENOUGH_PICTURES


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: every question got its outcome; 2: one sentence says why not; 130: interrupted."""
    parser = argparse.ArgumentParser(prog="magno_ros.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True, help="folder that `magno export` wrote")
    parser.add_argument("--clip", type=Path, required=True, help="the first camera's clip")
    parser.add_argument("--second", type=Path, help="the second camera's clip (default: one is drawn)")
    parser.add_argument(
        "--second-truth", help=f"what is true of it (default, of the drawn one: {rendered.TRUTH})"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(argv)
    console = Console(stderr=args.json)
    if not console.is_terminal:
        console = Console(stderr=args.json, width=TABLE_COLUMNS)
    os.environ.update(loopback_environment())
    try:
        with tempfile.TemporaryDirectory(prefix="magno-demo-") as folder:
            second = args.second or rendered.write_clip(Path(folder) / "drawn.mp4")
            truth = args.second_truth or (None if args.second else rendered.TRUTH)
            rows = ask_all(
                args.bundle, {"car park": args.clip, "drawn": second}, truth, Path(folder), console
            )
        if not args.json:
            show(console, rows)
        console.print(
            "now the paper's way, without ROS: everything prefilled when asked, several times (seconds)"
        )
        compared = compare(args.bundle, args.clip, rows)
    except MagnoError as fault:
        print(f"demo: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ndemo: interrupted; the node is stopped.", file=sys.stderr)
        return 130
    if args.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "compared": compared and asdict(compared)}))
    elif compared is not None:
        console.print(
            f"{compared.question} The paper's way: {compared.prefill_ttft_ms:.0f} ms to the first token; "
            f"ours: {compared.ttft_ms:.0f} ms; ratio {compared.ratio:.1f}.",
            highlight=False,
        )
        if compared.other_threads:
            console.print(
                "This machine is busy with other work, which flatters ours: try again when it is quiet."
            )
    return 0


def ask_all(
    bundle: Path, clips: dict[str, Path], truth: str | None, folder: Path, console: Console
) -> list[Row]:
    """Start the node, ask the script's questions, stop the node whatever happens."""
    parameters: dict[str, Any] = {"bundle": str(bundle), "cameras": list(CAMERAS.values())}
    for name, clip in clips.items():
        parameters |= {f"{CAMERAS[name]}.url": str(clip), f"{CAMERAS[name]}.loop": True}
    arrivals = Arrivals()
    name = f"magno_{os.getpid()}"  # another demo may be in the same domain
    with (
        NodeProcess(parameters, folder / "node.log", name) as node,
        MagnoClient(name, on_status=arrivals.tell) as client,
    ):
        console.print("node started as its own process; configuring it: the model is loaded")
        for transition in ("configure", "activate"):
            if not client.change_state(transition):
                raise DemoError(f"The node did not {transition}: {node.last_error()}")
        watching_since = time.monotonic()
        console.print("active; waiting for pictures")
        arrivals.wait(list(CAMERAS.values()))
        rows = []
        for asked in SCRIPT:
            time.sleep(max(0.0, watching_since + asked.at_s - time.monotonic()))
            known = asked.truth if clips["car park"].name == KNOWN_CLIP else None
            told = truth if asked.camera == "drawn" else known
            rows.append(ask_one(client, asked, told, watching_since, console))
        return rows


def ask_one(client: MagnoClient, asked: Asked, truth: str | None, since: float, console: Console) -> Row:
    """One question through the service or the action, as a line of the table."""
    console.print(f"asking {asked.camera}: {asked.question}")
    watched_s = time.monotonic() - since
    camera = CAMERAS[asked.camera]
    if asked.through == "ask":
        told: Callable[[str], None] = lambda text: console.print(f"  so far: {_line(text)}", markup=False)  # noqa: E731
        goal = client.start(asked.question, camera=camera, deadline_s=DEADLINE_S, on_text=told)
        answer: Any = goal.result()[0]
    else:
        answer = client.ask(asked.question, camera=camera, deadline_s=DEADLINE_S)
    ttft_ms = ms_from_duration(answer.time_to_first_token)
    return Row(
        asked.camera,
        asked.question,
        answer.answer,
        truth,
        OUTCOME_NAMES.get(answer.outcome, "?"),
        answer.error_msg,
        asked.through,
        ttft_ms or None,
        ms_from_duration(answer.latency),
        ms_from_duration(answer.age) if answer.stamp.sec else None,
        answer.cached_tokens,
        watched_s,
    )


def compare(bundle: Path, clip: Path, rows: list[Row]) -> Compared | None:
    """The first question again, nothing prefilled while watching. None: no first token to compare with."""
    from magno.calibration.ttft import prefill_at_query  # not on a robot: only the demo compares

    row = next((row for row in rows if row.camera == "car park" and row.ttft_ms), None)
    if row is None or row.ttft_ms is None:
        return None
    others = other_running_threads()
    result = prefill_at_query(bundle, str(clip), row.watched_s, row.question, repeats=REPEATS)
    if not result.ttft_ms:
        return None
    return Compared(row.question, row.ttft_ms, result.ttft_ms, result.ttft_ms / row.ttft_ms, others)


def show(console: Console, rows: list[Row]) -> None:
    gap = 1 if console.width >= ROOMY_COLUMNS else 0
    table = Table(
        title=f"Asked over ROS 2 with a deadline of {DEADLINE_S * 1e3:.0f} ms; times in ms",
        box=box.SIMPLE_HEAD,
        padding=(0, gap),
        collapse_padding=True,
        show_edge=False,
    )
    for heading in ("camera", "question", "answer", "truth", "outcome"):
        table.add_column(heading)
    for heading in ("first\ntoken", "latency", "age of\npicture", "tokens\ncached"):
        table.add_column(heading, justify="right")
    for row in rows:
        told = _line(row.answer) or row.error
        numbers = [_figure(value) for value in (row.ttft_ms, row.latency_ms, row.age_ms)]
        table.add_row(
            row.camera, row.question, told, row.truth or "-", row.outcome, *numbers, str(row.cached_tokens)
        )
    console.print()
    console.print(table)
    console.print()


def _line(text: str) -> str:
    return " ".join(text.split())


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


if __name__ == "__main__":
    sys.exit(main())
