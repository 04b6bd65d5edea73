"""A profile as one static page: no script, nothing fetched. What it says is what `--json` says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from magno.calibration.profiling.charts import roof_chart, stages_chart
from magno.calibration.profiling.layers import GraphProfile, Group, Layer, block_of, grouped, roof_share
from magno.calibration.profiling.profile import Profile
from magno.calibration.profiling.roof import Roof
from magno.calibration.profiling.spread import spread
from magno.calibration.profiling.stages import StageProfile

CSS = Path(__file__).with_name("page.css")
MOST_LAYERS = 5000  # in the page; all are in the JSON
REAL_TIME_MS = 1000.0


def page(profile: Profile, values: dict[str, Any]) -> str:
    """`values` are the profile's JSON values, for what it was taken with."""
    name = escape(profile.bundle.spec.name)
    body = [
        f"<h1>Where the time goes: {name}</h1>",
        f'<p class="soft">{escape(str(values["device"]["processor"]))}, backend {escape(profile.settings.backend)}, '
        f"manifest <code>{profile.bundle.manifest_sha256[:12]}</code></p>",
        _watching(profile.stages),
        *(_graph(graph, profile.roof) for graph in profile.graphs),
        _settings(values),
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>magno profile: {name}</title><style>{CSS.read_text(encoding='utf-8')}</style>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>{"".join(body)}</main></body></html>\n'


def _watching(stages: StageProfile) -> str:
    seconds = [(stage, stages.per_video_second_ms(stage)) for stage in stages.stages]
    total_ms = sum(ms for _, ms in seconds if ms is not None)
    asked = {stage.name: stage.spread.p50_ms for stage in stages.stages}
    facts = [
        ("a second of video costs", f"{total_ms:.0f} ms"),
        ("which is, of real time,", f"{total_ms / REAL_TIME_MS:.0%}"),
        ("a question's first token", f"{asked.get('question prefill', 0.0):.1f} ms"),
        ("each further token", f"{asked.get('decode step', 0.0):.1f} ms"),
    ]
    rows = [
        [
            escape(stage.name),
            stage.per,
            _number(stage.spread.count, "d"),
            *(_number(getattr(stage.spread, key)) for key in ("p50_ms", "p95_ms", "p99_ms", "max_ms")),
            _number(ms, ".1f") if ms is not None else _number(None),
            _bar(ms / total_ms if ms is not None and total_ms else None),
        ]
        for stage, ms in seconds
    ]
    heads = [
        "stage",
        "of a",
        "times",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "longest ms",
        "a second of video, ms",
        "",
    ]
    return (
        f"<h2>Stages</h2><p>{stages.video_s:.1f} s of video, {stages.pictures} pictures, {stages.visual_tokens} visual "
        f"tokens, through the runtime's own parts one after another; a question of {stages.question_tokens} tokens.</p>"
        f"{_facts(facts)}<figure>{stages_chart(stages.stages)}<figcaption>Milliseconds, logarithmic. Dot: median. "
        f"Band: to the 99th percentile. Stroke: the longest.</figcaption></figure>{_table(heads, rows, left=2)}"
    )


def _graph(graph: GraphProfile, roof: Roof | None) -> str:
    run_ms = spread(graph.run_ms).p50_ms if graph.run_ms else None
    facts = [
        ("a run, without the profiler", "not timed" if run_ms is None else f"{run_ms:.2f} ms"),
        ("all layers, with it", f"{graph.total_ms:.2f} ms"),
        ("operations", f"{graph.flops / 1e9:.2f} GFLOP"),
        ("reached", "-" if not run_ms else f"{graph.flops / run_ms / 1e6:.1f} GFLOP/s"),
        ("weights", f"{graph.weight_bytes / 1e6:.1f} MB"),
        ("layers", str(len(graph.layers))),
    ]
    chart = roof_chart(graph, roof) if roof else ""
    figure = (
        f"<figure>{chart}<figcaption>Each layer under the roof: operations a second by operations a byte. A circle's "
        "area is its share of the time. Line: what memory and arithmetic allow at best, measured; dashed: data from "
        "the nearest cache.</figcaption></figure>"
    )
    slowest = graph.slowest()
    together = sum(graph.share(layer) for layer in slowest)
    heading = (
        f"The slowest {len(slowest)} layers: {together:.0%} of the time" if together else "The largest layers"
    )
    every = [_layer_row(layer, graph, roof) for layer in graph.layers[:MOST_LAYERS]]
    return (
        f"<h2><code>{escape(graph.file)}</code></h2><p>{escape(graph.remark)}</p>{_facts(facts)}"
        f"{figure if chart else ''}"
        f"<h3>{heading}</h3>"
        f"{_table(LAYER_HEADS, [_layer_row(layer, graph, roof) for layer in slowest], left=1)}"
        f"<h3>By operator</h3>{_groups(grouped(graph, lambda layer: layer.operator))}"
        f"<h3>By module of the checkpoint</h3>{_groups(grouped(graph, block_of))}"
        f"<details><summary>All layers, in the order they run</summary>{_table(LAYER_HEADS, every, left=1)}</details>"
    )


LAYER_HEADS = [
    "layer",
    "ms",
    "share",
    "",
    "MFLOP",
    "weights kB",
    "activations kB",
    "operations a byte",
    "of the roof",
]


def _layer_row(layer: Layer, graph: GraphProfile, roof: Roof | None) -> list[str]:
    near = roof_share(layer, roof)
    return [
        f'<td class="layer"><span class="name">{escape(layer.label)}</span><br>'
        f'<span class="soft">{escape(layer.operator)}</span></td>',
        _number(layer.median_ms, ".3f"),
        _number(graph.share(layer), ".1%"),
        _bar(graph.share(layer) / max(0.01, graph.share(graph.slowest(1)[0]))),
        _number(layer.flops / 1e6, ".2f"),
        _number(layer.weight_bytes / 1e3, ".1f"),
        _number(layer.activation_bytes / 1e3, ".1f"),
        _number(layer.intensity, ".1f"),
        _number(near, ".0%"),
    ]


def _groups(groups: Sequence[Group]) -> str:
    most = max((group.share for group in groups), default=0.0) or 1.0
    rows = [
        [
            f'<span class="name">{escape(group.name)}</span>',
            _number(group.layers, "d"),
            _number(group.median_ms, ".3f"),
            _number(group.share, ".1%"),
            _bar(group.share / most),
            _number(group.flops / 1e6, ".2f"),
        ]
        for group in groups
    ]
    return _table(["", "layers", "ms", "share", "", "MFLOP"], rows, left=1)


def _settings(values: dict[str, Any]) -> str:
    device, roof = values["device"], values["roof"]
    told = {
        **values["settings"],
        **{key: device[key] for key in device if key != "versions"},
        **device["versions"],
    }
    if roof:
        told["roof"] = f"{roof['flops_per_s'] / 1e9:.1f} GFLOP/s in float32 with {roof['threads']} thread(s)"
        told["copies"] = ", ".join(f"{rate / 1e9:.1f} GB/s of {_size(size)}" for size, rate in roof["copies"])
    items = "".join(
        f"<dt>{escape(str(key))}</dt><dd>{escape(str(value))}</dd>" for key, value in told.items()
    )
    return (
        f'<h2>Taken with</h2><dl class="settings">{items}</dl><p class="soft">Operations: matrix products and '
        "convolutions exactly, two to a multiplication with its addition; other operators as one an output element, or "
        "none where they only move data. Bytes: weights, and activations read and written. Of the roof: the "
        "least time by arithmetic or by a copy of as many bytes, over the time it took.</p>"
    )


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return f'<dl class="facts">{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)}</dl>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> str:
    """Cells are HTML; the first `left` columns are words."""
    head = "".join(
        f"<th>{name}</th>" if at < left else f'<th class="n">{name}</th>' for at, name in enumerate(heads)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _number(value: float | None, form: str = ".2f") -> str:
    return f'<td class="n">{"" if value is None else format(value, form)}</td>'


def _bar(share: float | None) -> str:
    bar = "" if share is None else f'<i style="width:{100 * min(share, 1):.1f}%"></i>'
    return f'<td class="bar">{bar}</td>'


def _cell(content: str) -> str:
    """Numbers and bars are cells already."""
    return content if content.startswith("<td") else f"<td>{content}</td>"


def _size(count: int) -> str:
    return f"{count / (1 << 20):g} MiB" if count >= 1 << 20 else f"{count / (1 << 10):g} KiB"
