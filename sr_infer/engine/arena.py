"""The memory that all networks of this process work in: one arena of onnxruntime with large regions.

By itself onnxruntime gives each session an arena that grows by regions in powers of two, beginning with 1 MB. It never
joins free blocks of two regions, so that DRN-S50 takes twice what its tensors need and every new window size adds some
more. In one large region free blocks are joined and used again, by the next network too.

A region is address space: what was never used takes no memory, but for 3 % of bookkeeping, 8 MB for the first region.
"""

import os
from functools import cache
from typing import Any

_REGION_BYTES = 256 << 20
"""Of the first region and the second; the others double."""


def share(onnxruntime: Any, options: Any) -> None:
    """Let the session that is made with these options work in the arena of this process."""
    _register(onnxruntime)
    options.add_session_config_entry("session.use_env_allocators", "1")


@cache
def _register(onnxruntime: Any) -> None:
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    sizes = {"initial_chunk_size_bytes": _REGION_BYTES, "initial_growth_chunk_size_bytes": _REGION_BYTES}
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(sizes))


if hasattr(os, "register_at_fork"):
    # a child registers one of its own: a thread that it lacks may hold the lock of its parent's
    os.register_at_fork(after_in_child=_register.cache_clear)
