"""Nodes of an ONNX file and the weights they read, sizes only: no weight is loaded. Field numbers: onnx/onnx.proto."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magno.runtime.backends import EncoderError
from magno.runtime.backends.onnx_file import fields, varint

GRAPH = 7  # of Model
NODE, INITIALIZER = 1, 5  # of Graph
NODE_INPUT, NODE_OUTPUT, NODE_NAME, NODE_OPERATOR = 1, 2, 3, 4
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME = 1, 2, 8
# TensorProto.DataType -> bytes an element; 4-bit ones count as a byte each, for want of halves.
ELEMENT_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}


@dataclass(frozen=True, slots=True)
class Weight:
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """By name: nodes, and the weights among their inputs."""

    nodes: dict[str, Node]
    weights: dict[str, Weight]

    def weight_bytes(self, node: Node) -> int:
        return sum(self.weights[name].bytes for name in node.inputs if name in self.weights)

    def producers(self) -> dict[str, Node]:
        """Value -> the node that computes it."""
        return {value: node for node in self.nodes.values() for value in node.outputs}


def read_graph(path: Path) -> OnnxGraph:
    """Raises EncoderError for a file that is no ONNX."""
    nodes: dict[str, Node] = {}
    weights: dict[str, Weight] = {}
    try:
        _read_model(memoryview(np.memmap(path, np.uint8, "r")), nodes, weights)
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise EncoderError(f"{path} wants to be an ONNX file, found other or damaged bytes.") from error
    return OnnxGraph(nodes, weights)


def _read_model(model: memoryview, nodes: dict[str, Node], weights: dict[str, Weight]) -> None:
    for graph in _messages(model, GRAPH):
        for message in _messages(graph, NODE):
            node = _node(message)
            nodes[node.name] = node
        for message in _messages(graph, INITIALIZER):
            name, weight = _weight(message)
            weights[name] = weight


def _messages(message: memoryview, wanted: int) -> list[memoryview]:
    found = [value for number, value in fields(message) if number == wanted]
    return [value for value in found if isinstance(value, memoryview)]


def _node(message: memoryview) -> Node:
    return Node(
        name=_text(message, NODE_NAME),
        operator=_text(message, NODE_OPERATOR),
        inputs=tuple(str(value, "utf-8") for value in _messages(message, NODE_INPUT)),
        outputs=tuple(str(value, "utf-8") for value in _messages(message, NODE_OUTPUT)),
    )


def _text(message: memoryview, wanted: int) -> str:
    found = _messages(message, wanted)
    return str(found[-1], "utf-8") if found else ""


def _weight(message: memoryview) -> tuple[str, Weight]:
    shape: list[int] = []
    kind = 0
    for number, value in fields(message):
        if number == TENSOR_DIMS:
            shape += _numbers(value)
        elif number == TENSOR_TYPE and isinstance(value, int):
            kind = value
    elements = 1
    for size in shape:
        elements *= size
    return _text(message, TENSOR_NAME), Weight(tuple(shape), elements * ELEMENT_BYTES.get(kind, 1))


def _numbers(value: int | memoryview) -> list[int]:
    """One number, or many packed into bytes."""
    if isinstance(value, int):
        return [value]
    numbers, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        numbers.append(number)
    return numbers
