"""Measured results, a JSON file each, in the build folder."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.compared_networks import BUILD
from benchmarks.timing.machine import machine_card
from sr_infer import ShippedModel
from sr_infer.atomic_file import atomic_write


class Results:
    """A folder of `<part>/<subject>.json`."""

    def __init__(self, folder: Path = BUILD / "results") -> None:
        self.folder = folder

    def is_current(self, part: str, subject: str, fingerprint: str) -> bool:
        """Whether the result is there and was taken from the same file."""
        return self._read(part, subject).get("fingerprint") == fingerprint

    def keep(self, part: str, subject: str, fingerprint: str, found: Mapping[str, Any]) -> None:
        path = self.folder / part / f"{subject}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        contents = {"fingerprint": fingerprint, "machine": machine_card(), "found": found}
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")

    def get(self, part: str, subject: str) -> dict[str, Any]:
        """What was measured; empty when nothing was, or it was skipped."""
        found: dict[str, Any] = self._read(part, subject).get("found", {})
        return {} if "skipped" in found else found

    def quality(self, model: ShippedModel) -> dict[str, dict[str, float]]:
        """PSNR and SSIM by pictures: as measured, and for folders that were not given, as the model's card tells."""
        of_card = {folder: asdict(figures) for folder, figures in model.card.quality.items()}
        return of_card | self.get("quality", model.name)

    def machine(self) -> dict[str, Any]:
        """The card of the machine that the latest result was taken on; of this one when there is none."""
        paths = sorted(self.folder.glob("*/*.json"), key=lambda path: path.stat().st_mtime)
        card: dict[str, Any] = json.loads(paths[-1].read_text(encoding="utf-8"))["machine"] if paths else machine_card()
        return card

    def _read(self, part: str, subject: str) -> dict[str, Any]:
        path = self.folder / part / f"{subject}.json"
        contents: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return contents
