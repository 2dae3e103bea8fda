"""Randomness that can be repeated: a counter-based generator, the same numbers on every device.

A counter-based generator is a function: word number i of the stream with key k is `philox(k, i)`, with no
hidden state to step through. So a stream is remembered by two integers, key and counter, and any piece of it
can be computed anywhere. The function is Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as
1, 2, 3", SC 2011), which NumPy ships as a bit generator: it yields blocks of four 64-bit words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinydl.capture import refuse
from tinydl.shards import Shard, computing, current

Array: TypeAlias = npt.NDArray[Any]
_WORDS_PER_BLOCK = 4


class Generator:
    """A stream of random numbers with an integer seed (0 <= seed < 2**128).

    Every draw starts at a fresh block of four 64-bit words and is made in C order of the asked shape, on the
    host: the same seed gives the same numbers on every device. `get_state()` and `set_state()` save and
    restore the place in the stream. Where processes share a batch (`Trainer(shards=...)`), each draws for all of it
    and keeps the numbers of its own rows.

    Raises: TypeError for a seed that is no integer, ValueError for one out of range; RuntimeError for a draw that is
    not one number or more for each row of a shared batch.
    """

    def __init__(self, seed: int = 0) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise TypeError(f"Generator: seed must be an integer, got {type(seed).__name__}")
        if not 0 <= seed < 2**128:
            raise ValueError(f"Generator: seed must be in [0, 2**128), got {seed}")
        self.seed = int(seed)
        self._philox = np.random.Philox(key=self.seed)
        self._counter = 0

    def __repr__(self) -> str:
        return f"Generator(seed={self.seed}, counter={self._counter})"

    def words(self, n: int) -> npt.NDArray[np.uint64]:
        """The next `n` random 64-bit words, uint64 (n,); the stream advances to the next whole block.

        Raises: TypeError for an n that is no integer.
        """
        if current() is not None:
            raise RuntimeError(_NOT_BY_ROWS.format("words that belong to no row"))
        refuse("a draw of random numbers on the host")
        blocks = -(-n // _WORDS_PER_BLOCK)
        self._counter += blocks
        return self._philox.random_raw(blocks * _WORDS_PER_BLOCK)[:n]

    def random(self, shape: int | tuple[int, ...] = (), dtype: npt.DTypeLike = np.float32) -> Array:
        """Uniform numbers in [0, 1), shape `shape`: k / 2**24 in float32, k / 2**53 in float64.

        Raises: TypeError for another dtype, ValueError for sizes below 0.
        """
        shape, dtype, n = _checked("random", shape, dtype)
        if (shard := current()) is not None:
            return _own_rows(shard, shape, lambda whole: self.random(whole, dtype))
        if dtype == np.float32:  # two numbers a word, low half first
            halves = self.words(-(-n // 2)).astype("<u8", copy=False).view("<u4")[:n]
            return ((halves >> 8).astype(np.float32) * np.float32(2**-24)).reshape(shape)
        return ((self.words(n) >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)

    def uniform(
        self,
        low: float = 0.0,
        high: float = 1.0,
        shape: int | tuple[int, ...] = (),
        dtype: npt.DTypeLike = np.float32,
    ) -> Array:
        """Uniform numbers in [low, high), shape `shape`; the last may round to `high`. Raises as `random` does."""
        return self.random(shape, dtype) * (high - low) + low

    def normal(self, shape: int | tuple[int, ...] = (), dtype: npt.DTypeLike = np.float32) -> Array:
        """Standard normal numbers, shape `shape`, by Box and Muller (1958).

        From uniform u in (0, 1] and v in [0, 1):  sqrt(-2 log u) cos(2 pi v)  and  sqrt(-2 log u) sin(2 pi v).
        Float32 or float64; raises TypeError for another dtype, ValueError for sizes below 0.
        """
        shape, dtype, n = _checked("normal", shape, dtype)
        if (shard := current()) is not None:
            return _own_rows(shard, shape, lambda whole: self.normal(whole, dtype))
        pairs = -(-n // 2)
        u, v = self.random((2, pairs), dtype)
        one, tau = dtype.type(1), dtype.type(2 * math.pi)
        radius = np.sqrt(dtype.type(-2) * np.log(one - u))  # 1 - u is never 0
        angle = tau * v
        both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
        return both[:n].reshape(shape)

    def integers(self, low: int, high: int, shape: int | tuple[int, ...] = ()) -> npt.NDArray[np.int64]:
        """Integers in [low, high), int64, shape `shape`; the bias is below (high - low) / 2**53.

        Raises: ValueError unless low < high, and for sizes below 0.
        """
        if not low < high:
            raise ValueError(f"Generator.integers: expected low < high, got low={low}, high={high}")
        drawn: npt.NDArray[np.int64] = np.floor(self.random(shape, np.float64) * (high - low)).astype(
            np.int64
        )
        return drawn + low

    def permutation(self, n: int) -> npt.NDArray[np.int64]:
        """A random order of 0 ... n-1, int64 (n,): the order of n random words. Raises TypeError as `words`."""
        order: npt.NDArray[np.int64] = np.argsort(self.words(n), kind="stable")
        return order

    def fork(self) -> Generator:
        """A new generator, seeded by the next two words of this one."""
        low, high = self.words(2)
        return Generator(int(low) | int(high) << 64)

    def leave(self, n: int, dtype: npt.DTypeLike = np.float32) -> dict[str, int]:
        """Leaves a draw of n uniform float32 or float64 numbers to a device: goes behind it, says where it begins.

        As `get_state` does. Raises TypeError for another dtype, ValueError for n below 0.
        """
        _, dtype, n = _checked("leave", n, dtype)
        place = self.get_state()
        words = -(-n // 2) if dtype == np.float32 else n
        self.set_state({"seed": self.seed, "counter": self._counter - (-words // _WORDS_PER_BLOCK)})
        return place

    def get_state(self) -> dict[str, int]:
        """The place in the stream as two integers, `seed` and `counter`."""
        return {"seed": self.seed, "counter": self._counter}

    def set_state(self, state: dict[str, int]) -> None:
        """Goes to the place that `get_state()` gave.

        Raises: ValueError when `state` lacks a key or holds a number out of range.
        """
        try:
            seed, counter = int(state["seed"]), int(state["counter"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError("Generator.set_state: expected {'seed': int, 'counter': int}") from error
        if not (0 <= seed < 2**128 and 0 <= counter < 2**192):
            raise ValueError(f"Generator.set_state: seed {seed} or counter {counter} is out of range")
        self.seed, self._counter = seed, counter
        self._philox = np.random.Philox(key=seed, counter=counter)


GeneratorLike: TypeAlias = "Generator | int | np.random.Generator | None"


_NOT_BY_ROWS = (
    "Generator: in a batch that processes share a draw must have a row for each row of the batch, got {}; "
    "train with shards=1"
)


def _own_rows(shard: Shard, shape: tuple[int, ...], draw: Callable[[tuple[int, ...]], Array]) -> Array:
    """What is drawn for the rows of this process: drawn for all, and sliced."""
    if shape[:1] != (shard.stop - shard.start,):
        raise RuntimeError(_NOT_BY_ROWS.format(f"shape {shape} beside {shard.stop - shard.start} rows"))
    with computing(None):
        return draw((shard.rows, *shape[1:]))[shard.start : shard.stop]


def _checked(
    who: str, shape: int | tuple[int, ...], dtype: npt.DTypeLike
) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    shape = (int(shape),) if isinstance(shape, int | np.integer) else tuple(shape)
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"Generator.{who}: dtype must be float32 or float64, got {dtype}")
    if any(n < 0 for n in shape):
        raise ValueError(f"Generator.{who}: expected sizes of 0 or more, got shape {shape}")
    return shape, dtype, math.prod(shape)


_default = Generator(0)


def manual_seed(seed: int) -> Generator:
    """Restarts the default generator, which is used wherever no `generator=` is given, from `seed`.

    Raises: TypeError for a seed that is no integer, ValueError for one outside [0, 2**128).
    """
    _default.set_state(Generator(seed).get_state())
    return _default


def as_generator(generator: GeneratorLike) -> Generator:
    """The `td.Generator` that a `generator=` argument means.

    None is the default generator; an integer seeds a new one; the next draw of a `numpy.random.Generator`
    seeds a new one. Raises TypeError for anything else.
    """
    if generator is None:
        return _default
    if isinstance(generator, Generator):
        return generator
    if isinstance(generator, np.random.Generator):
        return Generator(int(generator.integers(2**63)))
    if isinstance(generator, int | np.integer) and not isinstance(generator, bool):
        return Generator(int(generator))
    raise TypeError(
        "generator must be a td.Generator, an integer seed, a numpy.random.Generator or None, "
        f"got {type(generator).__name__}"
    )
