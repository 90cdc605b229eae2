"""The house's imports run one way only, and every command and module that the docs name exists."""

import ast
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("sr_infer", "exporters", "training", "benchmarks")

RUNTIME_LEVELS = (
    ("errors", "resources", "memory", "atomic_file", "colour", "resize", "metrics", "model_card", "degradation_signs"),
    ("image_io", "engine"),
    ("model_zoo", "options", "choose_model"),
    ("tiling",),
    ("pipeline",),
    ("upscaler",),
    ("folders", "measure"),
    ("pipe",),
    ("batch", "web"),
    ("cli", "_pyinstaller"),
)
"""Rooms of `sr_infer` from the ground up. A room imports from levels below its own and from itself."""


MAY_IMPORT = {
    "sr_infer": {"sr_infer"},
    "training": {"training", "sr_infer"},
    "exporters": {"exporters", "training", "sr_infer"},
    "benchmarks": set(PACKAGES),
}


def modules_of(package: str) -> dict[str, Path]:
    """Dotted name -> file, for every module of a package."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(path: Path) -> set[str]:
    """Dotted names of our own packages that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in PACKAGES}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_those_below(package: str) -> None:
    for module, path in modules_of(package).items():
        foreign = {name for name in imports_of(path) if name.split(".")[0] not in MAY_IMPORT[package]}
        assert not foreign, f"{module} imports {sorted(foreign)}"


def test_rooms_of_the_runtime_import_only_those_below() -> None:
    level_of = {room: level for level, rooms in enumerate(RUNTIME_LEVELS) for room in rooms}
    modules = modules_of("sr_infer")
    for module, path in modules.items():
        room = room_of(module)
        if module in ("sr_infer", "sr_infer.__main__"):
            continue
        assert room in level_of, f"{module} stands in no level"
        for name in imports_of(path):
            other = room_of(name)
            if other == room or other not in level_of:  # names of the package itself, such as __version__
                continue
            is_below = level_of[other] < level_of[room] or (level_of[room] == 0 and level_of[other] == 0)
            assert is_below, f"{module} imports {name}, which is not below it"


def test_no_modules_import_each_other_in_a_circle() -> None:
    for package in PACKAGES:
        modules = modules_of(package)
        edges = {
            module: {known for name in imports_of(path) if (known := _module_of(name, modules)) and known != module}
            for module, path in modules.items()
        }
        done: set[str] = set()
        while ready := {module for module in edges if module not in done and edges[module] <= done}:
            done |= ready
        assert done == edges.keys(), f"in a circle: {sorted(edges.keys() - done)}"


def _module_of(name: str, modules: dict[str, Path]) -> str | None:
    """The module that an imported name stands for: itself, or the one that defines it."""
    if name in modules:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in modules and parent not in PACKAGES else None


def documents() -> list[Path]:
    """Every text that names modules or commands: docs, docstrings, help and error texts."""
    folders = [ROOT / package for package in PACKAGES]
    sources = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "Makefile", *sources]


def test_commands_that_texts_name_exist() -> None:
    for path in documents():
        for module in re.findall(
            r"python3? -m ((?:{})[\w.]*)".format("|".join(PACKAGES)), path.read_text(encoding="utf-8")
        ):
            spec = importlib.util.find_spec(module.rstrip("."))
            assert spec is not None, f"{path.name} names python -m {module}"
            if spec.submodule_search_locations is not None:
                assert importlib.util.find_spec(f"{module}.__main__"), f"{path.name}: {module} has no __main__"


def test_modules_in_backticks_exist() -> None:
    pattern = re.compile(r"`((?:{})(?:\.\w+)+)`".format("|".join(PACKAGES)))
    for path in documents():
        for name in pattern.findall(path.read_text(encoding="utf-8")):
            assert _exists(name), f"{path.name} names `{name}`"


def _exists(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            spec = importlib.util.find_spec(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        if spec is not None:
            if length == len(parts):
                return True
            value = importlib.import_module(".".join(parts[:length]))
            for attribute in parts[length:]:
                if not hasattr(value, attribute) and attribute not in getattr(value, "__annotations__", {}):
                    return False
                value = getattr(value, attribute, None)
            return True
    return False
