"""Enlarge a film frame by frame with PyAV; the sound is left out. Needs `pip install ".[examples]"`.

python examples/film.py film.mp4 larger.mp4
"""

import sys

import av

import sr_infer


def main(source: str, target: str) -> None:
    upscaler = sr_infer.Upscaler("srpn-lite-x2")
    with av.open(source) as film, av.open(target, "w") as larger:
        frames = film.streams.video[0]
        stream = larger.add_stream("mpeg4", rate=frames.average_rate)
        stream.width, stream.height = 2 * frames.width, 2 * frames.height
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        for frame in film.decode(frames):
            large = upscaler(frame.to_ndarray(format="rgb24"))
            larger.mux(stream.encode(av.VideoFrame.from_ndarray(large, format="rgb24")))
        larger.mux(stream.encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
