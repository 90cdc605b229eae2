"""`python -m benchmarks.tune_choice --tune DIR --test DIR`: whether the better of two networks is chosen.

Every picture is shrunk under every fixed degradation of `training.data.conditions` and enlarged by the clean and the
photo model. `sr_infer.choose_model` is judged by the PSNR-Y of what it chooses on the pictures of --test. JPEG files
are judged by their pixels here, as if they were PNG. With --write its weights are learnt first, on the pictures of
--tune, and written to `sr_infer/choice_weights.py`.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sr_infer import choice_weights
from sr_infer.atomic_file import atomic_write
from sr_infer.choice_weights import WEIGHTS, Weights
from sr_infer.choose_model import Traces, find_traces, photo_likelihood
from sr_infer.errors import SrInferError
from sr_infer.metrics import psnr_y
from training.data.conditions import CONDITIONS, degrade_by_name
from training.data.degradation_parts import Pixels
from training.data.folder import picture_names, read_pictures
from training.evaluate import load_upscaler

SIDE_PX = 256
"""Of the middle of each picture."""
HIDDEN = 6
STEPS = 1500
LEAST_WEIGHT_DB = 0.1
"""Cases count by the difference of the two models, but not less than this."""
FILE = Path(choice_weights.__file__)
HEADING = '''"""The weights of `sr_infer.choose_model`, as `python -m benchmarks.tune_choice --write` leaves them."""

Row = tuple[float, ...]
Weights = tuple[tuple[Row, ...], Row, Row, float]
"""Of the hidden layer, its bias, those of the output, its bias."""
'''


@dataclass(frozen=True)
class Case:
    """One picture under one condition."""

    condition: str
    traces: Traces
    gain_db: float
    """Of the photo model over the clean one."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tune_choice", description=__doc__)
    parser.add_argument("--tune", type=Path, action="append", default=[], metavar="DIR", help="HR pictures to learn on")
    parser.add_argument("--test", type=Path, action="append", required=True, metavar="DIR", help="other HR pictures")
    parser.add_argument("--scale", type=int, default=4, choices=(2, 4))
    parser.add_argument("--write", action="store_true", help="learn the weights on --tune first")
    options = parser.parse_args(arguments)
    if options.write != bool(options.tune):
        parser.error("--write and --tune belong together")
    weights = WEIGHTS
    try:
        if options.write:
            cases = collect(_read(options.tune, options.scale), options.scale)
            weights = fit(cases)
            print(f"tuned on: {judge(cases, weights)}")
        cases = collect(_read(options.test, options.scale), options.scale)
    except SrInferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"tested on: {judge(cases, weights)}\n\n{per_condition(cases, weights)}")
    if options.write:
        with atomic_write(FILE) as temporary:
            temporary.write_text(f"{HEADING}WEIGHTS: Weights = {weights}\n", encoding="utf-8")
    return 0


def collect(pictures: Sequence[Pixels], scale: int) -> list[Case]:
    """
    Args:
        pictures: HR, (H, W, 3) uint8, sides multiples of `scale`.
        scale: of both models.
    """
    clean, photo = (load_upscaler(f"srpn-lite-x{scale}{kind}", scale) for kind in ("", "-photo"))
    cases = []
    for hr in pictures:
        for condition in CONDITIONS:
            lr = degrade_by_name(hr, scale, condition)
            quality = [psnr_y(upscale(lr), hr, border=scale) for upscale in (clean, photo)]
            cases.append(Case(condition, find_traces(lr), quality[1] - quality[0]))
    return cases


def fit(cases: Sequence[Case]) -> Weights:
    """Cross-entropy of a network of one hidden layer, each case weighted by its difference in dB."""
    traces, gains = torch.from_numpy(np.stack([case.traces for case in cases])), _gains(cases).astype(np.float32)
    mean, deviation = traces.mean(0), traces.std(0) + 1e-6
    wanted, importance = torch.from_numpy(gains > 0).float(), torch.from_numpy(np.abs(gains).clip(LEAST_WEIGHT_DB))
    generator = torch.Generator().manual_seed(0)
    hidden, output = nn.Linear(traces.shape[1], HIDDEN), nn.Linear(HIDDEN, 1)
    for layer in (hidden, output):
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
        nn.init.zeros_(layer.bias)
    optimizer = torch.optim.AdamW([*hidden.parameters(), *output.parameters()], lr=0.01, weight_decay=0.02)
    for _ in range(STEPS):
        logits = output(torch.tanh(hidden((traces - mean) / deviation)))[:, 0]
        loss = nn.functional.binary_cross_entropy_with_logits(logits, wanted, importance)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    into = (hidden.weight / deviation).detach()
    into_bias = (hidden.bias - into @ mean).detach()
    rows = tuple(_rounded(row) for row in into)
    return rows, _rounded(into_bias), _rounded(output.weight[0].detach()), _rounded(output.bias.detach())[0]


def judge(cases: Sequence[Case], weights: Weights) -> str:
    """How often the better model is chosen, and what is lost where it is not."""
    lost_db, gains = _lost_db(cases, weights), _gains(cases)
    wrong = lost_db > 0
    loss = f"loses {lost_db[wrong].mean():.3f} dB where it errs" if wrong.any() else "never errs"
    clean_db, photo_db = np.maximum(gains, 0).mean(), np.maximum(-gains, 0).mean()
    return (
        f"better model in {1 - wrong.mean():.1%} of {len(cases)} cases, {loss}, {lost_db.mean():.4f} dB on average; "
        f"always clean loses {clean_db:.3f} dB, always photo loses {photo_db:.3f} dB"
    )


def per_condition(cases: Sequence[Case], weights: Weights) -> str:
    """As Markdown: how often the photo model is chosen and how often it is better."""
    lines = ["| LR made by | photo chosen | photo better | mean gain of photo | lost |", "|---|---|---|---|---|"]
    for condition in CONDITIONS:
        some = [case for case in cases if case.condition == condition]
        chosen, gains = _chosen(some, weights), _gains(some)
        cells = f"{chosen.mean():.0%} | {(gains > 0).mean():.0%} | {gains.mean():+.2f} dB"
        lines.append(f"| {condition} | {cells} | {_lost_db(some, weights).mean():.3f} dB |")
    return "\n".join(lines)


def _gains(cases: Sequence[Case]) -> np.ndarray:
    return np.array([case.gain_db for case in cases])


def _chosen(cases: Sequence[Case], weights: Weights) -> np.ndarray:
    return np.array([photo_likelihood(case.traces, weights) >= 0.5 for case in cases])


def _lost_db(cases: Sequence[Case], weights: Weights) -> np.ndarray:
    gains = _gains(cases)
    return np.where(_chosen(cases, weights), np.maximum(-gains, 0), np.maximum(gains, 0))


def _rounded(values: torch.Tensor) -> tuple[float, ...]:
    return tuple(round(value, 3) for value in values.tolist())


def _read(folders: Sequence[Path], scale: int) -> list[Pixels]:
    pictures = []
    for folder in folders:
        root = folder / "HR" if (folder / "HR").is_dir() else folder
        for picture in read_pictures(root, picture_names(root), least_px=SIDE_PX // 2):
            h, w = (min(side, SIDE_PX) // scale * scale for side in picture.shape[:2])
            top, left = (picture.shape[0] - h) // 2, (picture.shape[1] - w) // 2
            pictures.append(picture[top : top + h, left : left + w])
    return pictures


if __name__ == "__main__":
    sys.exit(main())
