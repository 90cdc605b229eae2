"""PSNR (dB) and SSIM on luma and cost columns, quoted from the papers.

x4: tables of DRN (arXiv 2207.07929), SRP (ICLR 2022) and MemSR (ICML 2022). DRN's paper gives the latency: one 96x96
image on an Intel Core i5-8500. MemSR's gives the memory: 1920x1080 HR on a GTX 1080Ti. RFDN is the network of 550 K
parameters; `benchmarks.alternatives` builds the published network of 433 K.
"""

from dataclasses import dataclass

FOLDERS = ("Set5", "Set14", "B100", "Urban100")


@dataclass(frozen=True)
class Printed:
    """One row of a paper, x4."""

    quality: tuple[tuple[float, float], ...]
    """Pairs of PSNR in dB and SSIM, one pair for each of `FOLDERS`."""
    latency_ms: float | None = None
    memory_mb: int | None = None
    parameters: int = 0


X4 = {
    "bicubic": Printed(((28.42, 0.810), (26.00, 0.703), (25.96, 0.668), (23.14, 0.658))),
    "FSRCNN": Printed(((30.72, 0.866), (27.61, 0.755), (26.98, 0.715), (24.62, 0.728)), None, 111, 12_464),
    "CARN": Printed(((32.13, 0.894), (28.60, 0.781), (27.58, 0.735), (26.07, 0.784)), 440, 1554),
    "IMDN": Printed(((32.21, 0.895), (28.58, 0.781), (27.56, 0.735), (26.04, 0.784)), 250, 476, 715_176),
    "RFDN": Printed(((32.24, 0.895), (28.61, 0.782), (27.57, 0.736), (26.11, 0.786)), None, 457, 550_000),
    "EDSR baseline": Printed(((32.09, 0.894), (28.58, 0.781), (27.57, 0.736), (26.04, 0.785)), None, 1108),
    "SRPN-Lite": Printed(((32.24, 0.896), (28.69, 0.784), (27.63, 0.737), (26.16, 0.788)), None, None, 623_658),
    "Plain-M": Printed(((32.10, 0.894), (28.57, 0.781), (27.55, 0.735), (25.99, 0.783)), None, 161, 1_248_112),
    "Plain-X 0.14": Printed(((32.14, 0.894), (28.59, 0.781), (27.56, 0.736), (26.05, 0.785)), None, 168, 1_289_660),
    "Plain-X 0.05": Printed(((32.21, 0.895), (28.63, 0.782), (27.60, 0.737), (26.17, 0.788)), None, 211, 2_601_984),
    "DRN-S70": Printed(((32.39, 0.897), (28.74, 0.785), (27.67, 0.739), (26.43, 0.795)), 560, None, 1_427_545),
    "DRN-S50": Printed(((32.47, 0.898), (28.85, 0.788), (27.72, 0.741), (26.62, 0.802)), 650, None, 2_267_417),
    "DRN-S30": Printed(((32.60, 0.899), (28.89, 0.788), (27.76, 0.742), (26.76, 0.805)), 810, None, 3_116_637),
    "DRN-S": Printed(((32.68, 0.901), (28.93, 0.790), (27.78, 0.744), (26.84, 0.807)), 1090, None, 4_804_065),
    "DRN-L": Printed(((32.74, 0.902), (28.98, 0.792), (27.83, 0.745), (27.03, 0.813)), 1890, None, 9_825_893),
    "EDSR": Printed(((32.48, 0.898), (28.81, 0.787), (27.72, 0.742), (26.64, 0.803)), 2310, None, 43_000_000),
    "RCAN": Printed(((32.63, 0.900), (28.85, 0.788), (27.74, 0.743), (26.74, 0.806)), 2030),
}

Scores = dict[str, tuple[float, float | None]]
"""(PSNR in dB, SSIM) by network; SSIM is None where it is not quoted here."""

OTHER_SCALES: dict[tuple[str, str], Scores] = {
    ("2", "Set5"): {
        "bicubic": (33.66, 0.930),
        "FSRCNN": (37.00, None),
        "Plain-M": (37.99, None),
        "SRPN-Lite": (38.10, None),
        "SRPN": (38.34, None),
        "IMDN": (38.00, None),
    },
    ("2", "Set14"): {"SRPN-Lite": (33.70, 0.9189)},
    ("3", "Set5"): {"bicubic": (30.39, 0.868), "Plain-M": (34.34, None), "SRPN-Lite": (34.47, None)},
    ("3", "Set14"): {"SRPN-Lite": (30.38, 0.8425)},
    ("8", "Set5"): {
        "bicubic": (24.39, None),
        "DRN-S70": (27.16, None),
        "DRN-S50": (27.26, None),
        "DRN-S30": (27.37, None),
        "DRN-S": (27.41, None),
        "DRN-L": (27.43, None),
    },
}
"""Scores at scales other than 4, by (scale, folder). Those of Set14 are from SRP's table 2."""

_NETWORKS = {
    "srpn-lite": "SRPN-Lite",
    "srpn": "SRPN",
    "memsr-plain-m": "Plain-M",
    "memsr-plain-x014": "Plain-X 0.14",
    "memsr-plain-x005": "Plain-X 0.05",
    "drn-s": "DRN-S",
    "drn-s30": "DRN-S30",
    "drn-s50": "DRN-S50",
    "drn-s70": "DRN-S70",
    "drn-l": "DRN-L",
    "edsr-baseline": "EDSR baseline",
    "bicubic": "bicubic",
}


def printed_network(model: str) -> str:
    """The paper's name for a model's network: "SRPN-Lite" for "srpn-lite-x4-int8". Empty if it is unknown."""
    return _NETWORKS.get(model.removesuffix("-int8").rpartition("-x")[0], "")


def printed_quality(model: str, folder: str) -> tuple[float, float | None] | None:
    """PSNR and SSIM that the paper prints for a model's network at its scale. SSIM is None where it is not quoted."""
    network, scale = printed_network(model), model.removesuffix("-int8").rpartition("-x")[2]
    if scale == "4" and network in X4 and folder in FOLDERS:
        return X4[network].quality[FOLDERS.index(folder)]
    return OTHER_SCALES.get((scale, folder), {}).get(network)
