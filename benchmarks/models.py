"""`python -m benchmarks.models`: print a Markdown table of the shipped models, measured on this machine."""

import sys

import numpy as np

from sr_infer import ShippedModel, Upscaler, available_models
from sr_infer.measure import latency, peak_memory, upscale_case
from sr_infer.resources import cpu_name, usable_cpus

LR_PX = 96


def main() -> int:
    print(f"Measured on {cpu_name()}, {usable_cpus()} cores. Time: median of 20 calls on {LR_PX}x{LR_PX} px, array")
    print("to array. Memory: added by one call to a process with the loaded model. PSNR is on luma.")
    print()
    print("| model | scale | parameters | file | Set5 | Set14 | 96x96 | memory |")
    print("|---|---|---|---|---|---|---|---|")
    for model in available_models():
        print(_row(model))
    return 0


def _row(model: ShippedModel) -> str:
    card = model.card
    lr = np.random.default_rng(0).integers(0, 256, (LR_PX, LR_PX, 3), np.uint8)
    upscaler = Upscaler(model.name)
    median_ms = latency(lambda: upscaler(lr), repeats=20, warm_up=2).median_ms
    added_mb = peak_memory(upscale_case, model.name, LR_PX, LR_PX).added_by_call_bytes / 1e6
    cells = [
        f"[`{model.name}`](docs/models/{model.name.removesuffix('-int8')}.md)",
        f"x{card.scale}",
        f"{card.params:,}",
        f"{model.size_bytes / 1e6:.1f} MB",
        *(f"{card.quality[folder].psnr_y:.2f} dB" if folder in card.quality else "-" for folder in ("Set5", "Set14")),
        f"{median_ms:.0f} ms",
        f"{added_mb:.0f} MB",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
