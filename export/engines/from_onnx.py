"""An ONNX graph -> a TensorRT engine whose every tensor has the type that the graph gives it.

One path for TensorRT 8.6, 10 and 11 and for TensorRT-RTX: what differs is told by what the library has. Weak typing is
never used: it may compute in half precision what the graph keeps in float32, and version 11 does not have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magno.export.engines.layers import layers_of_engine, layers_of_network
from magno.runtime.backends import EncoderError, Graph, Port
from magno.runtime.backends.engine_record import Settings
from magno.runtime.backends.onnx_file import read_self_contained
from magno.runtime.backends.tensorrt import load_engine
from magno.runtime.backends.tensorrt_library import Library


@dataclass(frozen=True, slots=True)
class Wish:
    """What an engine is to be."""

    batch: tuple[int, int, int]  # smallest, fastest, largest
    compute_capabilities: tuple[
        str, ...
    ] = ()  # to build for, where the library asks; empty: the GPU that is here
    opens_here: bool = False  # a GPU is here, so that the engine can be inspected


@dataclass(frozen=True, slots=True)
class Built:
    """A new engine, in memory."""

    engine: memoryview
    layers: dict[str, Any]
    settings: Settings


class Building:
    """One flavour's builder, with the timing cache that its engines share."""

    def __init__(
        self, library: Library, timing_cache: bytes | None = None, monitor: Any | None = None
    ) -> None:
        """`timing_cache`: None where none is wanted, else what an earlier build left (b"" at first)."""
        self._library, self._monitor, self._timing_cache = library, monitor, timing_cache

    @property
    def timing_cache(self) -> bytes | None:
        """As the last build left it."""
        return self._timing_cache

    def engine_from_onnx(self, onnx: Path, graph: Graph, wish: Wish) -> Built:
        """Takes seconds to hours. Raises EncoderError."""
        trt = self._library.trt
        try:
            builder = trt.Builder(self._library.log)
            network = builder.create_network(network_flags(trt.NetworkDefinitionCreationFlag.__members__))
            parser = trt.OnnxParser(network, self._library.log)  # owns the weights: it must outlive the build
        except Exception as error:  # a null pointer is a TypeError here
            raise self._fault(onnx, "a builder") from error
        if not parser.parse(read_self_contained(onnx)):
            raise self._fault(onnx, "to be a graph that TensorRT takes")
        _check_ports(trt, network, graph, onnx)
        config = self._configure(builder, network, wish)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise self._fault(onnx, "to become an engine")
        self._timing_cache = left_timing_cache(config, self._timing_cache)
        data = memoryview(plan)
        return Built(data, self._layers(data, network, wish), self._settings(config, network))

    def _layers(self, data: memoryview, network: Any, wish: Wish) -> dict[str, Any]:
        """From the engine, which must open where it was built; a missing report is no reason to throw it away."""
        if wish.opens_here:
            engine = load_engine(self._library, data, "The new engine")
            with suppress(EncoderError):
                return layers_of_engine(self._library, engine)
        return layers_of_network(network)

    def _configure(self, builder: Any, network: Any, wish: Wish) -> Any:
        trt, config = self._library.trt, builder.create_builder_config()
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        # Float32 is to be float32: who wants speed exports in half precision, which is faster than TF32.
        config.clear_flag(trt.BuilderFlag.TF32)
        if self._monitor is not None and hasattr(config, "progress_monitor"):
            config.progress_monitor = self._monitor
        if wish.compute_capabilities and hasattr(config, "num_compute_capabilities"):
            config.num_compute_capabilities = len(wish.compute_capabilities)
            for at, capability in enumerate(wish.compute_capabilities):
                member = trt.ComputeCapability.__members__[f"SM{capability.replace('.', '')}"]
                config.set_compute_capability(member, at)
        if not _is_strongly_typed(trt, network):
            _hold_types(trt, network, config)
        _set_batch(builder, network, config, wish.batch)
        give_timing_cache(config, self._timing_cache)
        return config

    def _settings(self, config: Any, network: Any) -> Settings:
        """Read back, not repeated: a version may have its own mind."""
        trt = self._library.trt
        level = getattr(config, "builder_optimization_level", None)
        return Settings(
            strongly_typed=_is_strongly_typed(trt, network),
            tf32=bool(config.get_flag(trt.BuilderFlag.TF32)),
            optimization_level=None if level is None else int(level),
            workspace_bytes=int(config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE)),
            timing_cache=self._timing_cache is not None,
            profiling_verbosity=str(config.profiling_verbosity).rsplit(".", 1)[-1],
        )

    def _fault(self, onnx: Path, wanted: str) -> EncoderError:
        library = self._library
        return EncoderError(
            f"{onnx} wants {wanted} in {library.flavour} {library.version}, found: {library.complaint()}."
        )


