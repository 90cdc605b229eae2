"""The command `python -m exporters.to_onnx`."""

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from exporters.checkpoints.any_network import LAST_IMAGE, import_network, network_source
from exporters.checkpoints.onnx_file import read_onnx
from exporters.checkpoints.read import read_checkpoint
from exporters.checkpoints.source import Source
from exporters.export import Exported, check_different, export
from exporters.quantization.quantize import Int8Options
from sr_infer.errors import OptionError, SrInferError

MAX_FLAT_LEVELS = {"float32": 1, "int8": 2}
"""Largest stray of flat colours inside, in 8-bit levels, that is no cause for a warning."""
DESCRIPTION = """\
Make the fastest ONNX file that computes the same as the network of CHECKPOINT, and prove that it does.

The graph is rewritten to run fast on a CPU: mean shifts and 1x1 convolutions are folded into their neighbours, parallel
branches merged, channels padded to the SIMD block, bicubic enlargement done by convolution where that is measured to be
faster here. After every step the graph is compared with torch in float64 at five sizes, tiny and odd ones among them. A
step that changes a value in [0, 1] by more than 1e-4 is skipped with a warning. No file is written with such a change.
Halo, memory and quality are measured and go into the file's model card. docs/passes.md describes every step.
"""

CHECKPOINTS = """\
checkpoints:
  ours                     .safetensors as training leaves it
  DRN, DRC                 DRNS4x.pt, DRNL8x.pt, ..., DRNS_4x_Prune_30.pt, ... (not the lists of dual networks)
  SRP, ASSL                {'state_dict', 'arch'} files of LEDSR and RIRSR, dense and pruned
  EDSR-PyTorch, BasicSR    EDSR baseline and full, MSRResNet
  MemSR                    Lightning checkpoints of students and teachers
  .onnx                    of others: one picture (N, 3 or 1, H, W) in, an enlarged one out
  community                Real-ESRGAN, Compact, SPAN, RCAN, SwinIR, ..., through spandrel if it is installed, which
                           needs no torchvision for them: pip install --no-deps spandrel einops
  any torch module         --network with --weights: the module that you name is imported, which runs its code
Nothing that a file holds is executed.

the file:
  input lr, output sr: float32 RGB (batch, 3, height, width) in [0, 1], batch, height and width dynamic; opset 18, IR
  10, for onnxruntime, onnxruntime-web and OpenVINO. The metadata key sr_infer holds the model card. Transformers
  and other networks with size requirements get a file for windows of 128x128 px, or of their smallest size; the runtime
  makes images of any size from such windows. They have no int8 and no --report.

int8:
  Convolutions get 8-bit activations and 7-bit weights per channel, sums stay in float. Ranges come from the images in
  --calibration; the loss is measured on other images. Layers that lose most for their work stay in float, until the
  predicted loss is half of --max-drop. No file is written if it loses more than --max-drop on the validation images.

examples:
  python -m exporters.to_onnx run/srpn-lite-x4.safetensors
  python -m exporters.to_onnx DRNS4x.pt --output drn.onnx --report drn.json
  python -m exporters.to_onnx theirs.onnx --output ours.onnx
  python -m exporters.to_onnx --network mine.model:Net --weights best.pth --network-options '{"upscale": 4}' --scale 4
  python -m exporters.to_onnx weights/srpn-lite-x4.safetensors --int8 --calibration photos --max-drop 0.05
  python -m exporters.to_onnx mine.safetensors --int8 --calibration photos --validation benchmark/Set5 --full-range

exit status:
  0 if the file was written. 2 if not, with an error of one line; an existing file is then unchanged.
"""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="warning: %(message)s", level=logging.WARNING)
    try:
        weights = _weights(options)
        output = options.output or Path(weights.stem + ("-int8.onnx" if options.int8 else ".onnx"))
        int8 = _int8_options(options)
        check_different([path for path in (weights, output, options.report, options.example) if path is not None])
        exported = export(
            _read(options, weights),
            output,
            int8=int8,
            benchmarks=options.benchmark,
            report=options.report,
            example=options.example,
            back_projection=options.back_project,
        )
    except SrInferError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print("\n".join(_summary(output, exported)))
    return 0


def _weights(options: argparse.Namespace) -> Path:
    """The file that the network is read from."""
    given = [path for path in (options.checkpoint, options.weights) if path is not None]
    if len(given) != 1 or (options.network is None) != (options.weights is None):
        raise OptionError("expected CHECKPOINT, or --network package.module:Class with --weights FILE")
    weights: Path = given[0]
    return weights


def _read(options: argparse.Namespace, weights: Path) -> Source:
    """The network that the options name."""
    of_network = (options.scale, options.image, options.network_options)
    if options.network is None and any(option is not None for option in of_network):
        raise OptionError("--scale, --image and --network-options belong to --network, which is not given")
    if options.network is not None:
        if options.scale is None:
            raise OptionError("--network needs --scale, the output side over the input side")
        network = import_network(options.network, _network_options(options.network_options), weights)
        return network_source(
            network,
            scale=options.scale,
            value_range=options.value_range or 1.0,
            image=LAST_IMAGE if options.image is None else options.image,
        )
    if weights.suffix == ".onnx":
        return read_onnx(weights, value_range=options.value_range)
    if options.value_range is not None:
        raise OptionError("--value-range belongs to --network or to an .onnx file")
    return read_checkpoint(weights)


