"""A web service with one `Upscaler` for all requests. Needs `pip install ".[examples]"`.

uvicorn examples.service:app
curl --data-binary @photo.jpg http://127.0.0.1:8000/upscale > large.jpg
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from PIL import Image

import sr_infer

MAX_UPLOAD_BYTES = 20_000_000

upscaler = sr_infer.Upscaler("srpn-lite-x2", max_memory="512MB", max_pixels=4_000_000, threads=1)


@asynccontextmanager
async def load_network(_: FastAPI) -> AsyncIterator[None]:
    """Load the network before the first request."""
    upscaler.load()
    yield


app = FastAPI(lifespan=load_network)


@app.post("/upscale")
async def upscale(request: Request) -> Response:
    """An encoded image to the same image, twice as wide and as high, in the same format."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_UPLOAD_BYTES:
            raise HTTPException(413, f"expected at most {MAX_UPLOAD_BYTES} bytes")
    try:
        large = await run_in_threadpool(upscaler.upscale_bytes, bytes(data))
    except sr_infer.MemoryBudgetError as error:
        raise HTTPException(413, str(error)) from error
    except sr_infer.ImageError as error:
        raise HTTPException(422, str(error)) from error
    return Response(large, media_type=media_type(large))


def media_type(image: bytes) -> str:
    """The media type of an encoded image, such as "image/jpeg"."""
    with Image.open(BytesIO(image)) as opened:
        return Image.MIME.get(opened.format or "", "application/octet-stream")
