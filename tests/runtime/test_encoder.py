"""The encoders: what goes in, what comes out, and what is refused."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.export.verify.parity import example_inputs
from magno.runtime.backends import Graph, Port
from magno.runtime.backends.onnx_file import FIELDS_LIMIT, check_self_contained
from magno.runtime.bundle import Bundle, open_bundle
from magno.runtime.encoder import BACKENDS, Encoder, EncoderError, open_encoder

GRAPH = Graph((Port("x", (4,)),), Port("y", (4,)))


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return open_bundle(tiny_bundle)


@pytest.fixture(scope="module")
def encoder(bundle: Bundle) -> Iterator[Encoder]:
    with open_encoder(bundle) as opened:
        yield opened


@pytest.mark.parametrize("backend", ["ort", "null"])  # the others want a GPU: test_tensorrt.py
@pytest.mark.parametrize("batch", [1, 5])
def test_every_backend_gives_the_same_shapes(bundle: Bundle, backend: str, batch: int) -> None:
    pixels, motion, residual = example_inputs(bundle.spec, batch)
    with open_encoder(bundle, backend) as opened:
        keyframe, window = opened.keyframe(pixels), opened.window(motion, residual)
    assert (keyframe.shape, keyframe.dtype) == ((batch, 16, 64), np.float32)
    assert (window.shape, window.dtype) == ((batch, 8, 64), np.float32)


def test_a_batch_of_many_is_many_batches_of_one(encoder: Encoder, bundle: Bundle) -> None:
    pixels, motion, residual = example_inputs(bundle.spec, 4)
    keyframes, windows = encoder.keyframe(pixels), encoder.window(motion, residual)
    for n in range(4):
        one = slice(n, n + 1)
        np.testing.assert_allclose(encoder.keyframe(pixels[one])[0], keyframes[n], atol=1e-5)
        np.testing.assert_allclose(encoder.window(motion[one], residual[one])[0], windows[n], atol=1e-5)


def test_inputs_of_another_shape_or_type_are_refused(encoder: Encoder, bundle: Bundle) -> None:
    pixels, motion, residual = example_inputs(bundle.spec, 2)
    for wrong in (pixels[0], pixels[:, :, :32], pixels.astype(np.float64), pixels[:0], np.float32(1)):
        with pytest.raises(EncoderError, match=r"wants pixels \(N, 3, 64, 64\) float32"):
            encoder.keyframe(np.asarray(wrong))
    with pytest.raises(EncoderError, match=r"wants residual \(N, 1, 64, 64\) float32 with N = 2"):
        encoder.window(motion, residual[:1])


def test_tokens_that_are_not_finite_are_refused(encoder: Encoder, bundle: Bundle) -> None:
    pixels, _, _ = example_inputs(bundle.spec, 1)
    pixels[0, 0, 0, 0] = np.nan
    with pytest.raises(EncoderError, match="wants finite tokens, found infinity or NaN from inputs pixels"):
        encoder.keyframe(pixels)


def test_a_keyframe_only_bundle_has_no_windows(bundle: Bundle) -> None:
    pixels, motion, residual = example_inputs(bundle.spec, 1)
    with open_encoder(dataclasses.replace(bundle, delta=None)) as opened:
        assert not opened.has_windows
        assert opened.keyframe(pixels).shape == (1, 16, 64)
        with pytest.raises(EncoderError, match="keyframe-only bundle"):
            opened.window(motion, residual)


def test_a_closed_encoder_says_so(bundle: Bundle) -> None:
    pixels, _, _ = example_inputs(bundle.spec, 1)
    opened = open_encoder(bundle)
    opened.close()
    opened.close()
    with pytest.raises(EncoderError, match="found it closed"):
        opened.keyframe(pixels)


def test_backend_and_threads_are_checked(bundle: Bundle) -> None:
    with pytest.raises(EncoderError, match="one of ort, tensorrt, tensorrt-rtx, null, found 'openvino'"):
        open_encoder(bundle, "openvino")
    with pytest.raises(EncoderError, match="wants 1 to 256 threads, found 0"):
        open_encoder(bundle, threads=0)


def test_a_graph_of_another_shape_is_refused(bundle: Bundle) -> None:
    spec = dataclasses.replace(bundle.spec, embed_dim=128)
    with pytest.raises(
        EncoderError, match=r"wants outputs tokens \(N, 16, 128\) .* found tokens \(N, 16, 64\)"
    ):
        open_encoder(dataclasses.replace(bundle, spec=spec))


def test_a_graph_in_place_of_another_is_refused(bundle: Bundle) -> None:
    assert bundle.delta is not None
    with pytest.raises(EncoderError, match=r"delta.onnx wants inputs pixels .* found motion"):
        open_encoder(dataclasses.replace(bundle, vision=bundle.delta))


def identity(**node: str) -> onnx.ModelProto:
    """y = x, (N, 4) float32."""
    ports = [onnx.helper.make_tensor_value_info(name, 1, ["N", 4]) for name in "xy"]
    nodes = [onnx.helper.make_node("Identity", ["x"], ["y"], **node)]
    graph = onnx.helper.make_graph(nodes, "g", ports[:1], ports[1:])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)


def open_ort(path: Path, model: onnx.ModelProto) -> None:
    path.write_bytes(model.SerializeToString())
    importlib.import_module(BACKENDS["ort"]).open(path, GRAPH, 1).close()


def test_a_plain_graph_opens(tmp_path: Path) -> None:
    open_ort(tmp_path / "g.onnx", identity())


def test_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    model = identity()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(EncoderError, match=r"wants inputs x \(N, 4\) float32, found x \(1, 4\) float32"):
        open_ort(tmp_path / "g.onnx", model)


def test_weights_outside_the_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    model = identity()
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="secret")
    model.graph.initializer.append(tensor)
    with pytest.raises(EncoderError, match="wants its weights inside, found external data"):
        open_ort(tmp_path / "g.onnx", model)


def test_weights_outside_the_file_are_found_in_a_nested_graph(tmp_path: Path) -> None:
    inner = onnx.helper.make_graph([], "inner", [], [])
    inner.initializer.add(name="w", data_type=1, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
    model = identity()
    model.graph.node.append(onnx.helper.make_node("If", ["x"], ["z"], then_branch=inner, else_branch=inner))
    with pytest.raises(EncoderError, match="external data"):
        open_ort(tmp_path / "g.onnx", model)


@pytest.mark.parametrize("place", ["node", "opset"])
def test_custom_operators_are_refused(tmp_path: Path, place: str) -> None:
    model = identity(domain="evil") if place == "node" else identity()
    if place == "opset":
        model.opset_import.append(onnx.helper.make_opsetid("evil", 1))
    with pytest.raises(EncoderError, match="wants standard operators, found the domain 'evil'"):
        open_ort(tmp_path / "g.onnx", model)


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    for data in (b"", b"hello, world", bytes(100)):
        path = tmp_path / "g.onnx"
        path.write_bytes(data)
        with pytest.raises(EncoderError, match=r"g\.onnx wants to be"):
            importlib.import_module(BACKENDS["ort"]).open(path, GRAPH, 1)


def test_a_file_of_nothing_but_small_fields_is_refused_before_long() -> None:
    """Megabytes of them would keep a robot's start waiting for seconds."""
    with pytest.raises(EncoderError, match="other or damaged bytes"):
        check_self_contained(bytes(100), "zeros")
    small = b"\x18\x00"  # field 3, the number 0
    check_self_contained(small * FIELDS_LIMIT, "small")
    with pytest.raises(EncoderError, match="fields, found more"):
        check_self_contained(small * (FIELDS_LIMIT + 1), "small")


@given(st.binary(max_size=64), st.integers(0, 10_000), st.integers(0, 255))
def test_the_look_through_a_file_ends_in_a_sentence_or_not_at_all(data: bytes, at: int, byte: int) -> None:
    damaged = bytearray(identity().SerializeToString())
    damaged[at % len(damaged)] = byte
    for text in (data, bytes(damaged)):
        try:
            check_self_contained(text, "g.onnx")
        except EncoderError as error:
            assert str(error).startswith("g.onnx wants")
