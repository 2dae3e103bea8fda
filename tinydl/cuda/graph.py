"""A CUDA graph: the kernels that a function launches, noted once, then launched together by a single call.

Kernels in a graph read and write at the addresses that they were captured with. So what is allocated meanwhile comes
from a memory pool of the graph's own: memory that is free again after the capture is handed to nobody else, who
would find it overwritten when the graph runs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any


class CudaGraph:
    """One graph on one stream; `cuda` is CuPy's module of that name."""

    def __init__(self, cuda: Any, stream: Any) -> None:
        self._using = cuda.using_allocator
        self._stream = stream
        self._pool = cuda.MemoryPool()  # lives as long as the graph
        self._graph: Any = None

    def memory(self) -> AbstractContextManager[None]:
        """Inside it, arrays are allocated from this graph's own pool."""
        manager: AbstractContextManager[None] = self._using(self._pool.malloc)
        return manager

    def memory_taken(self) -> int:
        """Bytes of the graph's own pool."""
        taken: int = self._pool.total_bytes()
        return taken

    def capture(self, work: Callable[[], None]) -> None:
        """Notes what `work` launches; nothing is computed. Raises what it raises, and for what a graph can't hold."""
        self._stream.synchronize()
        with self._stream:
            self._stream.begin_capture()
            try:
                work()
            except BaseException:
                with suppress(
                    Exception
                ):  # the stream is left capturing no more; the error of `work` says why
                    self._stream.end_capture()
                raise
            self._graph = self._stream.end_capture()
        self._graph.upload(self._stream)

    def launch(self) -> None:
        """Computes what was captured, behind everything that the stream has to do before."""
        self._graph.launch(self._stream)
