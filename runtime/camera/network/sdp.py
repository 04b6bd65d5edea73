"""What a session description says of its H.264 stream (RFC 8866, RFC 6184). Pure."""

from __future__ import annotations

import base64
import binascii
import contextlib
from dataclasses import dataclass
from itertools import pairwise

MAX_SETS_BYTES = 4096
START = b"\0\0\0\1"


@dataclass(frozen=True, slots=True)
class Track:
    """One H.264 stream of a camera."""

    payload_type: int
    clock_hz: int
    control: str  # its url, or what follows the camera's
    parameter_sets: bytes  # in annex B; empty: they come with the pictures
    rate: float  # pictures a second; 0: it does not say


def h264_track(text: str) -> Track | None:
    """The first video stream; None: it is none, not of H.264, or sent in a way that is not read here."""
    lines = [line.strip() for line in text.splitlines()]
    starts = [at for at, line in enumerate(lines) if line.startswith("m=")]
    for at, after in pairwise([*starts, len(lines)]):
        if lines[at].startswith("m=video "):
            return _track(lines[at], lines[at + 1 : after])
    return None


def _track(media: str, lines: list[str]) -> Track | None:
    attributes = [line[2:].partition(":")[::2] for line in lines if line.startswith("a=")]
    for payload in media.split(" ")[3:]:
        maps = [
            value.split(" ", 1)[1] for name, value in attributes if _is_of(name, value, "rtpmap", payload)
        ]
        encoding, _, clock = maps[0].strip().partition("/") if maps else ("", "", "")
        if encoding.upper() != "H264" or not _is_number(clock) or not _is_number(payload):
            continue
        formats = [
            value.split(" ", 1)[1] for name, value in attributes if _is_of(name, value, "fmtp", payload)
        ]
        says = dict(part.strip().partition("=")[::2] for part in ";".join(formats).split(";"))
        if says.get("packetization-mode", "0") not in ("0", "1"):
            return None
        control = next((value for name, value in attributes if name == "control"), "*")
        rate = next((value for name, value in attributes if name == "framerate"), "0")
        sets = _parameter_sets(says.get("sprop-parameter-sets", ""))
        return Track(int(payload), int(clock), control, sets, _rate(rate))
    return None


def _is_of(name: str, value: str, wanted: str, payload: str) -> bool:
    return name == wanted and value.startswith(payload + " ")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < len(text) < 9 and int(text) > 0


def _rate(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < 1000:
            return float(text)
    return 0.0


def _parameter_sets(text: str) -> bytes:
    sets = b""
    for coded in text.split(","):
        with contextlib.suppress(binascii.Error, ValueError):
            nal = base64.b64decode(coded.strip(), validate=True)
            sets += START + nal if nal else b""
    return sets if len(sets) <= MAX_SETS_BYTES else b""