def _network_options(text: str | None) -> dict[str, Any]:
    try:
        options = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise OptionError(f"expected JSON in --network-options, got {text!r}: {error}") from error
    if not isinstance(options, dict):
        raise OptionError(f"expected a JSON object in --network-options, got {text!r}")
    return options


def _int8_options(options: argparse.Namespace) -> Int8Options | None:
    if not options.int8:
        if options.calibration or options.validation or options.full_range or options.max_drop is not None:
            raise OptionError(
                "--calibration, --validation, --max-drop and --full-range belong to --int8, which is not given"
            )
        return None
    if options.calibration is None:
        raise OptionError("--int8 needs --calibration DIR, a folder of images like those to be upscaled")
    return Int8Options(
        calibration=options.calibration,
        validation=options.validation,
        max_drop_db=Int8Options.max_drop_db if options.max_drop is None else options.max_drop,
        full_range=options.full_range,
    )


def _summary(output: Path, exported: Exported) -> list[str]:
    card, quantized = exported.card, exported.quantized
    lines = [
        f"{output}: x{card.scale}, {card.params:,} parameters, {card.macs_per_px:,} MACs/px, halo {card.halo_px} px",
        f"  8-bit halo {card.halo_8bit_px} px, {card.bytes_per_px:,.0f} bytes/px",
    ]
    if exported.tiles_db is not None:
        size = f"{card.window_px}x{card.window_px}"
        lines.append(f"  windows of {size} px: {exported.tiles_db:.1f} dB from the whole picture")
    if card.flat_levels:
        inside, border = card.flat_levels["inside"], card.flat_levels["border"]
        limit = MAX_FLAT_LEVELS[card.precision]
        more = f"; more than {limit} inside is visible on plain backgrounds" if inside > limit else ""
        lines.append(f"  flat colours stray by up to {inside} levels inside, {border} at the border{more}")
    if card.tile_db is not None:
        lines.append(f"  tiles of 64 px differ from the whole by up to {card.tile_levels} levels, {card.tile_db} dB")
    if quantized is not None and exported.int8_speed is not None:
        gains = ", ".join(f"{speed.speedup:.2f}x on {threads}" for threads, speed in exported.int8_speed.items())
        worst = f"{quantized.worst_drop_db:.2f} dB on the worst"
        lines.append(f"  int8: {quantized.psnr_drop_db:.3f} dB lost on {quantized.validated_on}, {worst}")
        lines.append(f"  faster than the float file: {gains} threads")
        lines.append(f"  in float: {len(quantized.kept_in_float)} of {quantized.layers} convolutions")
    lines += [f"  {folder}: {it.psnr_y:.2f} dB, SSIM {it.ssim_y:.4f}" for folder, it in card.quality.items()]
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m exporters.to_onnx",
        description=DESCRIPTION,
        epilog=CHECKPOINTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "checkpoint", type=Path, nargs="?", metavar="CHECKPOINT", help="weights, or an .onnx file of others; see below"
    )
    parser.add_argument("--output", type=Path, metavar="X.onnx", help="default: the checkpoint's name, here")
    parser.add_argument(
        "--benchmark",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="measure PSNR and SSIM on this folder for the card; may be given several times",
    )
    parser.add_argument(
        "--report", type=Path, metavar="X.json", help="also write all measurements, pass by pass; times every pass"
    )
    parser.add_argument("--example", type=Path, metavar="X.npz", help="also write an input and torch's output")
    parser.add_argument(
        "--back-project",
        action="store_true",
        help="end with one step of back-projection: what the result, made smaller, misses of the input is added",
    )
    own = parser.add_argument_group("a network of your own")
    own.add_argument("--network", metavar="MODULE:CLASS", help="import this class and build it; runs the module's code")
    own.add_argument("--weights", type=Path, metavar="FILE", help="its state dict, in whatever training code wrote it")
    own.add_argument(
        "--network-options", metavar="JSON", help="keyword arguments of the class, such as '{\"scale\": 4}'"
    )
    own.add_argument("--scale", type=int, metavar="N", help="output side over input side; 1 keeps the size")
    own.add_argument(
        "--value-range", type=float, metavar="WHITE", help="what stands for white in the network: 1 (default) or 255"
    )
    own.add_argument("--image", type=int, metavar="N", help="which image of a list is taken (default: the last)")
    int8 = parser.add_argument_group("int8")
    int8.add_argument("--int8", action="store_true", help="quantise; needs --calibration")
    int8.add_argument("--calibration", type=Path, metavar="DIR", help="HR pictures like those to be enlarged")
    int8.add_argument(
        "--validation",
        type=Path,
        metavar="DIR",
        help="folder on which the loss is measured: a benchmark, or HR images only; default: the fortieth of the "
        "calibration folder that training holds out, which then does not calibrate",
    )
    int8.add_argument("--max-drop", type=float, metavar="DB", help="largest loss of PSNR (default: 0.10)")
    int8.add_argument("--full-range", action="store_true", help="8-bit weights: only for CPUs with VNNI instructions")
    return parser


if __name__ == "__main__":
    sys.exit(main())
