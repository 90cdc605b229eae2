"""Many picture files as one job."""

import signal
import threading
from pathlib import Path

import pytest
from PIL import Image

import sr_infer
from sr_infer import files


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals cannot be sent to a thread here")
def test_an_interrupt_that_a_working_thread_receives_ends_the_job(network: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    work = [files.Task(folder / f"{name}.png", folder / f"large-{name}.png") for name in "abc"]
    for task in work:
        Image.effect_noise((1200, 900), 60).convert("RGB").save(task.source)
    tiles: list[int] = []

    def interrupt(source: Path, done: int, total: int) -> None:
        if not tiles:
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        tiles.append(total)

    upscaler = sr_infer.Upscaler(network, tile=16, threads=1)
    with pytest.raises(KeyboardInterrupt):
        files.run(upscaler, work, files.OutputOptions(), on_tile=interrupt, on_outcome=lambda outcome: None)
    assert len(tiles) < tiles[0]
    assert {path.name for path in folder.iterdir()} == {"a.png", "b.png", "c.png"}
