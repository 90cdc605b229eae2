#!/usr/bin/env bash
# torch 2.13.0: interpolate(mode="bicubic", antialias=True) enlarges with another kernel than antialias=False, although
# there is nothing to filter when an image grows. Without antialias it is Keys' cubic with a = -0.75 and repeated edges
# (as OpenCV), with it a = -0.5 and weights renormalised at the border (as Pillow). A baseline "bicubic" of one flag is not
# that of the other.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 pillow==13.0.0
"$folder/env/bin/python" - <<'PYTHON'
import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

impulse = torch.zeros(1, 1, 9, 9)
impulse[0, 0, 4, 4] = 1
plain, filtered = (interpolate(impulse, scale_factor=2, mode="bicubic", antialias=flag) for flag in (False, True))


def keys(x, a):
    x = abs(x)
    return (a + 2) * x**3 - (a + 3) * x**2 + 1 if x <= 1 else a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a


row = [keys(0.25, a) * np.array([keys(d, a) for d in (1.75, 1.25, 0.75, 0.25)]) for a in (-0.75, -0.5)]
for name, result, expected in (("antialias=False, a=-0.75", plain, row[0]), ("antialias=True,  a=-0.5 ", filtered, row[1])):
    found = result[0, 0, 9, 5:9].numpy()
    print(name, [round(float(value), 4) for value in found])
    assert np.abs(found - expected).max() < 1e-5
ramp = np.random.default_rng(0).random((9, 9), np.float32)
pillow = np.asarray(Image.fromarray(ramp).resize((18, 18), Image.Resampling.BICUBIC))
both = [interpolate(torch.from_numpy(ramp)[None, None], scale_factor=2, mode="bicubic", antialias=flag)[0, 0].numpy()
        for flag in (False, True)]
print("difference to Pillow: antialias=False", round(float(abs(both[0] - pillow).max()), 3),
      "antialias=True", round(float(abs(both[1] - pillow).max()), 6))
assert abs(both[0] - pillow).max() > 0.01
assert abs(both[1] - pillow).max() < 1e-5
PYTHON
# Output seen:
# antialias=False, a=-0.75 [-0.0309, -0.0927, 0.23, 0.7725]
# antialias=True,  a=-0.5  [-0.0203, -0.061, 0.1965, 0.752]
# difference to Pillow: antialias=False 0.057 antialias=True 0.0
