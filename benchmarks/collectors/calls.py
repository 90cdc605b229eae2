"""Time a model on 96x96 px: network only, whole call, file to file and first call, on several numbers of threads."""

from dataclasses import asdict
from typing import Any

from benchmarks.timing import cases
from benchmarks.timing.interleaved import Candidate, time_interleaved, timings_to_json
from sr_infer import ShippedModel
from sr_infer.measure import first_call_case, peak_memory
from sr_infer.resources import usable_cpus

SIDE_PX = 96
SECONDS = 5


def measure(model: ShippedModel) -> dict[str, Any]:
    everything = usable_cpus()
    candidates = [
        *(
            Candidate(f"call, threads {threads}", cases.upscaler, (model.name, SIDE_PX, SIDE_PX, threads))
            for threads in thread_counts(everything)
        ),
        *(
            Candidate(f"network, threads {threads}", cases.network, (model.name, SIDE_PX, threads))
            for threads in sorted({1, everything})
        ),
        Candidate("files", cases.files, (model.name, SIDE_PX, SIDE_PX, everything)),
    ]
    first = peak_memory(first_call_case, model.name, SIDE_PX, SIDE_PX, everything)
    return {
        "threads": everything,
        "race": timings_to_json(time_interleaved(candidates, threads=everything, rounds=15, seconds=SECONDS)),
        "first_call": asdict(first),
    }


def thread_counts(most: int) -> list[int]:
    """The numbers of threads to time: powers of two below `most`, and `most`."""
    return sorted({*(2**power for power in range(most.bit_length())), most})
