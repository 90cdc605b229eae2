"""Memory budgets: what is refused, what is kept, what the limits of a container say."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

import sr_infer
from sr_infer import ImageError, MemoryBudgetError, OptionError, measure, memory, resources
from sr_infer.engine.session import ENGINE
from sr_infer.image_io import writer
from sr_infer.image_io.metadata import Metadata
from sr_infer.image_io.reader import Layout
from sr_infer.model_card import ModelCard
from sr_infer.options import Options
from sr_infer.tiling.planner import TilingPlan, plan_tiles

MIB = 2**20


def planned(
    size_hw: tuple[int, int], card: ModelCard, options: Options, *, image_bytes: int = 10_000_000
) -> TilingPlan:
    """The plan for an RGB picture of 8 bits."""
    layout = Layout(size_hw, 3, np.dtype(np.uint8))
    return plan_tiles(layout, card, options, ENGINE.WORKING_SET, lambda grid: image_bytes)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(1000, 1000), ("1000", 1000), ("512MB", 512_000_000), ("1.5 GiB", 1_610_612_736), ("64m", 64_000_000)],
)
def test_amounts(amount: int | str, expected: int) -> None:
    assert memory.parse_bytes(amount) == expected


@pytest.mark.parametrize("amount", ["", "lots", "-5MB", "0", "5XB", "MB", "1e9"])
def test_amounts_that_are_none(amount: str) -> None:
    with pytest.raises(OptionError, match="amount of memory"):
        memory.parse_bytes(amount)


@pytest.mark.parametrize("size_hw", [(1, 1), (70, 500), (1080, 1920), (4000, 6000)])
@pytest.mark.parametrize("halo_px", [0, 8, 97])
def test_the_smallest_budget_that_is_named_suffices(size_hw: tuple[int, int], halo_px: int) -> None:
    card = ModelCard(scale=4, architecture="tiny", bytes_per_px=2000.0)

    def plan(max_memory: str) -> TilingPlan:
        return planned(size_hw, card, Options(halo=halo_px, max_memory=max_memory, threads=4))

    with pytest.raises(MemoryBudgetError, match="give at least") as refusal:
        plan("5MB")
    named = str(refusal.value).rpartition("at least ")[2]
    tight, loose = plan(named), plan("4GB")
    assert tight.working_bytes + 10_000_000 <= memory.parse_bytes(named)
    assert loose.relative_time(4) <= tight.relative_time(4)


def test_without_a_budget_a_share_of_what_is_free_is_the_limit() -> None:
    card = ModelCard(scale=4, architecture="tiny", bytes_per_px=2000.0)
    with pytest.raises(MemoryBudgetError, match="free memory, or insist"):
        planned((50, 50), card, Options(halo=0, threads=1), image_bytes=1 << 50)


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_windows_stay_modest_however_large_the_budget(threads: int) -> None:
    """For networks that average over the picture, the whole of a small one is worth its memory."""
    card = ModelCard(scale=4, architecture="tiny", bytes_per_px=2000.0)

    def working_bytes(card: ModelCard, size_hw: tuple[int, int]) -> int:
        return planned(size_hw, card, Options(halo=20, max_memory="64GB", threads=threads)).working_bytes

    assert working_bytes(card, (2000, 3000)) <= threads * 256_000_000
    assert working_bytes(replace(card, global_pooling=True), (400, 500)) > 400 * 500 * card.bytes_per_px


def test_a_tile_that_does_not_fit_is_refused_before_work(network: Path, astronaut: np.ndarray) -> None:
    started: list[int] = []
    with pytest.raises(MemoryBudgetError, match="leave the tile size to the budget"):
        sr_infer.upscale(
            astronaut, network, tile=1000, max_memory="1MB", progress=lambda done, total: started.append(done)
        )
    assert started == []


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "turned.jpg", "palette.gif", "deep.png", "deep.tif"])
def test_what_does_not_fit_is_refused_before_it_is_decoded(
    network: Path, astronaut: np.ndarray, tmp_path: Path, name: str
) -> None:
    """Half of the file is missing, which is noticed only when it is decoded."""
    path = tmp_path / name
    kind, extension = name.split(".")
    if kind == "deep":
        writer.write(astronaut.astype(np.uint16) * 257, path, Metadata())
    else:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6 if kind == "turned" else 1
        Image.fromarray(astronaut).save(path, **({} if extension == "gif" else {"exif": exif}))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) if extension == "tif" else len(whole) // 2])
    with pytest.raises(MemoryBudgetError, match="128x160 px" if kind == "turned" else "160x128 px"):
        sr_infer.Upscaler(network, max_memory="1MB").upscale_file(path, tmp_path / "out.png")
    if extension != "tif":
        with pytest.raises(ImageError, match="damaged"):
            sr_infer.Upscaler(network).upscale_file(path, tmp_path / "out.png")


@pytest.fixture
def container(tmp_path: Path) -> Callable[..., dict[str, Path]]:
    """A cgroup tree as a container sees it."""

    def make(own: str, files: dict[str, str]) -> dict[str, Path]:
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "cgroups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return {"cgroups": tmp_path / "cgroups", "own": tmp_path / "own"}

    return make


def test_limits_of_a_container(container: Callable[..., dict[str, Path]]) -> None:
    where = container(
        "0::/pod/app\n",
        {
            "pod/memory.max": f"{100 * MIB}\n",
            "pod/memory.current": f"{70 * MIB}\n",
            "pod/memory.stat": f"anon 1\ninactive_file {10 * MIB}\n",
            "pod/app/memory.max": "max\n",
            "pod/app/memory.current": "5\n",
            "pod/app/cpu.max": "50000 100000\n",
        },
    )
    assert resources.available_memory_bytes(**where) == 40 * MIB
    assert resources.usable_cpus(**where) == 1


def test_limits_of_an_old_container(container: Callable[..., dict[str, Path]]) -> None:
    where = container(
        "5:memory:/x\n4:cpu,cpuacct:/x\n",
        {
            "memory/x/memory.limit_in_bytes": f"{200 * MIB}",
            "memory/x/memory.usage_in_bytes": f"{50 * MIB}",
            "memory/memory.limit_in_bytes": "9223372036854771712",
            "memory/memory.usage_in_bytes": "7",
            "cpu/x/cpu.cfs_quota_us": "100000",
            "cpu/x/cpu.cfs_period_us": "100000",
        },
    )
    assert resources.available_memory_bytes(**where) == 150 * MIB
    assert resources.usable_cpus(**where) == 1


def test_no_container_is_no_limit(tmp_path: Path) -> None:
    where = {"cgroups": tmp_path / "none", "own": tmp_path / "none"}
    assert resources.usable_cpus(**where) >= 1
    assert resources.available_memory_bytes(**where) > 10 * MIB


@pytest.mark.slow
def test_a_budget_holds_in_a_process_of_its_own(make_network: Callable[..., Path]) -> None:
    network = make_network(scale=4, bytes_per_px=1000.0)
    peak = measure.peak_memory(measure.upscale_case, str(network), 1080, 1920, "200MB")
    assert 95e6 < peak.added_by_call_bytes < 1.05 * 200e6


def options_case(
    folder: str, height: int, width: int, channels: int, options: dict[str, Any], size: dict[str, Any], target: str
) -> Callable[[], object]:
    """A case of `peak_memory`: a file through a shipped model."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
    source = Path(folder) / "in.png"
    Image.fromarray(noise).save(source)
    upscaler = sr_infer.Upscaler("srpn-lite-x2", **options)
    upscaler.load()
    return lambda: upscaler.upscale_file(source, source.with_name(target), **size)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("height", "width", "channels", "options", "size", "target"),
    [
        (480, 640, 4, {}, {"scale": 3}, "out.png"),
        (480, 640, 3, {}, {"width": 300}, "out.jpg"),
        (480, 640, 4, {"alpha": "model"}, {}, "out.png"),
        (240, 320, 3, {"ensemble": True}, {}, "out.png"),
        (480, 640, 3, {}, {}, "out.webp"),
    ],
    ids=["enlarged further", "reduced", "alpha by the model", "ensemble", "WebP"],
)
def test_a_budget_holds_with_every_option(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    height: int,
    width: int,
    channels: int,
    options: dict[str, Any],
    size: dict[str, Any],
    target: str,
) -> None:
    monkeypatch.chdir(Path(sr_infer.__file__).parents[1])
    limited = options | {"max_memory": "80MB"}
    peak = measure.peak_memory(options_case, str(tmp_path), height, width, channels, limited, size, target)
    assert peak.added_by_call_bytes < 1.05 * 80e6


def test_many_calls_do_not_grow_the_process(make_network: Callable[..., Path]) -> None:
    network = make_network(scale=2)
    upscaler = sr_infer.Upscaler(network, threads=1)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (96, 96, 3), np.uint8)

    def calls(count: int) -> int:
        for _ in range(count):
            height, width = rng.integers(1, 97, 2)
            upscaler(picture[:height, :width])
        return resources.resident_bytes()

    settled = calls(300)
    assert calls(700) < 1.05 * settled
