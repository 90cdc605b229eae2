"""Files that are damaged, by hand and at random: always our error, never another, and no target is lost."""

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image

import sr_infer
from sr_infer import ImageError, OutputError, SrInferError, Upscaler
from sr_infer.model_card import ModelCard

PHOTO = np.ascontiguousarray(skimage.data.rocket()[60:92, 300:340])


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(PHOTO)
    tags = Image.Exif()
    tags[271] = "Camera works"
    if kind == "deep tiff":
        tifffile.imwrite(buffer, PHOTO.astype(np.uint16) * 257, photometric="rgb", compression="lzw")
    elif kind == "deep png":
        return sr_infer.image_io.writer.encode(
            PHOTO.astype(np.uint16) * 257, sr_infer.image_io.formats.PNG, sr_infer.image_io.metadata.Metadata()
        )
    elif kind == "deep grey tiff":
        pair = PHOTO[..., :2].astype(np.uint16) * 257
        tifffile.imwrite(buffer, pair, photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig")
    elif kind == "gif":
        image.save(buffer, "GIF")
    elif kind == "tiff":
        image.save(buffer, "TIFF", exif=tags, compression="tiff_deflate")
    else:
        image.save(buffer, kind.upper(), exif=tags, dpi=(300, 300))
    return buffer.getvalue()


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes changed, a piece lost or repeated, or the end cut off."""
    damaged = bytearray(data)
    kind = rng.integers(4)
    start = int(rng.integers(len(damaged)))
    if kind == 0:
        for position in rng.integers(0, len(damaged), rng.integers(1, 12)):
            damaged[position] = rng.integers(256)
    elif kind == 1:
        del damaged[start : start + int(rng.integers(1, 40))]
    elif kind == 2:
        damaged[start:start] = damaged[start : start + int(rng.integers(1, 40))]
    else:
        del damaged[start:]
    return bytes(damaged)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "webp", "gif", "deep png", "deep tiff", "deep grey tiff"])
def test_mutated_pictures_raise_only_our_errors(network: Path, kind: str) -> None:
    upscaler = Upscaler(network, max_pixels=10_000, threads=1)
    rng = np.random.default_rng(sum(kind.encode()))
    whole = encoded(kind)
    survived = 0
    for _ in range(400):
        try:
            upscaler(mutated(whole, rng))
        except SrInferError:
            continue
        survived += 1
    assert survived < 400


FUZZ = """
import json, sys
import numpy as np
import sr_infer
picture = np.zeros((9, 9, 3), np.uint8)
for path in sys.argv[1:]:
    print(path, flush=True)
    try:
        sr_infer.upscale(picture, path, threads=1)
    except sr_infer.SrInferError as error:
        assert str(error)
"""


def test_mutated_networks_raise_only_our_errors(network: Path, tmp_path: Path) -> None:
    """In a process of its own: onnxruntime itself may abort on such files, an exception of Python's must not escape."""
    rng = np.random.default_rng(5)
    whole = network.read_bytes()
    paths = []
    for index in range(60):
        path = tmp_path / f"mutant-{index}.onnx"
        path.write_bytes(mutated(whole, rng))
        paths.append(str(path))
    environment = {"PYTHONPATH": str(Path(sr_infer.__file__).parents[1]), "PATH": ""}
    while paths:
        command = [sys.executable, "-c", FUZZ, *paths]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert "Traceback" not in done.stderr, done.stderr
        tried = done.stdout.split()
        if done.returncode == 0:
            break
        assert done.returncode < 0, "neither an exception of ours nor a crash of onnxruntime"
        paths = paths[len(tried) :]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.png", b""),
        ("truncated.png", encoded("png")[:200]),
        ("truncated.jpg", encoded("jpeg")[:400]),
        ("truncated.tif", encoded("tiff")[:100]),
        ("text.png", b"hello"),
        ("folder", None),
        ("absent.png", None),
    ],
)
def test_unreadable_files_are_named(network: Path, tmp_path: Path, name: str, data: bytes | None) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    elif name == "folder":
        path.mkdir()
    (tmp_path / "out.png").write_bytes(b"what was there before")
    with pytest.raises(ImageError, match=name):
        Upscaler(network).upscale_file(path, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes() == b"what was there before"


def test_the_content_and_not_the_extension_counts(network: Path, tmp_path: Path) -> None:
    (tmp_path / "really-a-png.jpg").write_bytes(encoded("png"))
    result = sr_infer.upscale(tmp_path / "really-a-png.jpg", network)
    np.testing.assert_array_equal(np.asarray(result), sr_infer.upscale(PHOTO, network))


@pytest.mark.parametrize(
    ("target", "reason"),
    [("absent/out.png", "cannot write"), ("folder.png", "cannot write"), ("out.jpg", "cannot hold transparency")],
)
def test_what_cannot_be_written(network: Path, tmp_path: Path, target: str, reason: str) -> None:
    (tmp_path / "folder.png").mkdir()
    Image.fromarray(np.dstack([PHOTO, PHOTO[..., 0]])).save(tmp_path / "in.png")
    with pytest.raises(OutputError, match=reason):
        Upscaler(network).upscale_file(tmp_path / "in.png", tmp_path / target)
    assert not list(tmp_path.glob(".*"))


DISK_FULL = """
import resource, signal, sys
import sr_infer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
upscaler = sr_infer.Upscaler(sys.argv[1])
upscaler.load()
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    upscaler.upscale_file("in.png", "out.png")
except sr_infer.OutputError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_target_and_nothing_half_written(network: Path, tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "in.png")
    (tmp_path / "out.png").write_bytes(b"what was there before")
    environment = {"PYTHONPATH": str(Path(sr_infer.__file__).parents[1]), "PATH": ""}
    command = [sys.executable, "-c", DISK_FULL, str(network)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert "cannot write" in done.stdout, done.stderr
    assert (tmp_path / "out.png").read_bytes() == b"what was there before"
    assert not list(tmp_path.glob(".*"))


def test_an_interrupt_leaves_nothing_half_written(network: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> bool:
        raise KeyboardInterrupt

    Image.fromarray(PHOTO).save(tmp_path / "in.png")
    with pytest.raises(KeyboardInterrupt):
        Upscaler(network, tile=16, threads=2).upscale_file(
            tmp_path / "in.png", tmp_path / "out.png", progress=interrupt
        )
    assert set(os.listdir(tmp_path)) == {"in.png", network.name}


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 0},
        {"scale": -1},
        {"scale": float("nan")},
        {"scale": float("inf")},
        {"width": 0},
        {"height": -5},
        {"scale": 2, "height": 5},
        {"scale": "2"},
        {"width": 10.5},
        {"scale": 1e308},
        {"width": 10**400},
    ],
)
def test_impossible_sizes(network: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "in.png")
    for picture in (PHOTO, tmp_path / "in.png", (tmp_path / "in.png").read_bytes()):
        with pytest.raises(sr_infer.OptionError):
            sr_infer.upscale(picture, network, **options)


def test_numbers_of_numpy_are_numbers(network: Path, tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "in.png")
    Upscaler(network).upscale_file(tmp_path / "in.png", tmp_path / "out.jpg", quality=np.int64(90), scale=np.float32(2))
    with Image.open(tmp_path / "out.jpg") as result:
        assert result.size == (80, 64)


def test_an_absurd_output_is_refused_by_memory(network: Path) -> None:
    with pytest.raises(sr_infer.MemoryBudgetError):
        sr_infer.upscale(PHOTO, network, scale=1e5)


def test_one_network_for_many_sizes(make_network: Callable[..., Path]) -> None:
    network = make_network(scale=3)
    for size_hw in ((1, 1), (1, 32), (32, 1), (2, 3)):
        picture = PHOTO[: size_hw[0], : size_hw[1]]
        assert sr_infer.upscale(picture, network).shape == (size_hw[0] * 3, size_hw[1] * 3, 3)
    assert json.dumps(sr_infer.upscale(PHOTO[:1, :1, 0], network).shape) == "[3, 3]"


@pytest.mark.parametrize(
    ("target", "quality"),
    [("out.jpg", 95), ("out.bmp", 95), ("out.ppm", 95), ("out.webp", 0), ("absent/out.png", 95)],
    ids=["alpha", "alpha dropped", "alpha ignored", "quality", "folder"],
)
def test_what_cannot_be_written_is_refused_before_the_work(
    network: Path, tmp_path: Path, target: str, quality: int
) -> None:
    Image.fromarray(np.dstack([PHOTO, PHOTO[..., 0]])).save(tmp_path / "in.png")
    tiles: list[int] = []
    with pytest.raises(SrInferError):
        Upscaler(network).upscale_file(
            tmp_path / "in.png", tmp_path / target, quality=quality, progress=lambda done, total: tiles.append(done)
        )
    assert tiles == []


@pytest.mark.parametrize(
    ("target", "side_px"), [("out.webp", 16_384), ("out.jpg", 65_501), ("out.avif", 32_769), ("out.pcx", 65_535)]
)
def test_more_px_a_side_than_the_format_holds_are_refused_before_the_work(
    network: Path, tmp_path: Path, target: str, side_px: int
) -> None:
    if Path(target).suffix not in Image.registered_extensions():
        pytest.skip("this Pillow writes no such files")
    Image.fromarray(PHOTO).save(tmp_path / "in.png")
    tiles: list[int] = []
    with pytest.raises(OutputError, match=f"{side_px}"):
        Upscaler(network).upscale_file(
            tmp_path / "in.png",
            tmp_path / target,
            width=side_px,
            height=1,
            progress=lambda done, total: tiles.append(done),
        )
    assert tiles == []


class Failing(io.BytesIO):
    """A file on a disk that breaks."""

    def read(self, size: int | None = -1) -> bytes:
        raise OSError("no such device")


def closed() -> io.BytesIO:
    file = io.BytesIO(encoded("png"))
    file.close()
    return file


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (io.StringIO("text"), "'rb'"),
        (closed(), "closed"),
        (Failing(), "no such device"),
        (gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(encoded("png"))[:-9])), "EOFError"),
        ("a\0b.png", "null"),
    ],
    ids=["text", "closed", "failing", "truncated archive", "null in path"],
)
def test_what_cannot_be_read_is_said(network: Path, given: Any, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        sr_infer.upscale(given, network)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_kinds_of_numpy_and_python_that_mean_the_same(network: Path) -> None:
    expected = sr_infer.upscale(PHOTO, network, tile=16, halo=3, width=90)
    counts = {"tile": np.uint8(16), "halo": np.int8(3), "width": np.uint8(90)}
    np.testing.assert_array_equal(sr_infer.upscale(PHOTO, network, **counts), expected)
    grey = PHOTO[..., 0]
    np.testing.assert_array_equal(sr_infer.upscale(np.asmatrix(grey), network), sr_infer.upscale(grey, network))
    data = encoded("png")
    assert sr_infer.upscale(bytearray(data), network) == sr_infer.upscale(data, network)
    assert sr_infer.upscale(memoryview(data), network) == sr_infer.upscale(data, network)


@pytest.mark.parametrize("model", [None, 5, "~nobody-here/x.onnx", "a/" * 3000, "a\0/x.onnx"])
def test_models_that_cannot_be(model: Any) -> None:
    with pytest.raises(sr_infer.ModelNotFoundError):
        sr_infer.upscale(PHOTO, model)


@pytest.mark.parametrize("options", [{"max_pixels": None}, {"tile": 1.5}, {"halo": 2.5}, {"halo": "wide"}])
def test_options_of_the_wrong_type(options: dict[str, Any]) -> None:
    with pytest.raises(sr_infer.OptionError):
        Upscaler(**options)


@pytest.mark.parametrize("change", [{"halo_px": 3.5}, {"scale": 2.0}, {"bytes_per_px": float("inf")}])
def test_cards_with_impossible_values(change: dict[str, Any]) -> None:
    with pytest.raises(sr_infer.ModelError, match=next(iter(change))):
        ModelCard(**({"scale": 2, "architecture": "tiny"} | change))


def test_unusual_values_get_our_errors(network: Path) -> None:
    picture = np.zeros((8, 9, 3), np.uint8)
    upscaler = Upscaler(network)
    data = encoded("png")
    with pytest.raises(ImageError, match="masked"):
        upscaler(np.ma.masked_array(picture, mask=False))
    with pytest.raises(ImageError, match="memoryview of shape"):
        upscaler(memoryview(picture))
    with pytest.raises(ImageError, match="empty text"):
        upscaler("")
    with pytest.raises(SrInferError, match="width"):
        upscaler(picture, width=True)
    with pytest.raises(SrInferError, match="extension"):
        upscaler.upscale_bytes(data, extension=5)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="1280 px, max_pixels allows 5 px"):
        Upscaler(network, max_pixels=5)(data)
    for name in ("tile", "threads", "max_pixels", "halo"):
        with pytest.raises(SrInferError, match=name):
            Upscaler(network, **{name: True})


def test_a_strided_memoryview_is_read(network: Path) -> None:
    data = encoded("png")
    strided = memoryview(np.repeat(np.frombuffer(data, np.uint8), 2))[::2]
    assert Upscaler(network)(strided) == Upscaler(network)(data)
