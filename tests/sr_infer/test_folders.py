"""Many picture files as one job."""

import signal
import threading
from pathlib import Path

import pytest
from PIL import Image

import sr_infer
from sr_infer import folders
from sr_infer.errors import OptionError


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two pictures and two files that are none, in the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = Path("photos")
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(folder / name)
    for name in ("notes.pdf", "data.h5"):
        (folder / name).touch()
    return folder


def names(tasks: list[folders.Task]) -> dict[str, str]:
    return {task.source.as_posix(): task.target.as_posix() for task in tasks}


def test_a_folder_may_be_enlarged_into_the_one_above(photos: Path) -> None:
    assert names(folders.tasks([str(photos)], Path())) == {"photos/a.png": "a.png", "photos/b.png": "b.png"}


def test_results_in_a_folder_below_are_not_enlarged_again(photos: Path) -> None:
    (photos / "large").mkdir()
    Image.new("RGB", (8, 8)).save(photos / "large" / "a.png")
    assert set(names(folders.tasks([str(photos)], photos / "large"))) == {"photos/a.png", "photos/b.png"}


@pytest.mark.parametrize("given", ["photos", "photos/*.png"])
def test_results_beside_their_pictures_are_not_enlarged_again(photos: Path, given: str) -> None:
    first = names(folders.tasks([given], photos, suffix="-large"))
    assert first == {"photos/a.png": "photos/a-large.png", "photos/b.png": "photos/b-large.png"}
    Image.new("RGB", (8, 8)).save(photos / "a-large.png")
    assert names(folders.tasks([given], photos, suffix="-large")) == first


@pytest.mark.parametrize(
    ("given", "suffix"),
    [(["photos/a.png", "other/a.png"], ""), (["photos", "other"], ""), (["photos/a.png", "photos/b.png"], "/../b")],
    ids=["files", "folders", "suffix with a path"],
)
def test_pictures_are_not_replaced_by_results(photos: Path, given: list[str], suffix: str) -> None:
    Path("other").mkdir()
    Image.new("RGB", (8, 8)).save("other/a.png")
    with pytest.raises(OptionError):
        folders.tasks(given, photos, suffix=suffix)


def test_a_picture_that_is_named_is_not_taken_for_an_earlier_result(photos: Path) -> None:
    Image.new("RGB", (8, 8)).save(photos / "a-large.png")
    with pytest.raises(OptionError, match=r"a-large.png would replace a picture that is given"):
        folders.tasks(["photos/a.png", "photos/a-large.png"], photos, suffix="-large")


def test_a_whole_file_name_allows_no_other_ending(photos: Path) -> None:
    picture = str(photos / "a.png")
    for same in ("jpg", "jpeg"):
        assert names(folders.tasks([picture], Path("x.jpg"), extension=same)) == {picture: "x.jpg"}
    for options in ({"suffix": "-large"}, {"extension": "png"}):
        with pytest.raises(OptionError, match="leave out"):
            folders.tasks([picture], Path("x.jpg"), **options)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals cannot be sent to a thread here")
def test_an_interrupt_that_a_working_thread_receives_ends_the_job(network: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    work = [folders.Task(folder / f"{name}.png", folder / f"large-{name}.png") for name in "abc"]
    for task in work:
        Image.effect_noise((1200, 900), 60).convert("RGB").save(task.source)
    tiles: list[int] = []

    def interrupt(source: Path, done: int, total: int) -> None:
        if not tiles:
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        tiles.append(total)

    upscaler = sr_infer.Upscaler(network, tile=16, threads=1)
    with pytest.raises(KeyboardInterrupt):
        folders.run(upscaler, work, folders.OutputOptions(), on_tile=interrupt, on_outcome=lambda outcome: None)
    assert len(tiles) < tiles[0]
    assert {path.name for path in folder.iterdir()} == {"a.png", "b.png", "c.png"}
