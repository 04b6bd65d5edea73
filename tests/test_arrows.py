"""The arrows of the design: what may import what. A robot carries runtime/ alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "transformers", "onnx", "gguf", "rclpy"}
BANNED = {
    "runtime": {
        "magno.export",
        "magno.calibration",
        "magno.training",
        "magno_ros",
        "magno_interfaces",
        *HEAVY,
    },
    "calibration": {"magno.training", "magno_ros", "magno_interfaces", "rclpy"},
    "export": {"magno.calibration", "magno.training", "magno_ros", "magno_interfaces", "rclpy"},
    "training": {"magno_ros", "magno_interfaces", "rclpy"},
    "ros2_pkg": {"magno.export", "magno.training", "torch"},
}
# One library, one file.
OWNERS = {
    "llama_cpp": {"runtime/language.py"},
    "onnxruntime": {"runtime/backends/ort.py"},
    "cuda": {"runtime/backends/cuda.py"},
    "mcap": {"runtime/camera/topic/mcap_file.py"},
    "rerun": {"runtime/viz/rerun_file.py"},
    "PIL": {"runtime/viz/jpeg.py"},
    "PyNvVideoCodec": {"runtime/camera/hardware/nvdec_library.py"},
}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("folder", BANNED)
def test_arrows_point_downwards(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        for name in imported(path):
            against = {rule for rule in BANNED[folder] if name == rule or name.startswith(f"{rule}.")}
            assert not against, f"{path.relative_to(ROOT)} imports {name}"


def test_one_library_one_file() -> None:
    for library, owners in OWNERS.items():
        found = {
            str(path.relative_to(ROOT))
            for path in (ROOT / "runtime").rglob("*.py")
            if any(name.split(".")[0] == library for name in imported(path))
        }
        assert found == owners


def test_only_the_clock_reads_a_clock() -> None:
    for path in (ROOT / "runtime").rglob("*.py"):
        if path.name != "clock.py":
            assert "time" not in imported(path), path.relative_to(ROOT)
