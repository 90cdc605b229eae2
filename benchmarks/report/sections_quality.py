"""The sections on quality: PSNR and SSIM compared with the papers, and over latency and memory."""

from collections.abc import Sequence

from benchmarks.paper_quality import X4, printed_quality
from benchmarks.peers import PEERS
from benchmarks.report import plots
from benchmarks.report.crops import comparison
from benchmarks.report.document import Heading, Illustration, Part, Table, Text
from benchmarks.report.plots import Point
from benchmarks.timing.interleaved import Timing, timings_from_json
from benchmarks.timing.results import Results
from sr_infer import ShippedModel


def quality(results: Results, models: Sequence[ShippedModel]) -> list[Part]:
    """Compare PSNR and SSIM with the papers, and show details."""
    found = {model.name: results.quality(model) for model in models}
    for scale in sorted({model.card.scale for model in models}):
        found[f"bicubic-x{scale}"] = results.get("quality", f"bicubic-x{scale}")
    rows = []
    for name, by_folder in found.items():
        for folder, figures in by_folder.items():
            psnr, ssim = printed_quality(name, folder) or (None, None)
            cells = [f"`{name}`", folder, f"{figures['psnr_y']:.2f}", f"{figures['ssim_y']:.4f}"]
            paper = ["-" if psnr is None else f"{psnr:.2f}", "-" if ssim is None else f"{ssim:.3f}"]
            rows.append([*cells, *paper, "-" if psnr is None else f"{figures['psnr_y'] - psnr:+.2f}"])
    if not rows:
        return []
    headers = ["model", "pictures", "PSNR dB", "SSIM", "paper PSNR", "paper SSIM", "gap dB"]
    return [
        Heading("How good"),
        Text(
            "PSNR and SSIM on luma. LR images are made by MATLAB's bicubic, and a border of `scale` px is left out. "
            'Our networks train for a small part of the papers\' steps. "Photographs" are the middle 256x256 px of '
            "four photographs from scikit-image. For folders that were not given to this run, the values come from the "
            "model cards, which are measured at export."
        ),
        Table(headers, rows, words=("pictures",)),
        *comparison(models),
    ]


def pareto(results: Results, models: Sequence[ShippedModel]) -> list[Part]:
    """Plot PSNR on Set5 over latency and over memory, for x4."""
    by_latency, by_memory = [], []
    for model in models:
        good, calls = results.quality(model).get("Set5"), results.get("calls", model.name)
        if model.card.scale != 4 or good is None or not calls:
            continue
        call, first = timings_from_json(calls["race"])[f"call, threads {calls['threads']}"], calls["first_call"]
        grown_mb = (first["peak_bytes"] - first["imported_bytes"]) / 1e6
        by_latency.append(Point(model.name, call.latency.median_ms, good["psnr_y"], model.card.params))
        by_memory.append(Point(model.name, grown_mb, good["psnr_y"], model.card.params))
    if not by_latency:
        return []
    here = {name: found for model in models for name, found in _alternatives(results, model).items()}
    for name, row in X4.items():
        latency_ms = here[name].latency.median_ms if name in here else row.latency_ms
        psnr = row.quality[0][0]
        if latency_ms is not None:
            by_latency.append(Point(name, latency_ms, psnr, row.parameters, hollow=True))
        if row.memory_mb is not None:
            by_memory.append(Point(name, row.memory_mb, psnr, row.parameters, hollow=True))
    measured = f" {', '.join(sorted(here))} were timed here with their fastest engine." if here else ""
    if "RFDN" in here:
        measured += " RFDN's PSNR is from a network of 550 K parameters, its time from one of 433 K."
    return [
        Heading("Quality against cost", 3),
        Illustration(
            "pareto-latency",
            plots.scatter(by_latency, x_label="ms for 96x96 px", y_label="PSNR on Set5, dB"),
            "Quality over latency of x4 models; the area grows with the parameters. Hollow markers: values from the "
            f"papers, on a six-core Intel Core i5-8500.{measured}",
        ),
        Illustration(
            "pareto-memory",
            plots.scatter(by_memory, x_label="MB", y_label="PSNR on Set5, dB"),
            "Quality over memory of x4 models. Do not compare filled with hollow markers. Filled: memory that a call "
            "on 96x96 LR px adds after import on this CPU. Hollow: the papers' memory for 1920x1080 HR px on a GTX "
            "1080Ti.",
        ),
    ]


def _alternatives(results: Results, model: ShippedModel) -> dict[str, Timing]:
    """Timing of each alternative with its fastest engine."""
    timings = timings_from_json(results.get("alternatives", model.name).get("race", []))
    engines = {peer.name for peer in PEERS}
    fastest: dict[str, Timing] = {}
    for timing in timings.values():
        name, _, engine = timing.name.partition(": ")
        if engine in engines and timing.times_ms:
            rival = fastest.setdefault(name, timing)
            fastest[name] = min(rival, timing, key=lambda one: one.latency.median_ms)
    return {name: timing for name, timing in fastest.items() if name in X4}
