"""Networks that are no good, and sessions that are shared by threads and after forks."""

import logging
import multiprocessing
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import sr_infer
from sr_infer import ModelCard, ModelError, OptionError, Upscaler


def save(path: Path, nodes: list[onnx.NodeProto], shape_in: list[object], shape_out: list[object]) -> Path:
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info("lr", TensorProto.FLOAT, shape_in)],
        [helper.make_tensor_value_info("sr", TensorProto.FLOAT, shape_out)],
        [
            numpy_helper.from_array(np.array([1, 1, 1.5, 1.5], np.float32), "scales"),
            numpy_helper.from_array(np.array([1, 1, 3, 2], np.float32), "uneven"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


IMAGE = ["n", 3, "h", "w"]


@pytest.mark.parametrize(
    ("nodes", "shape_in", "shape_out", "reason"),
    [
        ([helper.make_node("Flatten", ["lr"], ["sr"])], IMAGE, ["n", "x"], "rank 4"),
        ([helper.make_node("Relu", ["lr"], ["sr"])], ["n", 3], ["n", 3], "rank 4"),
        ([helper.make_node("Resize", ["lr", "", "scales"], ["sr"])], IMAGE, IMAGE, "whole number"),
        ([helper.make_node("Resize", ["lr", "", "uneven"], ["sr"])], IMAGE, IMAGE, "whole number"),
        ([helper.make_node("GlobalAveragePool", ["lr"], ["sr"])], IMAGE, IMAGE, "whole number"),
        ([helper.make_node("Relu", ["lr"], ["sr"])], ["n", 3, 64, 48], IMAGE, "fixed"),
        ([helper.make_node("Relu", ["lr"], ["sr"])], ["n", 5, "h", "w"], ["n", 5, "h", "w"], "channels"),
        ([helper.make_node("Riddle", ["lr"], ["sr"], domain="unknown.to.us")], IMAGE, IMAGE, "not an ONNX model"),
    ],
)
def test_what_is_no_super_resolution_network_is_refused(
    tmp_path: Path, nodes: list[onnx.NodeProto], shape_in: list[object], shape_out: list[object], reason: str
) -> None:
    path = save(tmp_path / "odd.onnx", nodes, shape_in, shape_out)
    with pytest.raises(ModelError, match=reason):
        sr_infer.upscale(np.zeros((9, 9, 3), np.uint8), path)


def test_weights_outside_the_folder_are_refused(network: Path, tmp_path: Path) -> None:
    model = onnx.load(network)
    inner = tmp_path / "inner"
    inner.mkdir()
    onnx.save(model, inner / "x.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    for tensor in (moved := onnx.load(inner / "x.onnx", load_external_data=False)).graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../weights.bin"
    (inner / "weights.bin").rename(tmp_path / "weights.bin")
    (inner / "x.onnx").write_bytes(moved.SerializeToString())
    with pytest.raises(ModelError):
        sr_infer.upscale(np.zeros((9, 9, 3), np.uint8), inner / "x.onnx")


def test_a_lying_card_is_noticed(make_network: Callable[..., Path]) -> None:
    path = make_network(scale=2, card=ModelCard(scale=4, architecture="tiny"))
    with pytest.raises(ModelError, match="card says scale 4, but it enlarges by 2"):
        sr_infer.upscale(np.zeros((9, 9, 3), np.uint8), path)


@pytest.mark.parametrize("text", ["[]", "{}", "not JSON", '{"scale": "two", "architecture": "x"}', '{"scale": 0}'])
def test_a_card_that_makes_no_sense_is_refused(make_network: Callable[..., Path], text: str) -> None:
    path = make_network(card=None)
    model = onnx.load(path)
    helper.set_model_props(model, {"sr_infer": text})
    onnx.save(model, path)
    with pytest.raises(ModelError, match="card"):
        sr_infer.upscale(np.zeros((9, 9, 3), np.uint8), path)


def test_a_foreign_network_runs_with_one_warning(
    make_network: Callable[..., Path], astronaut: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = make_network("foreign.onnx", scale=3, card=None)
    with caplog.at_level(logging.WARNING, "sr_infer"):
        first = sr_infer.upscale(astronaut, foreign)
        sr_infer.upscale(astronaut, foreign)
    assert len(caplog.records) == 1
    assert "no model card" in caplog.text
    np.testing.assert_array_equal(first, sr_infer.upscale(astronaut, make_network(scale=3)))


def test_float_arrays_of_the_caller_are_only_read(make_network: Callable[..., Path], astronaut: np.ndarray) -> None:
    model = make_network("bytewise.onnx", value_range=255.0)
    planar = np.ascontiguousarray(astronaut[:40, :40].transpose(2, 0, 1).astype(np.float32) / 255)
    for array in (planar.transpose(1, 2, 0), planar[0], planar[:1].transpose(1, 2, 0)):
        before = array.copy()
        sr_infer.upscale(array, model)
        np.testing.assert_array_equal(array, before)
        array.flags.writeable = False
        sr_infer.upscale(array, model)


def test_other_value_ranges_and_size_requirements(make_network: Callable[..., Path], astronaut: np.ndarray) -> None:
    plain = make_network("plain.onnx")
    picky = make_network("picky.onnx", multiple_of_px=8, min_size_px=32)
    small = astronaut[:13, :21]
    assert sr_infer.upscale(small, picky).shape == (26, 42, 3)
    inner = np.s_[:18, :34]
    np.testing.assert_array_equal(sr_infer.upscale(small, picky)[inner], sr_infer.upscale(small, plain)[inner])
    whole = sr_infer.upscale(astronaut, picky, tile=1000)
    np.testing.assert_array_equal(sr_infer.upscale(astronaut, picky, tile=16, halo="exact"), whole)
    bytewise = make_network("bytewise.onnx", value_range=255.0)
    difference = sr_infer.upscale(astronaut, bytewise).astype(int) - sr_infer.upscale(astronaut, plain)
    assert np.abs(difference).max() <= 1


def test_several_threads_get_what_one_gets(network: Path, astronaut: np.ndarray) -> None:
    upscaler = Upscaler(network, tile=32)
    pictures = [np.roll(astronaut, shift, axis=1) for shift in range(0, 80, 10)]
    alone = [upscaler(picture) for picture in pictures]
    together: dict[int, np.ndarray] = {}

    def work(index: int) -> None:
        together[index] = upscaler(pictures[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, expected in enumerate(alone):
        np.testing.assert_array_equal(together[index], expected)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_loaded_upscaler_survives_a_fork(network: Path, tmp_path: Path) -> None:
    """As gunicorn does with --preload: the network is loaded and used, then workers are forked."""
    program = f"""
import os, sys
import numpy as np
import sr_infer
upscaler = sr_infer.Upscaler({str(network)!r}, threads=2)
picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
small = picture[:9, :9]
expected = upscaler(picture), upscaler(small)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        same = all(np.array_equal(upscaler(p), e) for p, e in zip((picture, small), expected))
        sys.exit(0 if same else 1)
    children.append(child)
codes = [os.waitpid(child, 0)[1] for child in children]
assert np.array_equal(upscaler(picture), expected[0])
sys.exit(any(codes))
"""
    environment = {"PYTHONPATH": str(Path(sr_infer.__file__).parents[1]), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], timeout=20, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_process_that_only_upscales_prints_nothing(network: Path, tmp_path: Path) -> None:
    program = f"import numpy, sr_infer; sr_infer.upscale(numpy.zeros((9, 9, 3), numpy.uint8), {str(network)!r})"
    environment = {"PYTHONPATH": str(Path(sr_infer.__file__).parents[1]), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("size_hw", [(128, 160), (40, 40), (9, 70), (1, 1)])
@pytest.mark.parametrize("with_card", [True, False])
def test_networks_of_one_input_size_enlarge_any_picture(
    make_network: Callable[..., Path], astronaut: np.ndarray, size_hw: tuple[int, int], with_card: bool
) -> None:
    picture = astronaut[: size_hw[0], : size_hw[1]]
    expected = sr_infer.upscale(picture, make_network())
    path = make_network("fixed.onnx") if with_card else make_network("fixed.onnx", card=None)
    model = onnx.load(path)
    for axis, length in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 3, 40, 40), strict=True):
        axis.dim_value = length
    onnx.save(model, path)
    large = sr_infer.upscale(picture, path)
    assert large.shape == expected.shape
    inside = tuple(slice(None, None if length >= 40 else 2 * (length - 3)) for length in size_hw)
    np.testing.assert_array_equal(large[inside], expected[inside])
    np.testing.assert_array_equal(sr_infer.upscale(picture, path, tile=500), large)
    with pytest.raises(OptionError, match=r"expected a halo below 20 px.*only windows of 40x40 px, got 20 px"):
        sr_infer.upscale(picture, path, halo=20)


def test_waiting_costs_no_processor_time() -> None:
    """Between runs threads sleep, also those that spun within one."""
    upscaler = Upscaler("srpn-lite-x2", threads=2)
    upscaler(np.zeros((96, 96, 3), np.uint8))
    before_s = time.process_time()
    time.sleep(0.1)
    assert time.process_time() - before_s < 0.01, "left alone, onnxruntime's threads spin for 0.03 s"
