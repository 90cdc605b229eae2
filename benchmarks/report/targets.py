"""Compare the project's targets with measured results."""

from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks.collectors.engines import OURS, OURS_INT8, find_int8_form
from benchmarks.peers import PEERS
from benchmarks.report.document import Verdict
from benchmarks.timing.interleaved import Timing, compute_paired_ratio, timings_from_json
from benchmarks.timing.results import Results
from sr_infer import ShippedModel

LOSSLESS_DB = 0.05
"""Largest loss of PSNR with which an int8 file may meet a speed target in place of its float form."""
_EXACT_PEERS = {peer.name for peer in PEERS if peer.exact}


def judge_targets(results: Results, models: list[ShippedModel]) -> list[Verdict]:
    """Judge every target for every model that it concerns."""
    floats = [model for model in models if model.card.precision != "int8"]
    raced = [model for model in floats if results.get("engines", model.name)]
    found = [verdict for model in raced or floats[:1] for verdict in _judge_speed(results, model)]
    found += [_judge_overhead(results, model) for model in models]
    found += [verdict for model in models for verdict in _judge_large_image(results, model)]
    return found


def int8_loss_db(results: Results, model: ShippedModel) -> float | None:
    """Largest loss of PSNR in dB of a model's int8 form over all measured sets; None if nothing was measured."""
    int8 = find_int8_form(model)
    if int8 is None:
        return None
    of_float, of_int8 = results.quality(model), results.quality(int8)
    losses = [of_float[name]["psnr_y"] - of_int8[name]["psnr_y"] for name in of_float if name in of_int8]
    return max(losses) if losses else None


def _judge_speed(results: Results, model: ShippedModel) -> Iterator[Verdict]:
    races = results.get("engines", model.name).get("races", [])
    if not races:
        yield Verdict(f"`{model.name}`: faster than other engines", "-", None)
        return
    timings = timings_from_json(races[-1]["race"])
    loss = int8_loss_db(results, model)
    shippable = OURS_INT8 if OURS_INT8 in timings and loss is not None and loss <= LOSSLESS_DB else OURS
    ours = timings[shippable]
    form = "int8" if shippable == OURS_INT8 else "float"
    note = f"{form} file, {ours.latency.median_ms:.0f} ms" + ("" if loss is None else f"; int8 loses {loss:.2f} dB")
    if model.card.architecture == "drn":
        rivals, wanted = [timings["ncnn"]] if "ncnn" in timings else [], 1.3
    else:
        rivals, wanted = [timing for name, timing in timings.items() if name in _EXACT_PEERS], 2.0
    rivals = [timing for timing in rivals if timing.times_ms]
    if rivals:
        best = min(rivals, key=lambda timing: timing.latency.median_ms)
        yield _judge_ratio(f"`{model.name}` at least {wanted}x as fast as {best.name}", best, ours, wanted, note)
    plain = timings["onnxruntime, unoptimised export"]
    if plain.times_ms:
        target = f"`{model.name}` float never slower than onnxruntime on the unoptimised export"
        yield _judge_ratio(target, plain, timings[OURS], 1.0, "")


def _judge_ratio(target: str, rival: Timing, ours: Timing, wanted: float, note: str) -> Verdict:
    ratio = compute_paired_ratio(rival, ours)
    spread = f"quartiles {ratio.low:.2f} to {ratio.high:.2f}"
    return Verdict(target, f"{ratio.median:.2f}x", ratio.median >= wanted, "; ".join(filter(None, (spread, note))))


def _judge_overhead(results: Results, model: ShippedModel) -> Verdict:
    """Judge the extra time of a call on 96x96 px compared with only the network, both on one thread."""
    target = f"`{model.name}`: wrapper overhead at most 5 % or 2 ms"
    calls = results.get("calls", model.name)
    if not calls:
        return Verdict(target, "-", None)
    timings = timings_from_json(calls["race"])
    call, network = timings["call, threads 1"], timings["network, threads 1"]
    extra_ms = median(a - b for a, b in zip(call.times_ms, network.times_ms, strict=True))
    share = extra_ms / network.latency.median_ms
    return Verdict(target, f"{extra_ms:+.1f} ms, {share:+.1%}", extra_ms <= 2 or share <= 0.05)


def _judge_large_image(results: Results, model: ShippedModel) -> Iterator[Verdict]:
    found = results.get("large", model.name)
    attention = model.card.global_pooling
    if not found or not found["cases"]:
        return
    name, case = next(iter(found["cases"].items()))
    pure_s = found["pure_us_per_px"] * 1920 * 1080 / 1e6
    ratio, wanted = case["call_ms"] / 1e3 / pure_s, 1.6 if attention else 1.15
    note = f"{case['call_ms'] / 1e3:.1f} s against {pure_s:.1f} s; halo factor {found['halo_factor']:.2f}; {name}"
    target = f"`{model.name}`: 1920x1080 takes at most {wanted}x the time of its pixels"
    yield Verdict(target, f"{ratio:.2f}x", ratio <= wanted, note)
    if model.card.scale == 4:
        yield _judge_memory(model, name, case, 1000 if attention else 300)


def _judge_memory(model: ShippedModel, name: str, case: dict[str, Any], wanted_mb: int) -> Verdict:
    grown_mb = (case["peak_bytes"] - case["imported_bytes"]) / 1e6
    target = f"`{model.name}`: 1920x1080 adds at most {wanted_mb} MB after import, including 99.5 MB of output"
    return Verdict(target, f"{grown_mb:.0f} MB", grown_mb <= wanted_mb, name)
