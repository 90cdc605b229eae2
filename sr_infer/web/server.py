"""Serve a page on this machine to drop images on. Needs `sr-infer[web]`."""

import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from sr_infer.errors import MissingExtraError, OptionError

MAX_PIXELS = 4_000_000
"""Most pixels of an uploaded image."""
_WAITING = 8
"""Requests in the queue; one image is upscaled at a time."""
_KEEP_S = 600
"""Time in s after which uploads and results are removed."""
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'"
)
"""Content security policy: the browser fetches nothing from other servers."""


def serve(*, port: int, max_upload: str, max_memory: int | str | None, threads: int | None) -> None:
    """Serve the page on 127.0.0.1 until interrupted, then remove all uploads and results.

    This changes the process: environment variables, the folder for temporary files, and the handler of SIGTERM.

    Args:
        port: port to listen at.
        max_upload: largest file, such as "20MB".
        max_memory, threads: options of the `Upscaler`.

    Raises:
        MissingExtraError: Gradio is not installed.
        OptionError: the port is taken.
    """
    with tempfile.TemporaryDirectory(prefix="sr-infer-web-") as folder:
        shown, scratch = (Path(folder) / name for name in ("shown", "scratch"))
        scratch.mkdir()
        os.environ |= {
            "GRADIO_TEMP_DIR": str(shown),
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        tempfile.tempdir = str(scratch)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            import gradio as gr
            from starlette.middleware import Middleware

            from sr_infer.web import page
        except ImportError as error:
            raise MissingExtraError("the page needs Gradio: pip install 'sr-infer[web]'") from error
        demo = page.build(max_memory=max_memory, max_pixels=MAX_PIXELS, threads=threads, keep_s=_KEEP_S)
        demo.queue(max_size=_WAITING, default_concurrency_limit=1, api_open=False)
        try:
            demo.launch(
                server_name="127.0.0.1",
                server_port=port,
                share=False,
                max_file_size=max_upload,
                footer_links=[],
                run_history=False,
                ssr_mode=False,
                css=page.STYLE,
                theme=gr.themes.Default(font="sans-serif", font_mono="monospace"),
                app_kwargs={"middleware": [Middleware(_WithPolicy)]},
            )
        except OSError as error:
            raise OptionError(f"cannot listen at 127.0.0.1:{port}: {error}") from error
        finally:
            demo.close()


class _WithPolicy:
    """An ASGI application that adds the content security policy to its responses."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", _POLICY.encode())]
            await send(message)

        await self._app(scope, receive, send_with_policy)
