"""`python -m training.data DIR`: what is in a folder of HR pictures: sizes, broken files, training and validation."""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_infer.errors import ImageError, OptionError, SrInferError
from training.checkpoint import load_tensors, save_tensors
from training.data.duplicates import difference_hash, near_duplicates
from training.data.folder import picture_names, read_pixels, scan_folder


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.data", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument(
        "--against", type=Path, action="append", default=[], metavar="DIR", help="benchmark pictures to look for"
    )
    parser.add_argument(
        "--record",
        type=Path,
        action="append",
        default=[],
        metavar="WEIGHTS",
        help="note what --against found in weights trained on DIR",
    )
    options = parser.parse_args(arguments)
    try:
        if options.record and not options.against:
            raise OptionError("--record notes what --against found; expected --against with benchmark pictures, too")
        finding = _report(options.folder, options.against)
        for weights in options.record:
            _record(weights, finding)
    except SrInferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _report(root: Path, benchmarks: list[Path]) -> str:
    folder = scan_folder(root)
    hashes: dict[str, NDArray[np.bool_]] = {}
    broken: dict[str, str] = {}
    pixels, smallest = 0, sys.maxsize
    for name in sorted((*folder.train, *folder.validation)):
        try:
            picture = read_pixels(root / name)
        except ImageError as error:
            broken[name] = str(error)
            continue
        hashes[name] = difference_hash(picture)
        pixels += picture.shape[0] * picture.shape[1]
        smallest = min(smallest, *picture.shape[:2])
    print(f"{len(hashes)} pictures, {pixels / 1e6:.1f} megapixels, smallest side {smallest if hashes else 0} px")
    train, validation = ([name for name in names if name in hashes] for names in (folder.train, folder.validation))
    print(f"{len(train)} to train on, {len(validation)} to validate: {', '.join(validation) or 'none'}")
    print(f"{len(broken)} broken")
    for reason in broken.values():
        print(f"  {reason}")
    known = {
        f"{benchmark.name}/{name}": difference_hash(read_pixels(benchmark / name))
        for benchmark in benchmarks
        for name in picture_names(benchmark)
    }
    pairs = near_duplicates(hashes, known)
    finding = f"{len(pairs)} near-duplicates of {len(known)} benchmark pictures"
    print(finding)
    for name, known_name, distance in pairs:
        print(f"  {name} ~ {known_name} ({distance} of 256 bits differ)")
    return finding


def _record(weights: Path, finding: str) -> None:
    """Add the finding to the history in the header of `weights`, from which the exporter copies it into the card."""
    tensors, header = load_tensors(weights)
    header.setdefault("history", {})["benchmark_check"] = finding
    save_tensors(weights, tensors, header)


if __name__ == "__main__":
    sys.exit(main())
