"""The networks, one file each to compare with its paper, and the table that finds them by name."""

from collections.abc import Mapping
from typing import Any

from sr_infer.errors import OptionError
from training.networks.drn import DRN, DRNConfig, DualStep
from training.networks.edsr import EDSR, EDSRConfig
from training.networks.plain import Plain, PlainConfig
from training.networks.plain_ones import OnesPlain, OnesPlainConfig
from training.networks.rir import RIR, RIRConfig
from training.networks.srresnet import SRResNet, SRResNetConfig
from training.settings import check_table, read_settings

__all__ = [
    "ARCHITECTURES",
    "DRN",
    "EDSR",
    "RIR",
    "DRNConfig",
    "DualStep",
    "EDSRConfig",
    "Network",
    "NetworkConfig",
    "OnesPlain",
    "OnesPlainConfig",
    "Plain",
    "PlainConfig",
    "RIRConfig",
    "SRResNet",
    "SRResNetConfig",
    "build_network",
    "read_config",
]

NetworkConfig = DRNConfig | EDSRConfig | RIRConfig | SRResNetConfig | PlainConfig
Network = DRN | EDSR | RIR | SRResNet | Plain | OnesPlain

ARCHITECTURES: dict[str, tuple[type[NetworkConfig], type[Network]]] = {
    "drn": (DRNConfig, DRN),
    "edsr": (EDSRConfig, EDSR),
    "rir": (RIRConfig, RIR),
    "srresnet": (SRResNetConfig, SRResNet),
    "plain": (PlainConfig, Plain),
    "plain-ones": (OnesPlainConfig, OnesPlain),
}


def read_config(values: Mapping[str, Any], *, where: str) -> tuple[str, NetworkConfig]:
    """The architecture's name and its configuration from one table with the key `architecture`.

    Raises:
        OptionError: the architecture is unknown, or a setting is unknown, missing or refused.
    """
    check_table(values, where=where)
    settings = dict(values)
    architecture = settings.pop("architecture", None)
    if not isinstance(architecture, str) or architecture not in ARCHITECTURES:
        raise OptionError(f"{where}: architecture is one of {', '.join(ARCHITECTURES)}, not {architecture!r}")
    return architecture, read_settings(ARCHITECTURES[architecture][0], settings, where=where)


def build_network(architecture: str, config: NetworkConfig) -> Network:
    """A network with fresh weights, from and to (N, 3, H, W) RGB in 0 .. `config.value_range`."""
    return ARCHITECTURES[architecture][1](config)  # type: ignore[arg-type]
