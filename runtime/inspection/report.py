"""What `magno inspect` says of a source: as lines for people, as one flat object for programs. Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from magno.runtime.camera.caps import TimeFrom, VectorCaps
from magno.runtime.camera.process.wire import Opened
from magno.runtime.inspection.findings import Summary
from magno.runtime.inspection.over_time import sparkline
from magno.runtime.units import CodecFrame

TIME_WORDS = {
    TimeFrom.CONTAINER: "the container's timestamps",
    TimeFrom.COUNT: "pictures counted: none are carried",
    TimeFrom.RTP: "the sender's media clock (RTP)",
    TimeFrom.CALLER: "the caller's timestamps",
    TimeFrom.DEVICE: "the driver or pipeline that took the pictures",
    TimeFrom.ARRIVAL: "when each picture came",
}


@dataclass(frozen=True, slots=True)
class Inspected:
    """What one pass over a source gave."""

    opened: Opened
    summary: Summary
    b_references: int  # B-pictures that others are predicted from
    cost_ms: float  # of a picture, in the reader process
    picture_px: int
    liveliest: CodecFrame | None  # the picture with the most motion, when it is to be drawn


def as_json(found: Inspected) -> dict[str, object]:
    """One flat object; its keys are the runtime's own words, with units."""
    opened = found.opened
    caps = dataclasses.asdict(opened.caps.vectors) | {"residual": opened.caps.vectors.residual.value}
    return {
        "container": opened.container,
        "codec": opened.codec,
        "size": list(opened.size),
        "rate_hz": opened.rate,
        "time_from": opened.caps.time_from.value,
        "vectors": caps,
        **dataclasses.asdict(found.summary),
        "b_references": found.b_references,
        "cost_ms": found.cost_ms,
        "cost_picture_px": found.picture_px,
    }


def as_lines(found: Inspected) -> list[tuple[str, str]]:
    """Name and value of each line that a person reads."""
    opened, summary = found.opened, found.summary
    counts = ", ".join(f"{count} {kind}" for kind, count in summary.pict_types.items() if count)
    gop = "one, or none seen whole"
    if summary.gop_pictures is not None:
        least, median, most = summary.gop_pictures
        gop = f"{least} to {most} pictures from one intra picture to the next, median {median:g}"
    coverage, motion = "none", "unknown"
    if summary.coverage is not None:
        mean, least_share = summary.coverage
        coverage = f"{mean:.1%} of the blocks of predicted pictures have a vector, {least_share:.1%} at least"
    known = [value for value in summary.motion_px if value is not None]
    if known:
        motion = f"{sparkline(summary.motion_px)}  vectors of 0 to {max(known):.2f} px in the mean"
    b_count = summary.pict_types["B"]
    b_pictures = f"{b_count}, {found.b_references} of them references" if b_count else "none"
    return [
        ("container", opened.container),
        ("codec", opened.codec),
        ("size", f"{opened.size[0]}x{opened.size[1]}"),
        ("rate", f"{opened.rate:g} pictures a second" if opened.rate else "unknown"),
        ("time from", TIME_WORDS[opened.caps.time_from]),
        ("vectors", vectors_line(opened.caps.vectors)),
        ("pictures", f"{summary.pictures} in {summary.duration_s:.2f} s: {counts}"),
        ("pattern", summary.pattern),
        ("GOP", gop),
        ("B-pictures", b_pictures),
        ("coverage", coverage),
        ("motion", motion),
        ("link breaks", f"{summary.link_breaks}, {summary.broken_pictures} pictures damaged"),
        ("cost", f"{found.cost_ms:.2f} ms a picture: decode, vectors, {found.picture_px} px picture"),
    ]


def vectors_line(caps: VectorCaps) -> str:
    """What the source's vectors are, in words."""
    if not caps.block_px:
        return "none: this codec's decoder exports none"
    words = [f"blocks of {caps.block_px} px", f"steps of 1/{caps.subpel} px"]
    words.append("intra blocks told" if caps.has_intra else "intra blocks not told")
    words.append("reference known" if caps.has_reference else "reference taken for the newest")
    words.append("calibrated" if caps.calibrated else "NOT calibrated")
    return ", ".join(words)
