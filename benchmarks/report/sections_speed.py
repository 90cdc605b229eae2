"""The sections on time: calls, other engines, other networks, tile sizes, and the parts of a call."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.collectors.calls import thread_counts
from benchmarks.collectors.engines import OURS, OURS_INT8, PRODUCT
from benchmarks.contribute import format_contributed_ms
from benchmarks.report import plots
from benchmarks.report.document import Heading, Illustration, Part, Table, Text
from benchmarks.timing.interleaved import Timing, compute_paired_ratio, timings_from_json
from benchmarks.timing.results import Results
from sr_infer import ShippedModel

_MATRIX_NOTE = "The matrix product shows the speed of the processor and does not take part in the comparison."


def calls(results: Results, models: Sequence[ShippedModel], machines: Mapping[str, Mapping[str, Any]]) -> list[Part]:
    """Show latency at 96x96 on one and on all threads, with a column for each other machine."""
    rows, scaling = [], {}
    for model in models:
        found = results.get("calls", model.name)
        if not found:
            continue
        timings = timings_from_json(found["race"])
        threads = found["threads"]
        everything = timings[f"call, threads {threads}"].latency
        one = timings["call, threads 1"].latency
        counts = [n for n in thread_counts(threads) if timings[f"call, threads {n}"].times_ms]
        scaling[model.name] = [(float(n), timings[f"call, threads {n}"].latency.median_ms) for n in counts]
        rows.append(
            [
                f"`{model.name}`",
                f"{found['first_call']['call_ms']:.0f}",
                f"{one.median_ms:.0f}",
                f"{everything.median_ms:.0f}",
                f"{everything.p90_ms:.0f}",
                f"{one.median_ms / everything.median_ms:.2f}",
                f"{timings[f'network, threads {threads}'].latency.median_ms:.0f}",
                f"{timings['files'].latency.median_ms:.0f}",
                f"{96 * 96 / everything.median_ms / 1e3:.2f}",
                *(format_contributed_ms(machine, model.name) for machine in machines.values()),
            ]
        )
    if not rows:
        return []
    headers = [
        "ms for 96x96 px",
        "first call",
        "1 thread",
        "all, p50",
        "all, p90",
        "speed-up",
        "network only",
        "file to file",
        "MP/s",
    ]
    speed_up = {name: [(n, pairs[0][1] / ms) for n, ms in pairs] for name, pairs in scaling.items() if len(pairs) > 2}
    parts: list[Part] = [
        Heading("How fast"),
        Text(
            'One image of 96x96 px, array to array. The first call loads the model. "Network only" is one tile without '
            'conversion. "File to file" is JPEG to PNG. MP/s are megapixels of input per second.'
        ),
        Table([*headers, *machines], rows),
    ]
    if speed_up:
        picture = plots.lines(speed_up, x_label="threads", y_label="times as fast as one thread", logarithmic=True)
        parts.append(Illustration("threads", picture, "Speed-up of a call on 96x96 px over one thread."))
    return parts


def engines(results: Results, models: Sequence[ShippedModel]) -> list[Part]:
    """Compare float models with other engines that run the same weights."""
    parts: list[Part] = []
    for model in models:
        races = results.get("engines", model.name).get("races", [])
        if not races:
            continue
        of_all = timings_from_json(races[-1]["race"])
        medians = {name: f.latency.median_ms for name, f in of_all.items() if f.times_ms and name != PRODUCT}
        description = (
            f"`{model.name}`, one 96x96 px tile through each engine on all threads, median ms; shorter is better."
        )
        parts += [
            Heading(f"`{model.name}`", 3),
            Illustration(f"engines-{model.name}", plots.bars(medians, ours=(OURS, OURS_INT8), unit="ms"), description),
            _engine_table(races),
        ]
    if not parts:
        return []
    text = (
        "Each engine runs the same weights in its own process; the engines run warm and in turns. Rows use float32, "
        'except those named int8, fp16 or "as it comes". A ratio is the time of an engine divided by that of '
        "`sr-infer`, as median and quartiles over rounds. Memory is the amount that model and run add to the imported "
        f"engine. {_MATRIX_NOTE}"
    )
    return [Heading("Against other engines"), Text(text), *parts]


def alternatives(results: Results, models: Sequence[ShippedModel]) -> list[Part]:
    """Compare the cost of other networks."""
    for model in models:
        found = results.get("alternatives", model.name)
        if found:
            timings = timings_from_json(found["race"])
            rows = [_engine_row(timings, name, timings[OURS]) for name in timings if name != OURS]
            return [
                Heading("Other networks", 3),
                Text(
                    f"Only the cost is compared: these networks have random weights. They run at x{model.card.scale} "
                    f"on 96x96 px and all threads. Ratios are to `{model.name}` in float. FSRCNN computes only luma."
                ),
                Table(["", "ms", f"times `{model.name}`", "quartiles", "memory MB", "note"], rows, words=("note",)),
            ]
    return []


def tiles(results: Results, models: Sequence[ShippedModel]) -> list[Part]:
    """Plot time and memory over tile sizes."""
    found = {model.name: results.get("tiles", model.name) for model in models}
    found = {name: sweep for name, sweep in found.items() if sweep}
    if not found:
        return []
    times, memory = {}, {}
    for name, sweep in found.items():
        px = sweep["picture_px"] ** 2
        times[name] = [(row["tile_px"], row["call_ms"] * 1e3 / px) for row in sweep["rows"]]
        memory[name] = [(row["tile_px"], (row["peak_bytes"] - row["imported_bytes"]) / 1e6) for row in sweep["rows"]]
    time_plot = plots.lines(times, x_label="tile, px", y_label="µs per px of the picture", logarithmic=True)
    memory_plot = plots.lines(memory, x_label="tile, px", y_label="MB added after import", logarithmic=True)
    return [
        Heading("Tile size", 3),
        Text(
            "One image is cut into tiles of different sizes. Small tiles recompute their halo, large tiles need more "
            "memory."
        ),
        Illustration("tiles-time", time_plot, "Time per pixel of the image over the side of the tiles."),
        Illustration("tiles-memory", memory_plot, "Peak memory added after import over the side of the tiles."),
    ]


def breakdown(results: Results, models: Sequence[ShippedModel]) -> list[Part]:
    """Show the parts of a call's time, and its arithmetic rate compared with a matrix product."""
    found = {model.name: results.get("breakdown", model.name) for model in models}
    found = {name: parts for name, parts in found.items() if parts}
    if not found:
        return []
    parts = {
        name: {
            "network": of["network_ms"],
            "halo": of["halo_ms"],
            "session": of["session_ms"],
            "averages of channel attention": of["averages_ms"],
            "conversion and pictures": of["conversion_ms"],
        }
        for name, of in found.items()
    }
    rows = [
        [
            f"`{name}`",
            f"{of['network_gflops']:.0f}",
            f"{of['product_gflops']:.0f}",
            f"{of['network_gflops'] / of['product_gflops']:.0%}",
        ]
        for name, of in found.items()
    ]
    description = (
        "Shares of a call on 192x192 px in tiles of 96 px on one thread. The total time is at the end of a bar."
    )
    return [
        Heading("Where the time goes", 3),
        Text(
            "The matrix product is of two 2048x2048 float32 matrices in torch, on one thread and in the same run. It "
            "is a reference, not a limit. Each multiply-accumulate of the network counts as two operations."
        ),
        Table(["one thread", "GFLOP/s", "matrix product", "ratio"], rows),
        Illustration("breakdown", plots.stacked(parts, unit="ms"), description),
    ]


