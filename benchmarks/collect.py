"""`python -m benchmarks.collect [COLLECTOR...]`: measure the results for the report, one JSON file per result.

A result is measured again only if the model's file has changed, or with `--force`. An interrupted run therefore
continues where it stopped. The collectors run in this order: calls, engines, alternatives, large, tiles, breakdown,
ways, quality.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import choosing
from benchmarks.collectors import SHOWN_IN_FULL, breakdown, calls, engines, large, quality, tiles
from benchmarks.timing.results import Results
from sr_infer import ShippedModel, available_models
from sr_infer.errors import SrInferError

COLLECTORS = ("calls", "engines", "alternatives", "large", "tiles", "breakdown", "ways", "quality")

Job = tuple[str, str, str, Callable[[], dict[str, Any]]]
"""Collector, name of the result, fingerprint of its inputs, and the measurement."""


def list_jobs(collectors: Sequence[str], folders: Sequence[Path], *, slow: bool) -> list[Job]:
    """List every measurement of these collectors, in the order of `COLLECTORS`."""
    models = available_models()
    floats = [model for model in models if model.card.precision != "int8"]

    def each(
        collector: str,
        chosen: Sequence[ShippedModel],
        measure: Callable[[ShippedModel], dict[str, Any]],
        fingerprint: str = "",
    ) -> list[Job]:
        return [
            (collector, model.name, fingerprint_of(model) + fingerprint, lambda model=model: measure(model))
            for model in chosen
        ]

    def fingerprint_of(model: ShippedModel) -> str:
        int8 = engines.find_int8_form(model)
        return model.sha256 if int8 is None else f"{model.sha256} {int8.sha256}"

    all_jobs = [
        *each("calls", models, calls.measure),
        *each("engines", _select_one_per_architecture(floats), engines.measure),
        *each("alternatives", [m for m in floats if m.name == SHOWN_IN_FULL], engines.measure_alternatives),
        *each("large", models, lambda model: large.measure(model, slow=slow), fingerprint=" slow" if slow else ""),
        *each("tiles", _select_one_per_architecture(floats), tiles.measure),
        *each("breakdown", floats, breakdown.measure),
        *each("ways", [m for m in models if m.name == choosing.MODEL], lambda model: choosing.measure()),
        *each("quality", models, lambda model: quality.measure_model(model, folders)),
        *(
            ("quality", f"bicubic-x{scale}", "bicubic", lambda scale=scale: quality.measure("bicubic", scale, folders))
            for scale in sorted({model.card.scale for model in models})
        ),
    ]
    return [job for job in all_jobs if job[0] in collectors]


def _select_one_per_architecture(models: Sequence[ShippedModel]) -> list[ShippedModel]:
    """Select `SHOWN_IN_FULL` for its architecture, and the first model of every other architecture."""
    by_architecture = {model.card.architecture: model for model in reversed(models)}
    by_architecture |= {model.card.architecture: model for model in models if model.name == SHOWN_IN_FULL}
    return [model for model in models if model in by_architecture.values()]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.collect", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collectors", nargs="*", metavar="COLLECTOR", help="collectors to run (default: all)")
    parser.add_argument(
        "--quality", type=Path, nargs="*", default=[], metavar="DIR", help="benchmark folders of the collector quality"
    )
    parser.add_argument("--model", action="append", help="measure only this model; may be repeated")
    parser.add_argument("--force", action="store_true", help="repeat measurements that have a current result")
    parser.add_argument("--slow", action="store_true", help="include measurements that take minutes")
    options = parser.parse_args(arguments)
    unknown = set(options.collectors) - set(COLLECTORS)
    if unknown:
        parser.error(f"expected collectors among {', '.join(COLLECTORS)}, got {', '.join(sorted(unknown))}")
    to_do = list_jobs(options.collectors or COLLECTORS, options.quality, slow=options.slow)
    names = {name for _, name, _, _ in to_do}
    if options.model and not names.issuperset(options.model):
        parser.error(f"expected models among {', '.join(sorted(names))}, got {', '.join(options.model)}")
    results = Results()
    failed = False
    for collector, name, fingerprint, measure in to_do:
        if options.model and name not in options.model:
            continue
        if collector == "quality":
            fingerprint += "".join(f" {folder.name}" for folder in options.quality)
        if results.is_current(collector, name, fingerprint) and not options.force:
            continue
        start_s = time.monotonic()
        try:
            results.keep(collector, name, fingerprint, measure())
        except SrInferError as error:
            failed = True
            print(f"{collector:13} {name}: {error}", file=sys.stderr)
            continue
        print(f"{collector:13} {name:24} {time.monotonic() - start_s:6.1f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
