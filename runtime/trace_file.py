"""Traces as files: JSON lines, which compare, and the Trace Event Format, which Perfetto and Chrome show.

Of a JSON line, "wall" alone depends on the machine; everything else is a decision, the same in every replay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from magno.runtime.clock import NS_PER_S
from magno.runtime.trace import Span
from magno.runtime.units import MagnoError
from magno.runtime.whole import whole_file

VERSION = 1
NS_PER_US = 1000
MAX_BYTES = 1 << 30
Decision = dict[str, Any]  # track, stage, at_ns and the stage's facts


class TraceError(MagnoError):
    """A trace that cannot be written or read."""


def write_lines(path: Path, spans: Iterable[Span], dropped: int, *, wall: bool = True) -> None:
    """JSON lines: a header, then a span a line. Without `wall`, two replays of one clip are byte-identical."""
    lines = [json.dumps({"magno_trace": VERSION, "dropped": dropped})]
    for span in spans:
        line = decision(span)
        if wall:
            line["wall"] = {"start_ns": span.start_ns, "ns": span.stop_ns - span.start_ns}
        lines.append(json.dumps(line, ensure_ascii=False))
    _write(path, "\n".join(lines) + "\n")


def write_perfetto(path: Path, spans: Sequence[Span]) -> None:
    """One thread a track, one complete event ("X") a span, microseconds since the first."""
    tracks = {track: number for number, track in enumerate(dict.fromkeys(span.track for span in spans), 1)}
    origin_ns = min((span.start_ns for span in spans), default=0)
    events: list[dict[str, object]] = [
        {"ph": "M", "name": "process_name", "pid": 1, "tid": 0, "args": {"name": "magno"}}
    ]
    for track, number in tracks.items():
        events.append({"ph": "M", "name": "thread_name", "pid": 1, "tid": number, "args": {"name": track}})
    for span in spans:
        events.append(
            {
                "ph": "X",
                "name": span.stage,
                "cat": span.track.split()[0],
                "pid": 1,
                "tid": tracks[span.track],
                "ts": (span.start_ns - origin_ns) / NS_PER_US,
                "dur": (span.stop_ns - span.start_ns) / NS_PER_US,
                "args": {"at_s": span.at_ns / NS_PER_S, **span.facts},
            }
        )
    _write(path, json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}, ensure_ascii=False))


def decision(span: Span) -> Decision:
    """All of a span that does not depend on the machine."""
    return {"track": span.track, "stage": span.stage, "at_ns": span.at_ns, **span.facts}


def read_decisions(path: Path) -> list[Decision]:
    """The decisions of a file that `write_lines` wrote. Raises TraceError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TraceError(f"{path} wants to be a trace of 1 GiB at most, found a larger file.")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path} wants to be a trace, found none that can be read ({error}).") from error
    header, *spans = [_object(path, number, line) for number, line in enumerate(lines, 1)] or [{}]
    if header.get("magno_trace") != VERSION:
        raise TraceError(
            f"{path} wants to begin with the header of a trace of version {VERSION}, found another: record it again."
        )
    if header.get("dropped"):
        raise TraceError(
            f"{path} wants to be whole, found {header['dropped']} spans dropped: record it again."
        )
    return [{key: value for key, value in span.items() if key != "wall"} for span in spans]


def first_difference(wanted: Sequence[Decision], found: Sequence[Decision]) -> str | None:
    """The first span in which two traces part, in one sentence; None: they do not."""
    for number, (one, other) in enumerate(zip(wanted, found, strict=False), 1):
        if one == other:
            continue
        if [one.get(key) for key in ("track", "stage", "at_ns")] != [
            other.get(key) for key in ("track", "stage", "at_ns")
        ]:
            return f"Span {number} wants {_name(one)}, found {_name(other)}."
        keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
        told = ", ".join(f"{key} {_said(one, key)}, found {_said(other, key)}" for key in keys[:1])
        return f"Span {number} ({_name(one)}) wants {told}."
    if len(wanted) == len(found):
        return None
    longer, said = (wanted, "found no more") if len(wanted) > len(found) else (found, "found one more")
    return f"The trace wants {len(wanted)} spans, {said}: {_name(longer[min(len(wanted), len(found))])}."


def _name(span: Decision) -> str:
    at_ns = span.get("at_ns")
    at = f"{at_ns / NS_PER_S:.3f} s" if isinstance(at_ns, (int, float)) else "no time"
    return f"{span.get('stage')} of {span.get('track')} at {at}"


def _said(span: Decision, key: str) -> str:
    return json.dumps(span[key], ensure_ascii=False)[:120] if key in span else "nothing"


def _object(path: Path, number: int, line: str) -> Decision:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise TraceError(f"{path} wants a JSON object in line {number}, found something else.")
    return value


def _write(path: Path, text: str) -> None:
    try:
        with whole_file(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TraceError(
            f"A trace wants to be written to {path}, found: {error}. Choose another place."
        ) from error
