"""What is reckoned of layers: operations by shape, percentiles, groups, the roof."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.calibration.profiling.flops import flops
from magno.calibration.profiling.layers import GraphProfile, Layer, block_of, grouped, least_ms, roof_share
from magno.calibration.profiling.ort_layers import module_of
from magno.calibration.profiling.roof import Roof
from magno.calibration.profiling.spread import spread

ROOF = Roof(1, flops_per_s=100e9, copies=((1 << 16, 40e9), (1 << 28, 10e9)))


def layer(
    name: str = "a/MatMul_1", ms: float = 1.0, flops: int = 1000, weights: int = 0, moved: int = 100
) -> Layer:
    return Layer(name, "MatMul", module_of(name), (ms, ms, 9 * ms), flops, weights, moved)


@pytest.mark.parametrize(
    ("operator", "inputs", "out", "operations"),
    [
        ("MatMul", [(1, 64, 192), (192, 768)], (1, 64, 768), 2 * 64 * 192 * 768),
        ("FusedMatMul", [(1, 6, 64, 32), (1, 6, 64, 32)], (1, 6, 64, 64), 2 * 6 * 64 * 64 * 32),
        ("FusedMatMul", [(32, 64), (32, 16)], (64, 16), 2 * 64 * 16 * 32),  # the left side transposed
        ("Gemm", [(8, 256), (256, 64), (64,)], (8, 64), 2 * 8 * 256 * 64),
        ("QLinearMatMul", [(8, 256), (), (), (256, 64)], (8, 64), 2 * 8 * 256 * 64),
        ("Conv", [(1, 3, 128, 128), (192, 3, 16, 16), (192,)], (1, 192, 8, 8), 2 * 192 * 64 * 3 * 256),
        ("MultiHeadAttention", [(1, 64, 192), (1, 50, 192)], (1, 64, 192), 4 * 64 * 192 * 50),
        ("Softmax", [(6, 64, 64)], (6, 64, 64), 6 * 64 * 64),
        ("Reshape", [(6, 64), (2,)], (384,), 0),
        ("MatMul", [], (4, 4), 16),  # nothing is known of what went in
    ],
)
def test_operations_follow_from_shapes(
    operator: str, inputs: list[tuple[int, ...]], out: tuple[int, ...], operations: int
) -> None:
    assert flops(operator, inputs, [out]) == operations


def test_an_operator_without_an_output_is_free() -> None:
    assert flops("MatMul", [(4, 4)], []) == 0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_percentiles_are_times_that_were_seen(times: list[float]) -> None:
    found = spread(times)
    assert {found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms} <= set(times)
    assert found.p50_ms <= found.p95_ms <= found.p99_ms <= found.max_ms == max(times)
    assert sum(time <= found.p95_ms for time in times) >= 0.95 * len(times)
    assert found.count == len(times) and math.isclose(found.total_ms, sum(times))


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("tower.encoder.layers.0.mlp.fc1/MatMul_67", "tower.encoder.layers.0.mlp.fc1"),
        ("tower.encoder.layers.0.self_attn/MatMul_51/MatMulScaleFusion/", "tower.encoder.layers.0.self_attn"),
        ("MatMul_51/MatMulScaleFusion/", ""),
        ("node_linear_3", ""),
        ("", ""),
    ],
)
def test_a_nodes_name_tells_its_module(name: str, module: str) -> None:
    assert module_of(name) == module


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("tower.encoder.layers.11.mlp.fc1/x", "tower.encoder.layers.11"),
        ("motion_reader.layers.layers.1.linear2/x", "motion_reader.layers.layers.1"),
        ("tower.embeddings.patch_embedding/x", "tower.embeddings"),
        ("projector/x", "projector"),
        ("x", "of no one module"),
    ],
)
def test_modules_are_told_by_block(name: str, block: str) -> None:
    assert block_of(layer(name)) == block


def test_one_disturbed_run_moves_no_layer() -> None:
    graph = GraphProfile(
        "vision.onnx", 1, 3, (5.0,), (layer("a/x", 1.0), layer("b/y", 3.0), layer("a/z", 1.0))
    )
    assert graph.total_ms == 5.0 and [one.name for one in graph.slowest(1)] == ["b/y"]
    assert [(group.name, group.layers, group.share) for group in grouped(graph, block_of)] == [
        ("b", 1, 0.6),
        ("a", 2, 0.4),
    ]


def test_the_roof_is_the_slower_of_arithmetic_and_bytes() -> None:
    assert least_ms(layer(flops=10**8, moved=100), ROOF) == pytest.approx(1.0)
    assert least_ms(layer(flops=1, moved=40_000), ROOF) == pytest.approx(0.001)  # from a cache
    assert least_ms(layer(flops=1, weights=10_000_000, moved=0), ROOF) == pytest.approx(1.0)  # from memory
    assert least_ms(layer(flops=1, moved=1 << 30), ROOF) == pytest.approx(1000 * (1 << 30) / 10e9)
    assert roof_share(layer(ms=4.0, flops=10**8), ROOF) == pytest.approx(0.25)


def test_without_a_roof_or_a_time_there_is_no_share_of_it() -> None:
    untimed = Layer("a", "b", "", (), 10, 10, 10)
    assert roof_share(layer(), None) is None and roof_share(untimed, ROOF) is None
    assert roof_share(layer(flops=0, moved=0), ROOF) is None