def give_timing_cache(config: Any, earlier: bytes | None) -> None:
    """`earlier`: what an earlier build left, b"" at first; None where none is wanted."""
    if earlier is None:
        return
    cache = config.create_timing_cache(earlier)
    if not config.set_timing_cache(cache, False):  # of another version or GPU: begin anew
        config.set_timing_cache(config.create_timing_cache(b""), False)


def left_timing_cache(config: Any, earlier: bytes | None) -> bytes | None:
    """What a build leaves for the next."""
    if earlier is None or (cache := config.get_timing_cache()) is None:
        return earlier
    return bytes(memoryview(cache.serialize()))


def network_flags(members: Mapping[str, Any]) -> int:
    """The creation flags that this version knows of those we want: 8.6 must be told of the explicit batch, later
    ones have no other; strong typing is a flag in 10, and all there is in 11."""
    wanted = ("EXPLICIT_BATCH", "STRONGLY_TYPED")
    return sum(1 << int(members[name]) for name in wanted if name in members)


def _is_strongly_typed(trt: Any, network: Any) -> bool:
    """As the network says of itself, or because this version has no weak typing any more."""
    flag = trt.NetworkDefinitionCreationFlag.__members__.get("STRONGLY_TYPED")
    told = flag is not None and bool(network.get_flag(flag))
    return told or not hasattr(trt.BuilderFlag, "FP16")


def _hold_types(trt: Any, network: Any, config: Any) -> None:
    """TensorRT 8.6: let half precision be used only where the graph has it, layer by layer."""
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    for at in range(network.num_layers):
        layer = network.get_layer(at)
        if layer.type == trt.LayerType.QUANTIZE:
            config.set_flag(trt.BuilderFlag.INT8)
        kinds = [layer.get_output_type(index) for index in range(layer.num_outputs)]
        if any(kind == trt.float16 for kind in kinds):
            config.set_flag(trt.BuilderFlag.FP16)
        if layer.type != trt.LayerType.CONSTANT and kinds and kinds[0] in (trt.float32, trt.float16):
            layer.precision = kinds[0]
            for index, kind in enumerate(kinds):
                layer.set_output_type(index, kind)


def _set_batch(builder: Any, network: Any, config: Any, batch: tuple[int, int, int]) -> None:
    """One size: it becomes part of the graph, which then has no free size left. Else an optimization profile."""
    ports = [network.get_input(at) for at in range(network.num_inputs)]
    if batch[0] == batch[2]:
        for port in ports:
            port.shape = (batch[0], *tuple(port.shape)[1:])
        return
    profile = builder.create_optimization_profile()
    for port in ports:
        profile.set_shape(port.name, *((rows, *tuple(port.shape)[1:]) for rows in batch))
    config.add_optimization_profile(profile)


def _check_ports(trt: Any, network: Any, graph: Graph, onnx: Path) -> None:
    """The parser takes any bytes that are some message: hold what it made against what the model wants."""
    sides: list[tuple[str, tuple[Port, ...], int, Callable[[int], Any]]] = [
        ("inputs", graph.inputs, network.num_inputs, network.get_input),
        ("outputs", (graph.output,), network.num_outputs, network.get_output),
    ]
    for side, ports, count, get in sides:
        found = []
        for at in range(count):
            tensor = get(at)
            port = str(Port(tensor.name, tuple(tensor.shape)[1:]))
            found.append(port if tensor.dtype == trt.float32 else port.replace("float32", str(tensor.dtype)))
        if sorted(map(str, ports)) != sorted(found):
            raise EncoderError(
                f"{onnx} wants {side} {', '.join(sorted(map(str, ports)))}, found {', '.join(sorted(found))[:400]}. "
                "Export it again with this checkpoint."
            )
