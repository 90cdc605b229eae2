"""Time a float model, other engines with the same weights, and other networks."""

from collections.abc import Sequence
from typing import Any

from benchmarks.alternatives import ALTERNATIVES
from benchmarks.compared_networks import find_weights
from benchmarks.converted_files import ncnn_files, reference_file, unoptimised_onnx
from benchmarks.peers import PEERS, Peer
from benchmarks.timing import cases
from benchmarks.timing.interleaved import Candidate, Timing, time_interleaved, timings_to_json
from sr_infer import ShippedModel, available_models
from sr_infer.errors import ModelNotFoundError
from sr_infer.resources import usable_cpus

SIDE_PX = 96
SECONDS = 40
OURS, OURS_INT8 = "sr-infer", "sr-infer int8"
PRODUCT, PRODUCT_SIDE = "matrix product", 2048
ENGINES_OF_ALTERNATIVES = ("onnxruntime, unoptimised export", "OpenVINO", "ncnn")


def measure(model: ShippedModel) -> dict[str, Any]:
    """Time all engines on one thread and on all threads. A candidate that cannot run gets a row with the reason."""
    try:
        find_weights(model.name)
    except ModelNotFoundError as error:
        return {"skipped": str(error)}
    quick = [peer for peer in PEERS if not peer.slow_to_prepare]
    all_threads = usable_cpus()
    single = [_time_engines(model, quick, 1)] if all_threads > 1 else []
    return {"races": [*single, _time_engines(model, PEERS, all_threads)]}


def measure_alternatives(model: ShippedModel) -> dict[str, Any]:
    """Time the model, Pillow's filters and other networks with random weights, at one scale and on all threads."""
    threads, scale = usable_cpus(), model.card.scale
    candidates = [
        Candidate(OURS, cases.network, (model.name, SIDE_PX, threads)),
        *(Candidate(f"Pillow {name.lower()}", cases.pillow, (name, scale, SIDE_PX)) for name in ("BICUBIC", "LANCZOS")),
    ]
    absent = []
    for name in ALTERNATIVES:
        for peer in PEERS:
            if peer.name in ENGINES_OF_ALTERNATIVES:
                chosen, missing = _prepare_candidates(f"{name} x{scale}", [peer], threads, prefix=f"{name}: ")
                candidates += chosen
                absent += missing
    return {
        "threads": threads,
        "race": timings_to_json([*time_interleaved(candidates, threads=threads, seconds=SECONDS), *absent]),
    }


def find_int8_form(model: ShippedModel) -> ShippedModel | None:
    """Find the shipped int8 form of a float model; None if there is none."""
    return next((other for other in available_models() if other.name == f"{model.name}-int8"), None)


def _time_engines(model: ShippedModel, peers: Sequence[Peer], threads: int) -> dict[str, Any]:
    int8 = find_int8_form(model)
    ours = [Candidate(OURS, cases.network, (model.name, SIDE_PX, threads), check=True)]
    if int8 is not None:
        ours.append(Candidate(OURS_INT8, cases.network, (int8.name, SIDE_PX, threads), check=True))
    product = Candidate(PRODUCT, cases.matrix_product, (PRODUCT_SIDE, threads))
    candidates, absent = _prepare_candidates(model.name, peers, threads)
    reference = reference_file(model.name, SIDE_PX)
    timings = time_interleaved([*ours, *candidates, product], threads=threads, seconds=SECONDS, reference=reference)
    return {"threads": threads, "race": timings_to_json([*timings, *absent])}


def _prepare_candidates(
    network: str, peers: Sequence[Peer], threads: int, *, prefix: str = ""
) -> tuple[list[Candidate], list[Timing]]:
    """Write the files of all candidates; returns the candidates that can run, and failed timings for the others."""
    unoptimised_onnx(network)
    candidates, absent = [], []
    for peer in peers:
        failure = f"not installed: {' and '.join(peer.missing)}" if peer.missing else ""
        if not failure and "ncnn" in peer.needs:
            try:
                ncnn_files(network, SIDE_PX)
            except (OSError, RuntimeError) as error:
                failure = f"pnnx cannot convert the network: {error}"
        if failure:
            absent.append(Timing(name=prefix + peer.name, times_ms=[], failure=failure))
        else:
            candidates.append(Candidate(prefix + peer.name, peer.case, (network, SIDE_PX, threads), check=not prefix))
    return candidates, absent
