"""The benches of killed readers and of cameras that go and come, with small numbers; and their arithmetic."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from magno.calibration import kills
from magno.calibration.footprint import FLAT_KIB, Footprint, trend
from magno.calibration.moments import spread
from magno.calibration.rtsp import reconnect
from magno.calibration.rtsp.rtp import MOST_BYTES, packets
from magno.runtime.camera.h264.nal import split_nal_units


def _arguments(bench: object, *given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)  # type: ignore[attr-defined]
    return parser.parse_args(given)


@pytest.fixture
def clip(clips: Path) -> str:
    return str(clips / "car-detection.mp4")


def test_readers_that_are_ended_come_back(
    tiny_bundle: Path, clip: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kills, "LIFE_S", (0.1, 0.2))
    args = _arguments(kills, "--bundle", str(tiny_bundle), "--clip", clip, "--kills", "2")
    figures = kills.measure(args, lambda text: None)
    questions = figures["questions"]
    assert isinstance(questions, dict) and questions["hung"] == 0 and "failed" not in questions["outcomes"]
    assert {by: end["kills"] for by, end in figures["ends"].items()} == {"SIGKILL": 1, "SIGSTOP": 1}  # type: ignore[attr-defined]
    json.dumps(figures)
    Console().print(kills.report(figures))
    assert "SIGSTOP" in capsys.readouterr().out


def test_a_camera_that_goes_comes_back(
    tiny_bundle: Path, clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = _arguments(reconnect, "--bundle", str(tiny_bundle), "--clip", clip, "--times", "2")
    figures = reconnect.measure(args, lambda text: None)
    assert figures["reconnects"] == 2 and figures["restarts"] == 0
    json.dumps(figures)
    Console().print(reconnect.report(figures))
    assert "went and came 2 times" in capsys.readouterr().out


def test_a_process_that_holds_more_and_more_is_not_flat() -> None:
    flat = trend([Footprint(50_000 + at % 3, 5, 3) for at in range(40)])
    assert flat.is_flat and abs(flat.slope_kib) < 1
    growing = trend([Footprint(50_000 + 500 * at, 5, 3) for at in range(40)])
    assert not growing.is_flat and round(growing.slope_kib) == 500 and growing.growth_kib > FLAT_KIB
    assert not trend([Footprint(50_000, 5 + at // 10, 3) for at in range(40)]).is_flat
    assert not trend([Footprint(50_000, 5, 3 + at // 10) for at in range(40)]).is_flat
    assert trend([Footprint(50_000, 5, 3)]).is_flat


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300))
def test_a_spread_is_in_order(values: list[float]) -> None:
    found = spread(values)
    assert found["p50"] <= found["p99"] <= found["worst"] == max(values)


@given(
    st.lists(st.integers(1, 4 * MOST_BYTES), min_size=1, max_size=4),
    st.integers(0, 2**33),
    st.integers(0, 65535),
)
def test_packets_put_together_are_the_access_unit(sizes: list[int], ticks: int, sequence: int) -> None:
    nals = [bytes([0x65]) + bytes(at % 251 + 4 for at in range(size)) for size in sizes]
    data = b"".join(b"\0\0\0\1" + nal for nal in nals)
    found = list(packets(data, ticks, sequence))
    assert [packet[1] >> 7 for packet in found] == [0] * (len(found) - 1) + [1]
    numbers = [int.from_bytes(packet[2:4], "big") for packet in found]
    assert numbers == [(sequence + at) & 0xFFFF for at in range(len(found))]
    assert {int.from_bytes(packet[4:8], "big") for packet in found} == {ticks & 0xFFFFFFFF}
    whole, begun = [], b""
    for payload in (packet[12:] for packet in found):
        if payload[0] & 0x1F != 28:
            whole.append(payload)
            continue
        if payload[1] & 0x80:
            begun = bytes([payload[0] & 0xE0 | payload[1] & 0x1F])
        begun += payload[2:]
        if payload[1] & 0x40:
            whole.append(begun)
    assert whole == nals == split_nal_units(data)
