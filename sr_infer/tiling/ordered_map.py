"""A threaded `map` that keeps order and reads its input lazily."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sr_infer.resources import startable_threads

_T = TypeVar("_T")
_R = TypeVar("_R")


def ordered_map(function: Callable[[_T], _R], items: Iterator[_T], workers: int) -> Iterator[_R]:
    """Map in threads and yield results in the order of the items; at most one finished result waits.

    Where the system allows fewer threads, fewer work, at least the caller's own.
    """
    if workers > 1:
        workers = startable_threads(workers)
    if workers <= 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        pending: deque[Future[_R]] = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
