"""What is told from a picture made of tiles and the same picture made at once."""

import numpy as np
import pytest

from exporters.measurements import border_excess


def test_a_seam_is_told_from_rounding_all_over_the_picture() -> None:
    rounding = np.random.default_rng(0).integers(0, 3, (96, 96, 3)).astype(np.int16)
    assert border_excess(rounding, [32, 64], near_px=2) == pytest.approx(1, abs=0.05)
    for seam in (np.s_[30:34], np.s_[:, 62:66]):
        with_seam = rounding.copy()
        with_seam[seam] += 2
        assert border_excess(with_seam, [32, 64], near_px=2) > 1.25
    assert border_excess(np.zeros_like(rounding), [32, 64], near_px=2) == 1
