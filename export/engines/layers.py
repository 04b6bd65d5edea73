"""The layers of an engine as JSON: what the engine inspector says, or what the graph held where no GPU can open it.

Both are one object: `Source` ("engine" or "graph"), `Layers` and, from an engine, `Bindings`. The inspector's layers
are fused and say how they run (`TacticName`); their `Metadata` names the graph's nodes, and so the model's modules.
"""

from __future__ import annotations

import json
from typing import Any

from magno.runtime.backends import EncoderError
from magno.runtime.backends.tensorrt_library import Library


def layers_of_engine(library: Library, engine: Any) -> dict[str, Any]:
    """The inspector's own words, whole where the engine was built with detailed profiling. Raises EncoderError."""
    text = engine.create_engine_inspector().get_engine_information(library.trt.LayerInformationFormat.JSON)
    try:
        values = json.loads(text)
        return {"Source": "engine", "Layers": values["Layers"], "Bindings": values.get("Bindings", [])}
    except (ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            f"The engine inspector of {library.flavour} {library.version} wants to write JSON with Layers, "
            f"found {text[:80]!r}."
        ) from error


def layers_of_network(network: Any) -> dict[str, Any]:
    """The layers before they are fused, in the inspector's words."""
    return {"Source": "graph", "Layers": [_layer(network.get_layer(at)) for at in range(network.num_layers)]}


def _layer(layer: Any) -> dict[str, Any]:
    inputs = [layer.get_input(at) for at in range(layer.num_inputs)]
    outputs = [layer.get_output(at) for at in range(layer.num_outputs)]
    return {
        "Name": str(layer.name),
        "LayerType": str(layer.type).rsplit(".", 1)[-1],
        "Inputs": [_tensor(tensor) for tensor in inputs if tensor is not None],
        "Outputs": [_tensor(tensor) for tensor in outputs if tensor is not None],
        "Metadata": str(getattr(layer, "metadata", "")),  # since 8.6
    }


def _tensor(tensor: Any) -> dict[str, Any]:
    return {
        "Name": str(tensor.name),
        "Dimensions": [int(size) for size in tensor.shape],
        "Format/Datatype": str(tensor.dtype).rsplit(".", 1)[-1],
    }
