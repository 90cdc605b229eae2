"""Tiles: how an image is divided, run window by window, and put together again."""

from sr_infer.tiling.geometry import Grid, Span, plan

__all__ = ["Grid", "Span", "plan"]
