"""Real engines of both encoders, by TensorRT-RTX, which needs no GPU to build them."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest

import magno.export.engines.build as building
from magno.export.engines.build import Options, build_engines, graphs_of
from magno.export.engines.cli import add_arguments, run
from magno.export.engines.from_onnx import (
    Building,
    Wish,
    give_timing_cache,
    left_timing_cache,
    network_flags,
)
from magno.export.engines.progress import Standing, progress_monitor
from magno.export.engines.target import Target
from magno.export.graphs.precision import at_precision
from magno.runtime.backends import EncoderError, Graph, Port
from magno.runtime.backends.engine_file import read_engine
from magno.runtime.backends.engine_record import Gpu, Here
from magno.runtime.backends.tensorrt_library import Library, load_library
from magno.runtime.bundle import open_bundle

CARD = Gpu("NVIDIA GeForce RTX 4090", "8.9")
OPTIONS = Options("tensorrt-rtx", (1, 1, 1))


@pytest.fixture(scope="module")
def library() -> Library:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed: pip install 'magno[rtx]'")
    return load_library("tensorrt-rtx")


@pytest.fixture(scope="module")
def built(library: Library, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle with engines. Read it only."""
    copy = Path(shutil.copytree(tiny_bundle, tmp_path_factory.mktemp("built") / "bundle"))
    build_engines(copy, OPTIONS, Standing())
    return copy


@pytest.fixture
def bundle(library: Library, tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def magno_build(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(words))


def test_both_encoders_become_engines_that_their_record_describes(built: Path, library: Library) -> None:
    (folder,) = (built / "engines").iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "engines.json",
        *(f"{stem}{end}" for stem in ("vision", "delta") for end in (".engine", ".layers.json")),
    }
    here = Here("tensorrt-rtx", library.version, CARD)
    for onnx_path, _ in graphs_of(open_bundle(built)):
        found = read_engine(onnx_path, here)
        assert found.data and found.file.batch == (1, 1, 1)
    record = json.loads((folder / "engines.json").read_text())
    assert record["settings"]["strongly_typed"] is True and record["settings"]["tf32"] is False


def test_the_layers_trace_back_to_the_graph(built: Path) -> None:
    layers = json.loads(next((built / "engines").glob("*/vision.layers.json")).read_text())
    names = {node.name for node in onnx.load(built / "vision.onnx").graph.node}
    traced = [layer for layer in layers["Layers"] if any(name in layer["Metadata"] for name in names)]
    assert layers["Source"] in ("graph", "engine") and len(traced) > len(names) / 2
    assert {"Name", "LayerType", "Inputs", "Outputs", "Metadata"} <= set(layers["Layers"][0])


def test_a_graph_in_half_precision_keeps_every_type(
    library: Library, tiny_bundle: Path, tmp_path: Path
) -> None:
    (_, graph), *_ = graphs_of(open_bundle(tiny_bundle))
    model = onnx.load(tiny_bundle / "vision.onnx")
    at_precision(model, "fp16")
    (tmp_path / "vision.onnx").write_bytes(model.SerializeToString())
    half = Building(library).engine_from_onnx(tmp_path / "vision.onnx", graph, Wish((1, 1, 1), ("8.9",)))
    kinds: dict[str, set[str]] = {}
    for layer in half.layers["Layers"]:
        kinds.setdefault(layer["LayerType"], set()).update(
            port["Format/Datatype"] for port in layer["Outputs"]
        )
    assert kinds["MATRIX_MULTIPLY"] == {"HALF"}
    assert kinds["SOFTMAX"] == kinds["NORMALIZATION"] == {"FLOAT"}


def test_a_gpu_that_the_engines_are_not_for_is_refused(built: Path, library: Library) -> None:
    hopper = Here("tensorrt-rtx", library.version, Gpu("NVIDIA H100", "9.0"))
    if not (built / "engines" / "any-gpu.tensorrt-rtx").is_dir():
        pytest.skip("the engines were built for the GPU that is here")
    with pytest.raises(
        EncoderError, match=r"compute capability .*, found 9.0 \(NVIDIA H100\)\. Run: magno build"
    ):
        read_engine(built / "vision.onnx", hopper)


