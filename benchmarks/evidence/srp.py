"""SRP compared with pruning by L1 norm and with training from scratch (the paper's table 1), and variants of SRP.

After the dense network, each row trains the same number of steps on the same images. SRP regularises in the first steps
and fine-tunes in the others. L1 pruning fine-tunes in all steps. From scratch trains in all steps. Rows with different
constants cannot be compared: delete `srp.jsonl` if a constant here or in `dense` changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any, Literal

from benchmarks.evidence.dense import CPU, select_training_images, train, train_dense_network, training_options
from training.checkpoint import load_network
from training.compress.srp.penalty import GrowthOptions
from training.compress.srp.pipeline import SRPRecipe, StructuredPruning
from training.compress.srp.selection import Selection
from training.data.folder import Folder
from training.loop.trainer import Limits
from training.networks.cost import count_parameters

REGULARISED_STEPS = 600
FINE_TUNED_STEPS = 900
GROWTH = {
    "adam": GrowthOptions(increment=1.25, every=1, ceiling=500.0),
    "decoupled": GrowthOptions(increment=3.75, every=1, ceiling=1500.0, through="decoupled"),
}
"""Growth of the penalty. The paper's ceiling of 0.5 needs its 143,150 steps: in 600 steps, it shrinks the filters to a
fortieth, and their removal at ratio 0.5 still costs 13 dB. With a ceiling of 500 the removal costs 0.04 dB."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run: its method, ratio and choices."""

    method: Literal["dense", "scratch", "l1", "srp"]
    ratio: float = 0.0
    tied_by: Literal["random", "norm"] = "norm"
    through: Literal["adam", "decoupled"] = "adam"
    seed: int


def rows(seed: int) -> list[Row]:
    """List all rows of a seed, those of the paper's table first."""
    ratios = (0.9, 0.5, 0.7, 0.3)
    return [
        Row(method="dense", seed=seed),
        *(
            Row(method=method, ratio=ratio, tied_by="random" if method == "srp" else "norm", seed=seed)
            for ratio in ratios
            for method in ("srp", "l1", "scratch")
        ),
        *(Row(method="srp", ratio=ratio, tied_by="norm", seed=seed) for ratio in ratios),
        *(Row(method="srp", ratio=ratio, tied_by="random", through="decoupled", seed=seed) for ratio in ratios),
    ]


def measure(row: Row, folder: Folder, work: Path) -> dict[str, Any]:
    """Run one row; returns PSNR-Y on validation images in dB, parameters (without mean shifts) and training images.

    The dense network of each seed is trained once and stays in `work`.
    """
    folder = select_training_images(folder)
    dense = train_dense_network(row.seed, folder, work)
    with TemporaryDirectory(dir=work) as temporary:
        out = dense.parent if row.method == "dense" else Path(temporary)
        path = dense if row.method == "dense" else _compress(row, dense, folder, out)
        _, _, network, _ = load_network(path)
        psnr_y_db = float((out / "log.csv").read_text().splitlines()[-1].split(",")[3])
    parameters = count_parameters(network, mean_shift=False)
    return {"psnr_y_db": psnr_y_db, "parameters": parameters, "pictures": len(folder.train)}


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """Format results as Markdown, one line per row with the mean and standard deviation over its seeds."""
    by_settings: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for result in results:
        row = result["row"]
        by_settings.setdefault((row["ratio"], row["method"], row["tied_by"], row["through"]), []).append(result)
    lines = ["| ratio | method | tied by | through | parameters | PSNR-Y | seeds |", "|---|---|---|---|---|---|---|"]
    for (ratio, method, tied_by, through), group in sorted(by_settings.items()):
        values = [result["psnr_y_db"] for result in group]
        spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
        choices = (tied_by, through) if method == "srp" else (tied_by if method == "l1" else "", "")
        cells = (ratio, method, *choices, f"{group[0]['parameters']:,}", f"{mean(values):.2f} dB{spread}", len(values))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _compress(row: Row, dense: Path, folder: Folder, out: Path) -> Path:
    growth = GROWTH[row.through] if row.method == "srp" else GrowthOptions(ceiling=0)
    regularised = REGULARISED_STEPS if row.method == "srp" else 0
    fine_tuning = training_options(REGULARISED_STEPS + FINE_TUNED_STEPS - regularised, row.seed, rate=5e-4)
    recipe = SRPRecipe(
        name="evidence",
        selection=Selection(ratio=row.ratio, tied_by=row.tied_by, seed=row.seed),
        growth=growth,
        regularisation=replace(
            training_options(REGULARISED_STEPS, row.seed, rate=5e-4),
            final_learning_rate=5e-4,
            warmup_steps=0,
            clip_norm=0.0,
        ),
        fine_tuning=fine_tuning,
    )
    pruning = StructuredPruning(recipe, dense, out)
    if row.method == "scratch":
        return train(pruning.narrow.config, fine_tuning, folder, out)
    return pruning.run(folder, device=CPU, limits=Limits(), resume=False)
