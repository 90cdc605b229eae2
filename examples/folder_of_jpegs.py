"""Enlarge every JPEG of a folder, and go on after one that fails.

python examples/folder_of_jpegs.py photos large
"""

import sys
from pathlib import Path

import sr_infer


def main(source: Path, target: Path) -> int:
    upscaler = sr_infer.Upscaler("srpn-lite-x2", max_memory="512MB")
    target.mkdir(parents=True, exist_ok=True)
    failed = 0
    for photo in sorted(source.glob("*.jpg")):
        try:
            upscaler.upscale_file(photo, target / photo.name, quality=92)
        except sr_infer.SrInferError as error:
            print(f"{photo}: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
