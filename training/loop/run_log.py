"""The training log: a line and a row of `log.csv` for every validation."""

import csv
import logging
from pathlib import Path

LOG = logging.getLogger(__name__)

COLUMNS = ("step", "learning_rate", "loss", "validation_psnr_y_db", "elapsed_s")
ALARMING_FALL_DB = 1.0


class RunLog:
    """The log of one run; it appends to an existing file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best_db = float("-inf")
        """Since this process began."""

    def write(
        self, *, step: int, progress: float, learning_rate: float, loss: float, psnr_y_db: float, elapsed_s: float
    ) -> None:
        """Log the progress, and warn if the run has diverged.

        Args:
            step: steps done.
            progress: 0 at the start, 1 at the end.
            learning_rate: of the last step.
            loss: mean since the last row.
            psnr_y_db: of the validation pictures.
            elapsed_s: since the run began.
        """
        minutes, left = elapsed_s / 60, elapsed_s / 60 * (1 / progress - 1)
        what = "step %d: loss %.4f, validation %.3f dB, %.1f min, about %.1f left"
        LOG.info(what, step, loss, psnr_y_db, minutes, max(0.0, left))
        fall_db = self.best_db - psnr_y_db
        if fall_db > ALARMING_FALL_DB:
            LOG.warning(
                "validation has fallen by %.1f dB at a learning rate of %.1e; if it does not recover, start again from "
                "earlier weights with half of it",
                fall_db,
                learning_rate,
            )
        self.best_db = max(self.best_db, psnr_y_db)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(COLUMNS)
            writer.writerow((step, f"{learning_rate:.3e}", f"{loss:.6f}", f"{psnr_y_db:.4f}", f"{elapsed_s:.1f}"))
