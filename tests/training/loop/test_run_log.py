"""What a run says of itself."""

import csv
import logging
from pathlib import Path

import pytest

from training.loop.run_log import RunLog


def test_a_run_that_diverges_is_told_so_and_logged_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for part in ({100: 35.5, 200: 35.6, 300: 35.1}, {400: 35.2, 500: 28.4}):
            log = RunLog(tmp_path / "run" / "log.csv")
            for step, psnr_y_db in part.items():
                assert not caplog.records
                log.write(
                    step=step, progress=step / 1000, learning_rate=1e-3, loss=4.0, psnr_y_db=psnr_y_db, elapsed_s=step
                )
    assert "fallen by 6.8 dB at a learning rate of 1.0e-03" in caplog.text
    with (tmp_path / "run" / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["100", "200", "300", "400", "500"]
    assert rows[-1]["validation_psnr_y_db"] == "28.4000"
