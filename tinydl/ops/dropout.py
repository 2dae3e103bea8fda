"""Dropout: leaving out random elements while training."""

from __future__ import annotations

from tinydl.op import check_tensors
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor


def dropout(x: Tensor, p: float = 0.5, training: bool = True, generator: GeneratorLike = None) -> Tensor:
    """out = x m / (1 - p), where each m is 0 with probability p and else 1;  dx = g m / (1 - p).

    The division keeps the mean (Srivastava et al., 2014). Without `training`, x itself. The mask is drawn in
    logical order, whatever the memory layout. Integers give float32. Raises ValueError for p outside [0, 1],
    TypeError for what is no tensor.
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p must be in [0, 1], got {p}")
    check_tensors("dropout", x)
    if not training or p == 0.0:
        return x
    keep = x.device.uniform(as_generator(generator), x.shape, "float32") >= p
    scale = 0.0 if p == 1.0 else 1.0 / (1.0 - p)
    dtype = x.dtype if x.dtype.kind in "fc" else "float32"
    mask = x.device.xp.empty_like(x._data, dtype=dtype)  # in the layout of x
    mask[...] = keep
    mask *= scale
    return x * Tensor(mask, x.device)
