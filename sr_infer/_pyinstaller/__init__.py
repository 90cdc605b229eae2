"""The PyInstaller hook of this package, found by PyInstaller through the entry point `pyinstaller40`."""

from pathlib import Path


def hook_folders() -> list[str]:
    """Folders that PyInstaller searches for hooks."""
    return [str(Path(__file__).parent)]
