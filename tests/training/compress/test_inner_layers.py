"""Inner layers and what they cost, held against the networks that removal makes and the published sizes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sr_infer.errors import OptionError
from training.compress.cost import LR_SIZE_HW, CountedCost, read_latency_table
from training.compress.drc.recipe import read_drc_recipe
from training.compress.drc.widths import WidthsOptions, read_widths, write_widths
from training.compress.inner_layers import find_inner_layers
from training.networks import DRN, DRNConfig, EDSRConfig, PlainConfig, build_network
from training.networks.cost import count_macs, count_parameters
from training.recipe import read_recipe

PAPER = Path(__file__).parents[3] / "training" / "recipes" / "paper"
SMALL = DRNConfig(scale=4, blocks=2, features=8)

# Parameters with mean shifts, and 10^9 multiply-accumulates at 96x96 LR, biases and all images counted, to the digits
# that the published widths give.
COMPRESSED = {
    "drn-s30-x4": (3_116_637, "72.20"),
    "drn-s50-x4": (2_267_417, "53.02"),
    "drn-s70-x4": (1_427_545, "32.75"),
    "drn-s30-x8": (3_490_832, "123.83"),
    "drn-s50-x8": (2_548_420, "94.24"),
    "drn-s70-x8": (1_572_288, "53.34"),
}
# What the authors' search may choose from, by channels and ratio.
AUTHORS_CANDIDATES = {
    (64, 0.3): (20, 24, 32, 36, 40, 44),
    (64, 0.5): (16, 20, 24, 28, 32),
    (64, 0.7): (8, 12, 16, 20),
    (32, 0.3): (12, 16, 20),
    (32, 0.5): (8, 12, 16),
    (32, 0.7): (4, 8),
    (16, 0.3): (4, 8, 12),
    (16, 0.5): (4, 8),
    (16, 0.7): (4,),
    (8, 0.3): (4,),
}


def test_drn_s_narrowed_to_the_published_widths_has_the_published_size() -> None:
    for scale in (4, 8):
        dense = build_network("drn", read_recipe(PAPER / f"drn-s-x{scale}.toml").network)
        inner = find_inner_layers(dense)
        cost = {unit: CountedCost(dense, inner, unit) for unit in ("macs", "parameters")}
        for name, (parameters, gmacs) in COMPRESSED.items():
            if not name.endswith(f"x{scale}"):
                continue
            config = read_recipe(PAPER / f"{name}.toml").network
            stages = zip(config.block_widths, config.upsampler_widths, strict=True)
            widths = [*config.down_widths, *(width for blocks, up in stages for width in (*blocks, up))]
            assert cost["parameters"].of(widths) == parameters
            pixels = 96**2 * (scale**2 + sum(4**step for step in range(config.steps + 1)))
            mean_shifts = 12 * pixels  # the authors' are convolutions, the first of them behind the upsampling
            assert f"{(cost['macs'].of(widths) + mean_shifts) / 1e9:.2f}" == gmacs
            ratio = int(name[5:7]) / 100
            assert cost["macs"].of(widths) <= (1 - ratio) * cost["macs"].dense
            assert cost["parameters"].of(widths) <= (1 - ratio) * cost["parameters"].dense


@pytest.mark.parametrize(
    ("architecture", "config", "writers"),
    [
        (
            "drn",
            DRNConfig(scale=4, blocks=1, features=8),
            [f"down.{step}.conv1" for step in (0, 1)]
            + [f"up.{stage}.{layer}" for stage in (0, 1) for layer in ("blocks.0.conv1", "upsampler")],
        ),
        ("edsr", EDSRConfig(scale=2, blocks=1, width=8), ["body.0.conv1", "tail.0.0"]),
        ("plain", PlainConfig(scale=2, widths=(8, 6)), ["body.0", "body.2"]),
    ],
    ids=["drn", "edsr", "plain"],
)
@torch.no_grad()
def test_cost_is_that_of_the_narrow_network(architecture: str, config: object, writers: list[str]) -> None:
    network = build_network(architecture, config)
    inner = find_inner_layers(network)
    assert [layer.writer for layer in inner.layers] == writers
    kept = [range(0, layer.width, 2) for layer in inner.layers]
    narrow = inner.narrowed(network, kept)
    widths = [len(indices) for indices in kept]
    forward = narrow.pyramid if isinstance(narrow, DRN) else narrow
    assert CountedCost(network, inner, "parameters").of(widths) == count_parameters(narrow, mean_shift=True)
    assert CountedCost(network, inner, "macs").of(widths) == count_macs(narrow, LR_SIZE_HW, bias=True, forward=forward)


def test_the_expected_cost_of_certain_widths_is_their_cost() -> None:
    network = build_network("drn", SMALL)
    inner = find_inner_layers(network)
    candidates = [(4, width) for width in inner.widths]
    certain = [torch.tensor([0.0, 1.0]) if index % 2 else torch.tensor([1.0, 0.0]) for index in range(len(candidates))]
    cost = CountedCost(network, inner, "macs")
    widths = [pair[index % 2] for index, pair in enumerate(candidates)]
    assert cost.expected(candidates, certain).item() == pytest.approx(cost.of(widths))


@pytest.mark.parametrize(("channels", "ratio"), AUTHORS_CANDIDATES)
def test_candidates_are_the_authors(channels: int, ratio: float) -> None:
    assert WidthsOptions(ratio=ratio, multiple=4).candidates(channels) == AUTHORS_CANDIDATES[channels, ratio]


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("unit", ["macs", "parameters"])
@pytest.mark.parametrize("fill", [False, True])
def test_widths_are_brought_within_the_budget(ratio: float, unit: str, fill: bool) -> None:
    network = build_network("drn", SMALL)
    inner = find_inner_layers(network)
    cost = CountedCost(network, inner, unit)
    settings = WidthsOptions(
        ratio=ratio, multiple=4, budget=unit, fill=fill, factors=(0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    )
    wide, narrow = (
        [{width: sign * width for width in settings.candidates(channels)} for channels in inner.widths]
        for sign in (1, -1)
    )
    allowed = (1 - ratio) * cost.dense
    for preferences in (wide, narrow):
        assert cost.of(settings.projected(preferences, cost)) <= allowed
    least = [min(row) for row in narrow]
    filled = cost.of(settings.projected(narrow, cost))
    assert (filled > 0.85 * allowed) if fill else (filled == cost.of(least))


@pytest.mark.parametrize(
    ("scale", "ratio", "millions", "gmacs"),
    [
        (4, 0.3, 3.39, 77.4),
        (4, 0.5, 2.42, 55.1),
        (4, 0.7, 1.53, 34.6),
        (8, 0.3, 3.82, 140.8),
        (8, 0.5, 2.73, 99.4),
        (8, 0.7, 1.72, 62.4),
    ],
)
def test_uniform_widths_have_the_sizes_of_the_paper(scale: int, ratio: float, millions: float, gmacs: float) -> None:
    """Table 3."""
    recipe = read_recipe(PAPER / f"drn-s-x{scale}.toml")
    network = build_network(recipe.architecture, recipe.network)
    inner = find_inner_layers(network)
    widths = WidthsOptions(ratio=ratio, by="uniform").uniform(inner)
    assert CountedCost(network, inner, "parameters").of(widths) / 1e6 == pytest.approx(millions, abs=0.006)
    assert CountedCost(network, inner, "macs").of(widths) / 1e9 == pytest.approx(gmacs, abs=0.06)


@pytest.mark.parametrize("name", ["brief", "drn-s50"])
def test_every_ratio_of_the_paper_suits_the_recipes(name: str) -> None:
    recipe = read_drc_recipe(PAPER.parent / "drc" / f"{name}.toml")
    for ratio in (0.3, 0.5, 0.7):
        widths = replace(recipe.widths, ratio=ratio)
        assert max(widths.candidates(64)) <= 64


def test_what_is_narrowed_first_is_what_the_search_cares_least_about() -> None:
    network = build_network("drn", SMALL)
    inner = find_inner_layers(network)
    cost = CountedCost(network, inner, "macs")
    settings = WidthsOptions(ratio=0.5, multiple=4, fill=False)
    cared = inner.layers[-2].writer
    preferences = [
        {width: (10.0 if layer.writer == cared else 0.1) * width for width in settings.candidates(layer.width)}
        for layer in inner.layers
    ]
    widths = settings.projected(preferences, cost)
    assert widths[-2] == 16
    assert any(width < max(row) for width, row in zip(widths, preferences, strict=True))


def test_a_layer_may_keep_more_than_its_share_of_the_budget() -> None:
    network = build_network("drn", SMALL)
    inner = find_inner_layers(network)
    cost = CountedCost(network, inner, "macs")
    settings = WidthsOptions(ratio=0.5, multiple=4, fill=False, factors=(0.5, 1.0, 1.5))
    cared = inner.layers[-2].writer
    preferences = [
        {width: (1.0 if layer.writer == cared else -1.0) * width for width in settings.candidates(layer.width)}
        for layer in inner.layers
    ]
    widths = settings.projected(preferences, cost)
    assert widths[-2] == 24 > inner.widths[-2] / 2
    assert cost.of(widths) <= settings.allowed(cost)
    assert max(WidthsOptions(ratio=0.5, factors=(1.0, 2.5)).candidates(64)) == 64
    with pytest.raises(OptionError, match="factors above 0"):
        WidthsOptions(ratio=0.5, factors=(1.0, 0.0))


def test_a_budget_out_of_reach_is_refused() -> None:
    network = build_network("drn", SMALL)
    inner = find_inner_layers(network)
    cost = CountedCost(network, inner, "macs")
    settings = WidthsOptions(ratio=0.9, multiple=16)
    with pytest.raises(OptionError, match=r"more than 1 - ratio = 0\.100; give a smaller ratio or multiple"):
        settings.projected([{16: 0.0} for _ in inner.layers], cost)


def test_a_widths_file_is_read_back_and_says_the_size(tmp_path: Path) -> None:
    network = build_network("drn", SMALL)
    inner = find_inner_layers(network)
    widths = tuple(width // 2 for width in inner.widths)
    write_widths(tmp_path / "widths.toml", network, inner, widths)
    assert read_widths(tmp_path / "widths.toml", inner) == widths
    text = (tmp_path / "widths.toml").read_text()
    assert f"parameters = {round(CountedCost(network, inner, 'parameters').of(widths))}" in text
    assert f"macs = {round(CountedCost(network, inner, 'macs').of(widths))}" in text
    with pytest.raises(OptionError, match=r"missing or unknown: up\.0\.blocks\.2"):
        read_widths(tmp_path / "widths.toml", find_inner_layers(build_network("drn", DRNConfig(scale=4, blocks=3))))
    (tmp_path / "widths.toml").write_text(text.replace('"up.0.upsampler" = 16', '"up.0.upsampler" = 33'))
    with pytest.raises(OptionError, match=r"up\.0\.upsampler has 32 channels and can get 1 to that, not 33"):
        read_widths(tmp_path / "widths.toml", inner)


def test_milliseconds_come_from_the_measured_table(tmp_path: Path) -> None:
    network = build_network("drn", SMALL)
    inner = find_inner_layers(network)
    table = {
        layer.writer: {str(width): float(width) for width in range(4, layer.width + 1, 4)} for layer in inner.layers
    }
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"network_ms": 400.0, "layers": table}))
    candidates = [(4, 8) for _ in inner.layers]
    cost = read_latency_table(path, inner, candidates)
    assert cost.of(inner.widths) == cost.dense == 400
    assert cost.of([4] * len(inner.layers)) == 400 - sum(width - 4 for width in inner.widths)
    halves = cost.expected(candidates, [torch.tensor([0.5, 0.5])] * len(inner.layers)).item()
    assert halves == pytest.approx(400 - sum(width - 6 for width in inner.widths))
    with pytest.raises(OptionError, match=r"was not measured for down\.0\.conv1 with \[3\] channels"):
        read_latency_table(path, inner, [(3, 8), *candidates[1:]])
    path.write_text("{}")
    with pytest.raises(OptionError, match=r"expected a table of python -m benchmarks\.layer_latency"):
        read_latency_table(path, inner, candidates)
