"""One float model against other engines with the same weights, and against what a user would pick instead."""

from collections.abc import Sequence
from typing import Any

from benchmarks.alternatives import ALTERNATIVES
from benchmarks.compared_networks import find_weights
from benchmarks.converted_files import ncnn_files, reference_file, unoptimised_onnx
from benchmarks.peers import PEERS, Peer
from benchmarks.timing.interleaved import Contender, Finish, as_json, race
from sr_infer import ShippedModel, available_models
from sr_infer.errors import ModelNotFoundError
from sr_infer.resources import usable_cpus

SIDE_PX = 96
SECONDS = 40
OURS, OURS_INT8 = "sr-infer", "sr-infer int8"
PRODUCT, PRODUCT_SIDE = "matrix product", 2048
ENGINES_OF_ALTERNATIVES = ("onnxruntime, unoptimised export", "OpenVINO", "ncnn")


def measure(model: ShippedModel) -> dict[str, Any]:
    """Races on one thread and on all; contenders that are missing something are rows with the reason."""
    try:
        find_weights(model.name)
    except ModelNotFoundError as error:
        return {"skipped": str(error)}
    of_one = [peer for peer in PEERS if not peer.slow_to_prepare]
    most = usable_cpus()
    races = [_race(model, of_one, 1)] if most > 1 else []
    return {"races": [*races, _race(model, PEERS, most)]}


def measure_alternatives(model: ShippedModel) -> dict[str, Any]:
    """The model, Pillow's filters and networks by architecture, at the model's scale, on all threads."""
    threads, scale = usable_cpus(), model.card.scale
    contenders = [
        Contender(OURS, "benchmarks.timing.cases:network", (model.name, SIDE_PX, threads)),
        *(
            Contender(f"Pillow {name.lower()}", "benchmarks.timing.cases:pillow", (name, scale, SIDE_PX))
            for name in ("BICUBIC", "LANCZOS")
        ),
    ]
    absent = []
    for name in ALTERNATIVES:
        for peer in PEERS:
            if peer.name in ENGINES_OF_ALTERNATIVES:
                chosen, missing = _contenders(f"{name} x{scale}", [peer], threads, prefix=f"{name}: ")
                contenders += chosen
                absent += missing
    return {"threads": threads, "race": as_json([*race(contenders, threads=threads, seconds=SECONDS), *absent])}


def int8_form(model: ShippedModel) -> ShippedModel | None:
    """The shipped int8 file of a float model."""
    return next((other for other in available_models() if other.name == f"{model.name}-int8"), None)


def _race(model: ShippedModel, peers: Sequence[Peer], threads: int) -> dict[str, Any]:
    int8 = int8_form(model)
    ours = [Contender(OURS, "benchmarks.timing.cases:network", (model.name, SIDE_PX, threads), check=True)]
    if int8 is not None:
        ours.append(Contender(OURS_INT8, "benchmarks.timing.cases:network", (int8.name, SIDE_PX, threads), check=True))
    product = Contender(PRODUCT, "benchmarks.timing.cases:matrix_product", (PRODUCT_SIDE, threads))
    contenders, absent = _contenders(model.name, peers, threads)
    reference = reference_file(model.name, SIDE_PX)
    finishes = race([*ours, *contenders, product], threads=threads, seconds=SECONDS, reference=reference)
    return {"threads": threads, "race": as_json([*finishes, *absent])}


def _contenders(
    subject: str, peers: Sequence[Peer], threads: int, *, prefix: str = ""
) -> tuple[list[Contender], list[Finish]]:
    """Those that can run, their files made, and those that cannot, with the reason."""
    unoptimised_onnx(subject)
    contenders, absent = [], []
    for peer in peers:
        failure = f"not installed: {' and '.join(peer.missing)}" if peer.missing else ""
        if not failure and "ncnn" in peer.needs:
            try:
                ncnn_files(subject, SIDE_PX)
            except (OSError, RuntimeError) as error:
                failure = f"pnnx cannot convert it: {error}"
        if failure:
            absent.append(Finish(name=prefix + peer.name, times_ms=[], failure=failure))
        else:
            contenders.append(Contender(prefix + peer.name, peer.case, (subject, SIDE_PX, threads), check=not prefix))
    return contenders, absent