def test_a_build_that_fails_leaves_the_engines_before_it(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = bundle / "engines" / "any-gpu.tensorrt-rtx"
    old.mkdir(0o755, parents=True)
    (old.parent).chmod(0o755)
    (old / "vision.engine").write_text("from before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(old))

    monkeypatch.setattr(building, "_read_timing_cache", full)  # first of all that is done in the new folder
    assert magno_build(str(bundle), "--engine", "tensorrt-rtx") == 2
    assert (
        capsys.readouterr()
        .err.strip()
        .splitlines()[-1]
        .endswith("wants to be writable, found: No space left on device. Free it, or copy the bundle.")
    )
    assert [path.name for path in old.parent.iterdir()] == [old.name]
    assert (old / "vision.engine").read_text() == "from before"


def test_an_interrupted_build_stops(library: Library, tiny_bundle: Path) -> None:
    standing = Standing()
    standing.cancelled = True
    monitored = Building(library, None, progress_monitor(library.trt, standing))
    (path, graph), *_ = graphs_of(open_bundle(tiny_bundle))
    with pytest.raises(EncoderError, match=r"(?i)cancel"):
        monitored.engine_from_onnx(path, graph, Wish((1, 1, 1), ("8.9",)))


def test_a_graph_of_other_ports_is_refused(library: Library, tiny_bundle: Path) -> None:
    (path, _), (_, other) = graphs_of(open_bundle(tiny_bundle))
    with pytest.raises(
        EncoderError, match=r"vision.onnx wants inputs motion .*, found pixels \(N, 3, 64, 64\)"
    ):
        Building(library).engine_from_onnx(path, other, Wish((1, 1, 1), ("8.9",)))


def test_an_operator_that_the_library_lacks_is_named(library: Library, tmp_path: Path) -> None:
    ports = [onnx.helper.make_tensor_value_info(name, 1, ["N", 4]) for name in "xy"]
    node = onnx.helper.make_node("Attention", ["x"], ["y"], domain="com.microsoft", num_heads=1)
    graph = onnx.helper.make_graph([node], "g", ports[:1], ports[1:])
    opsets = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "g.onnx"
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())
    with pytest.raises(
        EncoderError, match=r"g\.onnx wants to be a graph that TensorRT takes .*Attention"
    ) as caught:
        Building(library).engine_from_onnx(path, Graph((Port("x", (4,)),), Port("y", (4,))), Wish((1, 1, 1)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--profile", "4,2,1"], "--profile wants MIN,OPT,MAX"),
        (["--timing-cache", "cache"], "--timing-cache wants --engine tensorrt"),
    ],
)
def test_what_cannot_be_built_is_one_sentence_and_exit_code_2(
    words: list[str], says: str, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert magno_build(str(bundle), "--engine", "tensorrt-rtx", *words) == 2
    printed = capsys.readouterr()
    assert says in printed.err and len(printed.err.strip().splitlines()) == 1 and printed.out == ""
    assert not (bundle / "engines").exists()


@pytest.fixture
def given(library: Library, monkeypatch: pytest.MonkeyPatch) -> list[bytes | None]:
    """`--engine tensorrt` by the builder that needs no GPU: TensorRT-RTX takes all calls of a timing cache too, though
    it measures nothing. What builders were given of earlier builds."""
    seen: list[bytes | None] = []

    class Told(Building):
        def __init__(self, library: Library, timing_cache: bytes | None, monitor: object) -> None:
            seen.append(timing_cache)
            super().__init__(library, timing_cache, monitor)

    renamed = dataclasses.replace(library, flavour="tensorrt")
    monkeypatch.setattr(building, "load_library", lambda flavour: renamed)
    monkeypatch.setattr(building, "find_target", lambda library: Target(None, ("8.9",)))
    monkeypatch.setattr(building, "Building", Told)
    return seen


@pytest.mark.filterwarnings("ignore:.*Timing cache operations are no-ops:DeprecationWarning")
def test_a_timing_cache_goes_from_build_to_build(
    bundle: Path, given: list[bytes | None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "timing.cache"
    words = [str(bundle), "--engine", "tensorrt", "--json", "--timing-cache", str(cache)]
    assert magno_build(*words) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["timing_cache"] is True
    first = cache.read_bytes()
    assert first and cache.stat().st_mode & 0o777 == 0o644
    assert magno_build(*words) == 0
    assert given == [b"", first]
    assert {path.name for path in tmp_path.iterdir()} == {"bundle", "timing.cache"}  # nothing left aside
    capsys.readouterr()
    cache.chmod(0o666)
    assert magno_build(*words) == 2
    assert "wants to be writable by its owner alone, found mode 666" in capsys.readouterr().err
    assert len(given) == 2


class TimingTwin:
    """Of IBuilderConfig: as TensorRT does, it refuses measurements of another GPU or version."""

    cache: bytes | None = None

    def create_timing_cache(self, blob: bytes) -> bytes:
        return blob

    def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
        if ignore_mismatch or cache in (b"", b"measured here"):
            self.cache = cache
        return self.cache == cache

    def get_timing_cache(self) -> SimpleNamespace | None:
        cache = self.cache
        return None if cache is None else SimpleNamespace(serialize=lambda: cache + b", and more")


@pytest.mark.parametrize(
    ("earlier", "left"),
    [
        (None, None),
        (b"", b", and more"),
        (b"measured here", b"measured here, and more"),
        (b"measured elsewhere", b", and more"),
    ],
)
def test_measurements_of_another_gpu_are_begun_anew(earlier: bytes | None, left: bytes | None) -> None:
    config = TimingTwin()
    give_timing_cache(config, earlier)
    assert left_timing_cache(config, earlier) == left


def test_engines_are_not_put_where_others_may_write(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle / "engines").mkdir()
    (bundle / "engines").chmod(0o777)
    assert magno_build(str(bundle), "--engine", "tensorrt-rtx") == 2
    assert "writable by its owner alone, found mode 777" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("version", "members", "flags"),
    [
        ("8.6", {"EXPLICIT_BATCH": 0, "EXPLICIT_PRECISION": 1}, 0b1),
        ("10", {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1, "PREFER_AOT_PYTHON_PLUGINS": 2}, 0b11),
        ("11", {"STRONGLY_TYPED": 0}, 0b1),
        ("later", {}, 0),
    ],
)
def test_each_version_is_told_the_flags_that_it_has(
    version: str, members: dict[str, int], flags: int
) -> None:
    assert network_flags(members) == flags
