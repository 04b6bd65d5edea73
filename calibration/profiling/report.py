"""A profile as JSON values and as tables for a terminal. Layers use trtexec's keys, so that what reads its profiles
(`--exportProfile`) reads `graphs.FILE.profile`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group as Lines
from rich.table import Table

from magno.calibration.profiling.layers import GraphProfile, Layer, block_of, grouped, roof_share
from magno.calibration.profiling.profile import Profile
from magno.calibration.profiling.roof import Roof
from magno.calibration.profiling.spread import spread
from magno.calibration.profiling.stages import StageProfile

SLOWEST, BLOCKS = 10, 5


def as_json(profile: Profile, device: dict[str, object]) -> dict[str, Any]:
    """All of it."""
    bundle, stages = profile.bundle, profile.stages
    return {
        "bundle": str(bundle.folder),
        "model": bundle.spec.name,
        "manifest_sha256": bundle.manifest_sha256,
        "device": device,
        "settings": {**asdict(profile.settings), "batch": 1, "image_px": bundle.spec.codec.image_px},
        "video": {
            "seconds": stages.video_s,
            "pictures": stages.pictures,
            "visual_tokens": stages.visual_tokens,
            "question_tokens": stages.question_tokens,
        },
        "roof": None if profile.roof is None else asdict(profile.roof),
        "stages": [
            {
                "name": stage.name,
                "per": stage.per,
                **asdict(stage.spread),
                "per_video_second_ms": stages.per_video_second_ms(stage),
            }
            for stage in stages.stages
        ],
        "graphs": {graph.file: _graph(graph, profile.roof) for graph in profile.graphs},
    }


def as_tables(profile: Profile) -> Lines:
    """For people."""
    tables = [_stages(profile.stages), *(_slowest(graph, profile.roof) for graph in profile.graphs)]
    return Lines(*tables)


def _graph(graph: GraphProfile, roof: Roof | None) -> dict[str, Any]:
    return {
        "batch": graph.batch,
        "runs": graph.runs,
        "run": asdict(spread(graph.run_ms)) if graph.run_ms else None,
        "layers_ms": graph.total_ms,
        "flops": graph.flops,
        "weight_bytes": graph.weight_bytes,
        "remark": graph.remark,
        "slowest": [layer.name for layer in graph.slowest(SLOWEST)],
        "profile": [{"count": graph.runs}, *(_layer(layer, graph, roof) for layer in graph.layers)],
    }


def _layer(layer: Layer, graph: GraphProfile, roof: Roof | None) -> dict[str, Any]:
    total_ms = sum(sum(each.times_ms) for each in graph.layers)
    time_ms = sum(layer.times_ms)
    return {
        "name": layer.name,
        "timeMs": time_ms,
        "averageMs": time_ms / max(1, len(layer.times_ms)),
        "medianMs": layer.median_ms,
        "percentage": 100.0 * time_ms / total_ms if total_ms else 0.0,
        "operator": layer.operator,
        "module": layer.module,
        "flops": layer.flops,
        "weight_bytes": layer.weight_bytes,
        "activation_bytes": layer.activation_bytes,
        "flops_per_byte": layer.intensity,
        "roof_share": roof_share(layer, roof),
    }


def _stages(stages: StageProfile) -> Table:
    table = Table(
        title=f"{stages.video_s:.1f} s of video, {stages.pictures} pictures, {stages.visual_tokens} visual tokens",
        caption="ms a picture, keyframe, window, question or token; at last, ms a second of video",
    )
    table.add_column("stage", no_wrap=True)
    for column in ("times", "p50", "p95", "p99", "max", "a second"):
        table.add_column(column, justify="right", no_wrap=True)
    for stage in stages.stages:
        took, second_ms = stage.spread, stages.per_video_second_ms(stage)
        figures = (took.p50_ms, took.p95_ms, took.p99_ms, took.max_ms)
        table.add_row(
            stage.name,
            str(took.count),
            *(f"{ms:.2f}" for ms in figures),
            "" if second_ms is None else f"{second_ms:.1f}",
        )
    return table


def _slowest(graph: GraphProfile, roof: Roof | None) -> Table:
    run = f"{spread(graph.run_ms).p50_ms:.2f} ms a run" if graph.run_ms else "no whole run was timed"
    table = Table(
        title=f"{graph.file}: {run}, {graph.flops / 1e9:.2f} GFLOP, {graph.weight_bytes / 1e6:.1f} MB of weights, "
        f"{len(graph.layers)} layers",
        caption=graph.remark or f"medians of {graph.runs} runs; roof: how near to what the device can do",
    )
    table.add_column("slowest", overflow="fold")
    for column in ("ms", "share", "MFLOP", "FLOP/B", "roof"):
        table.add_column(column, justify="right", no_wrap=True)
    for layer in graph.slowest(SLOWEST):
        near = roof_share(layer, roof)
        table.add_row(
            layer.label,
            f"{layer.median_ms:.3f}",
            f"{graph.share(layer):.1%}",
            f"{layer.flops / 1e6:.1f}",
            f"{layer.intensity:.1f}",
            "" if near is None else f"{near:.0%}",
        )
    table.add_section()
    for group in grouped(graph, block_of)[:BLOCKS]:
        figures = (f"{group.median_ms:.3f}", f"{group.share:.1%}", f"{group.flops / 1e6:.1f}")
        table.add_row(f"[dim]all of[/] {group.name}", *figures)
    return table
