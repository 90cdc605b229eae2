"""The `sr-infer` command. Exit code 0: all done, 1: some pictures failed, 2: nothing was done."""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from PIL import Image

from sr_infer import __version__
from sr_infer.encode import DEFAULT_QUALITY
from sr_infer.errors import OptionError, SrInferError
from sr_infer.model_zoo import DEFAULT_MODEL, available_models, find
from sr_infer.session import shared
from sr_infer.upscaler import Upscaler

DONE, SOME_FAILED, NOTHING_DONE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process with its exit code."""
    logging.captureWarnings(True)
    logging.basicConfig(format="%(message)s")
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except SrInferError as error:
        print(f"sr-infer: {error}", file=sys.stderr)
        code = NOTHING_DONE
    except KeyboardInterrupt:
        print("sr-infer: interrupted", file=sys.stderr)
        code = NOTHING_DONE
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sr-infer", description="Super-resolution on a plain CPU.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    upscale = commands.add_parser("upscale", help="enlarge pictures")
    upscale.add_argument("inputs", nargs="+", metavar="IN", help="picture files or folders")
    upscale.add_argument("-o", "--output", required=True, metavar="OUT", help="a file for one picture, or a folder")
    upscale.add_argument("-m", "--model", default=DEFAULT_MODEL, help="name or path of a model (%(default)s)")
    upscale.add_argument("--tile", type=int, help="side of the tiles in px; chosen by memory otherwise")
    upscale.add_argument("--max-memory", metavar="SIZE", help='such as "512MB"')
    upscale.add_argument("--threads", type=int)
    upscale.add_argument("--quality", type=int, default=DEFAULT_QUALITY, help="of JPEG and WebP (%(default)s)")
    upscale.set_defaults(run=_upscale)

    models = commands.add_parser("models", help="list the shipped models")
    models.set_defaults(run=_models)

    info = commands.add_parser("info", help="show a model's card")
    info.add_argument("model")
    info.set_defaults(run=_info)
    return parser


def _upscale(parsed: argparse.Namespace) -> int:
    upscaler = Upscaler(parsed.model, tile=parsed.tile, max_memory=parsed.max_memory, threads=parsed.threads)
    pairs = _pairs([Path(name) for name in parsed.inputs], Path(parsed.output))
    assert upscaler.card.scale
    failed = 0
    for source, target in pairs:
        start = time.perf_counter()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            upscaler.upscale_file(source, target, quality=parsed.quality)
        except SrInferError as error:
            failed += 1
            print(f"sr-infer: {source}: {error}", file=sys.stderr)
        else:
            print(f"{target} ({time.perf_counter() - start:.1f} s)")
    if failed == len(pairs):
        return NOTHING_DONE
    return SOME_FAILED if failed else DONE


def _pairs(inputs: list[Path], output: Path) -> list[tuple[Path, Path]]:
    """Each picture with the file that its result goes to."""
    extensions = set(Image.registered_extensions())
    if len(inputs) == 1 and not inputs[0].is_dir() and not output.is_dir() and output.suffix:
        return [(inputs[0], output)]
    pairs = []
    for given in inputs:
        if not given.is_dir():
            pairs.append((given, output / given.name))
            continue
        found = sorted(path for path in given.rglob("*") if path.is_file() and path.suffix.lower() in extensions)
        pairs += [(path, output / path.relative_to(given)) for path in found]
    if not pairs:
        raise OptionError(f"no pictures in {', '.join(map(str, inputs))}")
    return pairs


def _models(_: argparse.Namespace) -> int:
    rows = available_models()
    for row in rows:
        quality = ", ".join(f"{name} {figures.psnr_y:.2f} dB" for name, figures in row.card.quality.items())
        size = f"{row.size_bytes / 1e6:.1f} MB"
        print(f"{row.name:24} x{row.card.scale}  {size:>8}  {quality}")
    return DONE if rows else NOTHING_DONE


def _info(parsed: argparse.Namespace) -> int:
    path = find(parsed.model)
    card = shared(path).card
    print(f"file: {path}")
    for name, value in asdict(card).items():
        print(f"{name}: {value}")
    return DONE