def _engine_table(races: Sequence[Mapping[str, Any]]) -> Table:
    by_threads = {race["threads"]: timings_from_json(race["race"]) for race in races}
    most = max(by_threads)
    headers = ["", "ms, 1 thread", "ratio", "ms, all", "ratio", "quartiles", "memory MB", "note"]
    rows = []
    for name in by_threads[most]:
        one, every = by_threads[min(by_threads)].get(name), by_threads[most][name]
        cells = _engine_row(by_threads[most], name, by_threads[most][OURS])
        alone = ["-", "-"]
        if one is not None and one.times_ms:
            ratio = compute_paired_ratio(one, by_threads[min(by_threads)][OURS])
            alone = [f"{one.latency.median_ms:.0f}", f"{ratio.median:.2f}"]
        note = _shorten(every.failure) or _difference(every)
        rows.append([cells[0], *alone, *cells[1:5], note])
    return Table(headers, rows, words=("note",), folded="All figures")


def _engine_row(timings: Mapping[str, Timing], name: str, ours: Timing) -> list[str]:
    timing = timings[name]
    if not timing.times_ms:
        return [name, "-", "-", "-", "-", _shorten(timing.failure)]
    ratio = compute_paired_ratio(timing, ours)
    memory = f"{(timing.peak_bytes - timing.imported_bytes) / 1e6:.0f}"
    took_ms = timing.latency.median_ms
    median = f"{took_ms:.1f}" if took_ms < 10 else f"{took_ms:,.0f}"
    return [name, median, f"{ratio.median:.2f}", f"{ratio.low:.2f} to {ratio.high:.2f}", memory, _difference(timing)]


def _shorten(failure: str) -> str:
    return textwrap.shorten(failure, 90, placeholder=" ...")


def _difference(timing: Timing) -> str:
    return "" if not timing.difference or timing.difference < 1e-4 else f"differs from torch by {timing.difference:.1g}"
