"""MemSR's initialisation compared with random ones and with variants that lack a part; memory of plain networks.

Each row changes one thing in the small recipe (`training/recipes/memsr/plain-m.toml`). Rows of `distillation` and
`balance` (tables 2, 3, 6 and 7 of the paper) train with distillation, as the recipe does. The others train without it:
compare them with the row `start | winning` (tables 1, 4, 10 and 11). Rows with different constants cannot be compared:
delete `memsr.jsonl` if a constant here or in `dense` changes.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch

from benchmarks.evidence.dense import CPU, select_training_images, train_dense_network, training_options
from benchmarks.evidence.memsr_memory import NETWORKS, format_memory_table, measure_memory
from benchmarks.evidence.plain_starts import build_random_plain, train_in_branches
from benchmarks.evidence.similarity import linear_cka
from training.checkpoint import load_network
from training.compress.memsr.conversion import teacher_features
from training.compress.memsr.distillation import Distillation
from training.compress.memsr.initialisation import Initialisation
from training.compress.memsr.pipeline import MemSRRecipe, PlainStudent
from training.compress.memsr.widths import Student
from training.data.degradations import degrade
from training.data.folder import Folder
from training.loop.trainer import Limits, Trainer
from training.networks import OnesPlain
from training.networks.cost import count_parameters

STEPS = 400
RATE = 2e-4
COMPARED_PICTURES = 4
SHIPPED_TEACHER = Path(__file__).parent.parent.parent / "weights" / "srpn-lite-x4.safetensors"
OURS = Initialisation(patches=64, directions="rectified", bridges="fitted", shift=12.0)
PAPERS = Initialisation(patches=64)
COLLAPSED = replace(OURS, ones=False)
NO_DISTILLATION = Distillation(weight=0.0)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Initialisation, distillation and learning rate of a student."""

    start: Literal["winning", "he", "xavier", "branches"] = "winning"
    student: Student = Student(width=32)  # noqa: RUF009
    initialisation: Initialisation = OURS
    distillation: Distillation = Distillation()  # noqa: RUF009
    rate: float = RATE


TRIALS = {
    ("start", "winning"): Trial(distillation=NO_DISTILLATION),
    ("start", "random, He"): Trial(start="he", initialisation=COLLAPSED, distillation=NO_DISTILLATION),
    ("start", "random, He, rate 1e-3"): Trial(
        start="he", initialisation=COLLAPSED, distillation=NO_DISTILLATION, rate=1e-3
    ),
    ("start", "winning, as in the paper"): Trial(initialisation=PAPERS, distillation=NO_DISTILLATION),
    ("distillation", "as the recipe"): Trial(),
    ("ones", "collapsed to biases"): Trial(initialisation=COLLAPSED, distillation=NO_DISTILLATION),
    ("ReLU", "behind every second"): Trial(
        student=Student(width=32, activation="second"), distillation=NO_DISTILLATION
    ),
    ("distillation", "from random, FitNet"): Trial(
        start="he", initialisation=COLLAPSED, distillation=Distillation(bridges=False, decay=1.0)
    ),
    ("start", "random, Xavier"): Trial(start="xavier", initialisation=COLLAPSED, distillation=NO_DISTILLATION),
    ("start", "random, RepVGG branches"): Trial(
        start="branches", initialisation=COLLAPSED, distillation=NO_DISTILLATION
    ),
    ("distillation", "random bridges"): Trial(distillation=Distillation(bridges=False)),
    ("shift", "0"): Trial(initialisation=replace(OURS, shift=0.0), distillation=NO_DISTILLATION),
    ("shift", "3"): Trial(initialisation=replace(OURS, shift=3.0), distillation=NO_DISTILLATION),
    ("tail", "random"): Trial(initialisation=replace(OURS, tail=False), distillation=NO_DISTILLATION),
    ("balance", "0.1"): Trial(distillation=Distillation(weight=0.1)),
    ("balance", "1"): Trial(distillation=Distillation(weight=1.0)),
    ("balance", "0.3, no decay"): Trial(distillation=Distillation(decay=1.0)),
    ("widths", "theta 0.14"): Trial(student=Student(theta=0.14), distillation=NO_DISTILLATION),
    ("widths", "theta 0.05"): Trial(student=Student(theta=0.05), distillation=NO_DISTILLATION),
}
TEACHER = ("teacher", "4 residual blocks of 32")
DECISIVE = ("start", "distillation", "ones", "ReLU")
FOUND = {f"theta {theta}": Student(theta=theta, multiple_of=1) for theta in (0.14, 0.05)}
"""Students of a teacher with 16 blocks. Only their widths are computed; they are not trained."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run: its question, and the variant that it tries."""

    question: str
    tried: str
    seed: int


def rows(seed: int) -> list[Row]:
    """List all rows of a seed, the most important first."""
    decisive = [settings for settings in TRIALS if settings[0] in DECISIVE]
    once = [("memory", name) for name in NETWORKS] + [("found widths", name) for name in FOUND]
    asked = dict.fromkeys([TEACHER, *decisive, *(once if seed == 1 else []), *TRIALS])
    return [Row(question=question, tried=tried, seed=seed) for question, tried in asked]


