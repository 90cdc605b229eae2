"""Image files in a folder that a path or URI names, on this machine or wherever pyarrow or fsspec reads and writes.

Needs `sr-infer[ray]`, which installs both.
"""

import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

import fsspec
import pyarrow as pa
from pyarrow import fs

from sr_infer.atomic_file import open_atomic
from sr_infer.errors import ImageError, OptionError, OutputError
from sr_infer.image_io.formats import is_picture_name


@dataclass(frozen=True)
class Folder:
    """A folder, such as "photos", "s3://bucket/photos" or "zip://::photos.zip". It may be sent to any machine."""

    uri: str
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    """Name of the folder for unfinished files, which no other run touches."""

    def files(self) -> list[str]:
        """Paths below the folder, with slashes, sorted; none if the folder is missing.

        Raises:
            OptionError: there is no file system for the URI, or it does not answer.
        """
        filesystem, root = _open(self.uri)
        try:
            found = filesystem.get_file_info(fs.FileSelector(root, allow_not_found=True, recursive=True))
        except OSError as error:
            raise OptionError(f"cannot list {self.uri}: {error}") from error
        return sorted(str(PurePosixPath(info.path).relative_to(root)) for info in found if info.is_file)

    def pictures(self) -> list[str]:
        """The paths from `files` that have the extension of an image format.

        Raises:
            OptionError: as in `files`, or there are no images.
        """
        found = [path for path in self.files() if is_picture_name(PurePosixPath(path))]
        if not found:
            raise OptionError(f"expected a folder of pictures, found none in {self.uri}")
        return found

    def contains(self, other: "Folder") -> bool:
        """Whether the other folder is this one, or lies below it.

        Raises:
            OptionError: as in `files`.
        """
        (filesystem, root), (other_filesystem, other_root) = _open(self.uri), _open(other.uri)
        return bool(filesystem == other_filesystem) and PurePosixPath(other_root).is_relative_to(root)

    def read(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            ImageError: it cannot be read.
        """
        filesystem, root = _open(self.uri)
        try:
            with filesystem.open_input_file(_below(root, path)) as file:
                return bytes(file.read())
        except OSError as error:
            raise ImageError(f"cannot read {path}: {error}") from error

    def write(self, path: str, content: bytes) -> None:
        """Write a file so that it appears whole or not at all; missing folders are created.

        Raises:
            OutputError: it cannot be written.
        """
        filesystem, root = _open(self.uri)
        target = _below(root, path)
        try:
            filesystem.create_dir(str(PurePosixPath(target).parent), recursive=True)
            if isinstance(filesystem, fs.LocalFileSystem):  # keeps the mode, and leaves nothing of a killed worker
                with open_atomic(Path(target)) as local_file:
                    local_file.write(content)
                return
            temporary = f"{self._unfinished(root)}/{secrets.token_hex(8)}"
            filesystem.create_dir(self._unfinished(root), recursive=True)
            with filesystem.open_output_stream(temporary) as file:
                file.write(content)
            filesystem.move(temporary, target)
        except (OSError, pa.ArrowException) as error:
            raise OutputError(f"cannot write {path}: {error}") from error

    def remove_unfinished(self) -> None:
        """Remove the files that `write` left behind in this run because its process was killed."""
        filesystem, root = _open(self.uri)
        if filesystem.get_file_info(self._unfinished(root)).type == fs.FileType.Directory:
            filesystem.delete_dir(self._unfinished(root))

    def _unfinished(self, root: str) -> str:
        return _below(root, f".sr-infer-{self.run}")


@cache
def _open(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system, and the path of the folder on it."""
    if ":/" not in uri:
        return fs.LocalFileSystem(), Path(uri).resolve().as_posix()
    with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):  # not a scheme of pyarrow's own
        opened: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(uri)
        return opened
    try:
        filesystem, root = fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError, OSError) as error:
        raise OptionError(f"expected a folder or a URI that pyarrow or fsspec can open, got {uri}: {error}") from error
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), root


def _below(root: str, path: str) -> str:
    return f"{root.rstrip('/')}/{path}" if root else path
