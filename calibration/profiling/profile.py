"""One profile of one bundle: its stages, its graphs' layers, and what the device can do."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from magno.calibration.profiling.layers import GraphProfile
from magno.calibration.profiling.roof import Roof, measure_roof
from magno.calibration.profiling.settings import Settings
from magno.calibration.profiling.stages import Inputs, StageProfile, profile_stages
from magno.runtime.bundle import Bundle, open_bundle

# Backend -> what tells its layers; of another backend only the stages are told.
LAYERS = {
    "ort": "magno.calibration.profiling.ort_layers",
    "tensorrt": "magno.calibration.profiling.tensorrt_layers",
    "tensorrt-rtx": "magno.calibration.profiling.tensorrt_layers",
}
ON_THIS_PROCESSOR = ("ort",)  # backends whose layers are held against the processor's roof

Say = Callable[[str], None]


class Profiler(Protocol):
    """What a module of LAYERS offers. Raises MagnoError."""

    def profile_graph(self, path: Path, inputs: Inputs, settings: Settings, say: Say) -> GraphProfile: ...


@dataclass(frozen=True, slots=True)
class Profile:
    bundle: Bundle
    settings: Settings
    stages: StageProfile
    graphs: tuple[GraphProfile, ...]
    roof: Roof | None  # None: this backend does not run on the processor


def profile(folder: Path, settings: Settings, say: Say) -> Profile:
    """Raises MagnoError."""
    bundle = open_bundle(folder)
    stages = profile_stages(bundle, settings, say)
    graphs = []
    if settings.backend in LAYERS:
        profiler = cast(Profiler, importlib.import_module(LAYERS[settings.backend]))
        for path, inputs in ((bundle.vision, stages.keyframe), (bundle.delta, stages.window)):
            if path is not None and inputs is not None:
                graphs.append(profiler.profile_graph(path, inputs, settings, say))
    roof = None
    if settings.backend in ON_THIS_PROCESSOR:
        say("what this processor can do")
        roof = measure_roof(settings.encoder_threads)
    return Profile(bundle, settings, stages, tuple(graphs), roof)
