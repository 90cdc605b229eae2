"""`python -m exporters.layer_latency --from WEIGHTS --output TABLE.json`: time every inner layer of a network at every
width on this CPU, for `budget = "ms"` in a recipe of `python -m training.compress drc`.

Each layer is the convolution that writes it and the one that reads it, with what lies between, in onnxruntime, at the
resolution that it has for an LR picture of 96x96. Layers that are alike are measured once. All widths of a layer are
timed in turns, so that a busy moment falls on all of them.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn
from tqdm import tqdm

from exporters.trace import OPSET, UnitRange, trace
from sr_infer.atomic_file import atomic_write
from sr_infer.resources import cpu_name, usable_cpus
from training.checkpoint import load_network
from training.command_line import run_command
from training.compress.cost import LR_SIZE_HW
from training.compress.inner_layers import InnerLayer, find_inner_layers
from training.networks import Network
from training.networks.blocks import convolution_of

ROUNDS = 15
IR_VERSION = 8
"""IR version of opset 18's time, which every onnxruntime reads."""


def between(network: Network, layer: InnerLayer, width: int) -> onnx.ModelProto:
    """A graph of the convolutions on both sides of an inner layer with this many channels, with random weights."""
    writer, reader = convolution_of(network, layer.writer), convolution_of(network, layer.reader)
    shuffled = layer.filters_per_channel
    block = {"blocksize": round(shuffled**0.5), "mode": "CRD"}
    middle = ("DepthToSpace", block) if shuffled > 1 else ("Relu", {})
    tensors: list[onnx.TensorProto] = []
    nodes = [
        _convolution(writer, writer.in_channels, width * shuffled, ("x", "written"), tensors),
        onnx.helper.make_node(middle[0], ["written"], ["read"], **middle[1]),
        _convolution(reader, width, reader.out_channels, ("read", "y"), tensors),
    ]
    sides = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, channels, None, None])
        for name, channels in (("x", writer.in_channels), ("y", reader.out_channels))
    ]
    graph = onnx.helper.make_graph(nodes, "between", sides[:1], sides[1:], tensors)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def measure(network: Network, *, step: int, rounds: int = ROUNDS, threads: int = 0) -> dict[str, Any]:
    """The table.

    Args:
        network: any of ours.
        step: widths are its multiples, and the dense one.
        rounds: how often each is timed; the median counts.
        threads: of onnxruntime; 0 for as many as it likes.

    Returns:
        Object for JSON: `cpu`, `threads`, `lr_size_hw`, `network_ms` of the whole, and `layers`, module name of the
        writing convolution to width to milliseconds.
    """
    inner = find_inner_layers(network)
    sizes = _input_sizes(network, [layer.writer for layer in inner.layers])
    by_kind: dict[tuple[object, ...], dict[str, float]] = {}
    table = {}
    for layer in tqdm(inner.layers, unit="layer", disable=None):
        writer, reader = convolution_of(network, layer.writer), convolution_of(network, layer.reader)
        kind = (str(writer), str(reader), sizes[layer.writer])
        if kind not in by_kind:
            widths = sorted({*range(step, layer.width, step), layer.width})
            graphs = [between(network, layer, width) for width in widths]
            times_ms = _median_ms(graphs, (writer.in_channels, *sizes[layer.writer]), rounds, threads)
            by_kind[kind] = {str(width): ms for width, ms in zip(widths, times_ms, strict=True)}
        table[layer.writer] = by_kind[kind]
    whole = trace(UnitRange.of(network))
    (network_ms,) = _median_ms([whole], (3, *LR_SIZE_HW), rounds, threads)
    return {
        "cpu": cpu_name(),
        "threads": threads or usable_cpus(),
        "lr_size_hw": LR_SIZE_HW,
        "network_ms": network_ms,
        "layers": table,
    }


def _convolution(
    like: nn.Conv2d, inputs: int, outputs: int, ends: tuple[str, str], tensors: list[onnx.TensorProto]
) -> onnx.NodeProto:
    generator = np.random.default_rng(0)
    names = [f"{ends[1]}.weight", f"{ends[1]}.bias"]
    for name, shape in zip(names, ((outputs, inputs, *like.kernel_size), (outputs,)), strict=True):
        tensors.append(onnx.numpy_helper.from_array(0.1 * generator.standard_normal(shape, np.float32), name))
    pads = [*like.padding, *like.padding]
    return onnx.helper.make_node("Conv", [ends[0], *names], [ends[1]], strides=like.stride, pads=pads)


def _input_sizes(network: Network, layers: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Height and width of what these convolutions read."""
    sizes: dict[str, tuple[int, int]] = {}

    def keep(name: str, inputs: tuple[Tensor]) -> None:
        sizes[name] = (inputs[0].shape[2], inputs[0].shape[3])

    hooks = [
        network.get_submodule(name).register_forward_pre_hook(lambda _, inputs, name=name: keep(name, inputs))
        for name in layers
    ]
    with torch.no_grad():
        network(torch.zeros(1, 3, *LR_SIZE_HW))
    for hook in hooks:
        hook.remove()
    return sizes


def _median_ms(graphs: Sequence[onnx.ModelProto], shape: tuple[int, ...], rounds: int, threads: int) -> list[float]:
    """Latency of each graph on an input of this shape, timed alternately."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    providers = ["CPUExecutionProvider"]
    sessions = [ort.InferenceSession(graph.SerializeToString(), options, providers=providers) for graph in graphs]
    x = np.random.default_rng(0).random((1, *shape), np.float32)
    times_ms: list[list[float]] = [[] for _ in sessions]
    for _ in range(rounds + 1):  # the first warms up
        for session, record in zip(sessions, times_ms, strict=True):
            began = time.perf_counter()
            session.run(None, {session.get_inputs()[0].name: x})
            record.append((time.perf_counter() - began) * 1e3)
    return [round(statistics.median(record[1:]), 4) for record in times_ms]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m exporters.layer_latency", description=__doc__)
    parser.add_argument("--from", dest="weights", type=Path, required=True, help="weights of the network to compress")
    parser.add_argument("--output", type=Path, required=True, help="the .json file")
    parser.add_argument("--step", type=int, default=4, help="widths are its multiples (default: 4)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"times that each is timed (default: {ROUNDS})")
    parser.add_argument("--threads", type=int, default=0, help="of onnxruntime (default: its own choice)")
    options = parser.parse_args(arguments)
    if min(options.step, options.rounds) < 1:
        parser.error("--step and --rounds must be at least 1")
    return run_command(lambda: _write(options))


def _write(options: argparse.Namespace) -> None:
    table = measure(load_network(options.weights)[2], step=options.step, rounds=options.rounds, threads=options.threads)
    with atomic_write(options.output) as temporary:
        temporary.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(f"{len(table['layers'])} layers, {table['network_ms']} ms the network: {options.output}")


if __name__ == "__main__":
    sys.exit(main())
