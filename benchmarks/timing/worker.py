"""The process of a candidate of `benchmarks.timing.interleaved`: prepare the call, run it on demand, report its time.

Standard output carries one JSON object per line. The output of libraries goes to standard error.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from sr_infer.resources import peak_resident_bytes, reset_peak_resident_bytes, resident_bytes

WARM_UP_S = 0.3
"""Duration of the untimed calls before each timed call. They wake threads and processors."""


def main() -> None:
    job = json.loads(sys.argv[1])
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    module_name, _, function = job["case"].partition(":")
    module = importlib.import_module(module_name)
    imported = resident_bytes()
    call = getattr(module, function)(*job["arguments"])
    prepared = resident_bytes()
    reset_peak_resident_bytes()
    first_ms, result = _time_call(call)
    difference = float(np.abs(result - np.load(job["reference"])).max()) if job["reference"] else None
    state = {
        "imported_bytes": imported,
        "prepared_bytes": prepared,
        "first_ms": first_ms,
        "difference": difference,
    }
    _wait_until_idle()
    print(json.dumps(state), file=channel)
    for order in sys.stdin:
        if order.strip() == "end":
            print(json.dumps({"peak_bytes": peak_resident_bytes()}), file=channel)
            return
        awake_at_s = time.perf_counter() + WARM_UP_S
        while time.perf_counter() < awake_at_s:
            call()
        took_ms, _ = _time_call(call)
        _wait_until_idle()
        print(json.dumps({"ms": took_ms}), file=channel)


def _wait_until_idle() -> None:
    """Wait up to a second until thread pools stop spinning, because they would slow the next candidate."""
    for _ in range(50):
        before_s = time.process_time()
        time.sleep(0.02)
        if time.process_time() - before_s < 1e-3:
            return


def _time_call(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return (time.perf_counter() - start) * 1e3, result


if __name__ == "__main__":
    main()