def measure(row: Row, folder: Folder, work: Path) -> dict[str, Any]:
    """Run one row.

    The teacher of each seed is SRP's dense network. It is trained once and stays in `work`.

    Returns:
        For a student: `psnr_y_db` as [step, dB] from step 0, `similarity` to the teacher by layer before and after
        training, `parameters` and `widths`. For the teacher: `psnr_y_db` at the last step, and `parameters`. For found
        widths: `widths`. For memory: the result of `measure_memory`.
    """
    folder = select_training_images(folder)
    work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=work) as temporary:
        out = Path(temporary)
        if row.question == "memory":
            return measure_memory(row.tried, out)
        if row.question == "found widths":
            student = PlainStudent(_recipe(Trial(student=FOUND[row.tried]), row.seed), SHIPPED_TEACHER, out)
            return {"widths": student.initialise(folder).network.config.widths}
        teacher = train_dense_network(row.seed, folder, work)
        if (row.question, row.tried) == TEACHER:
            network = load_network(teacher)[2]
            parameters = count_parameters(network, mean_shift=False)
            return {"psnr_y_db": _read_log(teacher.with_name("log.csv")), "parameters": parameters}
        return _train(TRIALS[row.question, row.tried], row.seed, teacher, folder, out)


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """Format results as Markdown: a table of training runs, a table of memory, and the found widths."""
    by_settings: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for result in results:
        by_settings.setdefault((result["row"]["question"], result["row"]["tried"]), []).append(result)
    lines = [f"| question | tried | parameters | at first | after {STEPS} steps | seeds |", "|---|---|---|---|---|---|"]
    trained = [TEACHER, *TRIALS]
    questions = list(dict.fromkeys(question for question, _ in trained))
    for settings in sorted(by_settings.keys() & {*trained}, key=lambda s: (questions.index(s[0]), trained.index(s))):
        group = by_settings[settings]
        at_first = _psnr(group, 0) if settings != TEACHER else ""
        cells = (*settings, f"{group[0]['parameters']:,}", at_first, _psnr(group, -1), len(group))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    parts = ["\n".join(lines)]
    if memory := [by_settings["memory", name][0] for name in NETWORKS if ("memory", name) in by_settings]:
        parts.append(format_memory_table(memory))
    for name in FOUND:
        if found := by_settings.get(("found widths", name)):
            parts.append(f"Widths of {SHIPPED_TEACHER.stem}, {name}: {' '.join(map(str, found[0]['widths']))}")
    return "\n\n".join(parts)


def _psnr(group: list[Mapping[str, Any]], index: int) -> str:
    values = [result["psnr_y_db"][index][1] for result in group]
    spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
    return f"{mean(values):.2f} dB{spread}"


def _recipe(trial: Trial, seed: int) -> MemSRRecipe:
    return MemSRRecipe(
        name="evidence",
        student=trial.student,
        initialisation=trial.initialisation,
        distillation=trial.distillation,
        training=replace(training_options(STEPS, seed, rate=trial.rate), batch=4, validate_every=STEPS // 5),
    )


def _train(trial: Trial, seed: int, teacher: Path, folder: Folder, out: Path) -> dict[str, Any]:
    student = PlainStudent(_recipe(trial, seed), teacher, out)
    initial = student.initialise(folder)
    network, bridges = (initial.network, initial.bridges) if trial.initialisation.ones else initial.collapsed()
    if trial.start != "winning":
        network = build_random_plain(network.config, trial.start, seed=seed)
    trainer = student.trainer(network, bridges, folder, device=CPU, limits=Limits())
    if trial.start == "branches":
        train_in_branches(trainer)
    before = [0, round(trainer.validate(), 4)]
    similarity = [_similarity(student, trainer)]
    trainer.run()
    deployed = network.plain() if isinstance(network, OnesPlain) else network
    return {
        "psnr_y_db": [before, *_read_log(trainer.out / "log.csv")],
        "similarity": [*similarity, _similarity(student, trainer)],
        "parameters": count_parameters(deployed, mean_shift=False),
        "widths": deployed.config.widths,
        "pictures": len(folder.train),
    }


def _read_log(path: Path) -> list[list[float]]:
    """Read [step, dB] of every validation of a run."""
    with path.open() as file:
        return [[int(line["step"]), float(line["validation_psnr_y_db"])] for line in csv.DictReader(file)]


@torch.no_grad()
def _similarity(student: PlainStudent, trainer: Trainer) -> list[float]:
    """Mean CKA of the features of each layer with those of the teacher, over a few validation images."""
    scale = trainer.recipe.network.scale
    alike = []
    for hr in trainer.validation[:COMPARED_PICTURES]:
        levels = torch.from_numpy(degrade(hr, scale, "bicubic").transpose(2, 0, 1).copy())[None]
        lr = trainer.to_range(levels)
        pairs = zip(trainer.ema.features(lr), teacher_features(student.teacher, lr), strict=True)
        alike.append([linear_cka(own, its) for own, its in pairs])
    return [round(mean(layer), 4) for layer in zip(*alike, strict=True)]
