"""`python -m benchmarks.collect [PART...]`: measure what the report shows, each result kept as a JSON file.

A result is taken again only when the model's file has changed or with `--again`, so that a run that was interrupted
goes on where it stopped. Parts, in their order: calls, engines, alternatives, large, tiles, breakdown,
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

PARTS = ("calls", "engines", "alternatives", "large", "tiles", "breakdown", "ways", "quality")

Job = tuple[str, str, str, Callable[[], dict[str, Any]]]
"""Part, subject, what the result depends on, and how to measure it."""


def jobs(parts: Sequence[str], folders: Sequence[Path], *, slow: bool) -> list[Job]:
    """Everything that the report needs, the parts in order."""
    models = available_models()
    floats = [model for model in models if model.card.precision != "int8"]

    def each(
        part: str,
        chosen: Sequence[ShippedModel],
        measure: Callable[[ShippedModel], dict[str, Any]],
        fingerprint: str = "",
    ) -> list[Job]:
        return [
            (part, model.name, of_files(model) + fingerprint, lambda model=model: measure(model)) for model in chosen
        ]

    def of_files(model: ShippedModel) -> str:
        int8 = engines.int8_form(model)
        return model.sha256 if int8 is None else f"{model.sha256} {int8.sha256}"

    every = [
        *each("calls", models, calls.measure),
        *each("engines", _one_of_each_network(floats), engines.measure),
        *each("alternatives", [m for m in floats if m.name == SHOWN_IN_FULL], engines.measure_alternatives),
        *each("large", models, lambda model: large.measure(model, slow=slow), fingerprint=" slow" if slow else ""),
        *each("tiles", _one_of_each_network(floats), tiles.measure),
        *each("breakdown", floats, breakdown.measure),
        *each("ways", [m for m in models if m.name == choosing.MODEL], lambda model: choosing.measure()),
        *each("quality", models, lambda model: quality.measure_model(model, folders)),
        *(
            ("quality", f"bicubic-x{scale}", "bicubic", lambda scale=scale: quality.measure("bicubic", scale, folders))
            for scale in sorted({model.card.scale for model in models})
        ),
    ]
    return [job for job in every if job[0] in parts]


def _one_of_each_network(models: Sequence[ShippedModel]) -> list[ShippedModel]:
    """The first of every architecture, or the one that is shown in full."""
    by_architecture = {model.card.architecture: model for model in reversed(models)}
    by_architecture |= {model.card.architecture: model for model in models if model.name == SHOWN_IN_FULL}
    return [model for model in models if model in by_architecture.values()]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.collect", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="all by default")
    parser.add_argument("--quality", type=Path, nargs="*", default=[], metavar="DIR", help="benchmark folders")
    parser.add_argument("--model", action="append", help="only these; may be repeated")
    parser.add_argument("--again", action="store_true", help="measure what is there already, too")
    parser.add_argument("--slow", action="store_true", help="also what takes minutes")
    options = parser.parse_args(arguments)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"parts are {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    to_do = jobs(options.parts or PARTS, options.quality, slow=options.slow)
    subjects = {subject for _, subject, _, _ in to_do}
    if options.model and not subjects.issuperset(options.model):
        parser.error(f"models are {', '.join(sorted(subjects))}, not all of {', '.join(options.model)}")
    results = Results()
    failed = False
    for part, subject, fingerprint, measure in to_do:
        if options.model and subject not in options.model:
            continue
        if part == "quality":
            fingerprint += "".join(f" {folder.name}" for folder in options.quality)
        if results.is_current(part, subject, fingerprint) and not options.again:
            continue
        began = time.monotonic()
        try:
            results.keep(part, subject, fingerprint, measure())
        except SrInferError as error:
            failed = True
            print(f"{part:13} {subject}: {error}", file=sys.stderr)
            continue
        print(f"{part:13} {subject:24} {time.monotonic() - began:6.1f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
