"""Store measured results in the build folder, one JSON file per result."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.timing.machine import machine_card
from sr_infer import ShippedModel
from sr_infer.atomic_file import atomic_write

BUILD = Path(__file__).parents[2] / "build" / "benchmarks"


class Results:
    """A folder of files `<collector>/<name>.json`."""

    def __init__(self, folder: Path = BUILD / "results") -> None:
        self.folder = folder

    def is_current(self, collector: str, name: str, fingerprint: str) -> bool:
        """Whether a result with this fingerprint exists."""
        return self._read(collector, name).get("fingerprint") == fingerprint

    def keep(self, collector: str, name: str, fingerprint: str, found: Mapping[str, Any]) -> None:
        path = self.folder / collector / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        contents = {"fingerprint": fingerprint, "machine": machine_card(), "found": found}
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")

    def get(self, collector: str, name: str) -> dict[str, Any]:
        """Read a result; returns an empty one if there is none or its measurement was skipped."""
        found: dict[str, Any] = self._read(collector, name).get("found", {})
        return {} if "skipped" in found else found

    def quality(self, model: ShippedModel) -> dict[str, dict[str, float]]:
        """PSNR and SSIM by image set. The model's card gives those of sets that were not measured."""
        of_card = {folder: asdict(figures) for folder, figures in model.card.quality.items()}
        return of_card | self.get("quality", model.name)

    def machine(self) -> dict[str, Any]:
        """The card of the machine that measured the latest result; of this machine if there is none."""
        paths = sorted(self.folder.glob("*/*.json"), key=lambda path: path.stat().st_mtime)
        card: dict[str, Any] = json.loads(paths[-1].read_text(encoding="utf-8"))["machine"] if paths else machine_card()
        return card

    def _read(self, collector: str, name: str) -> dict[str, Any]:
        path = self.folder / collector / f"{name}.json"
        contents: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return contents
