"""The sparse autoencoder: a code that may be wide, as long as little of it is active at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinydl import nn
from tinydl.models.autoencoder import Autoencoder, Layer
from tinydl.ops.arithmetic import abs, log
from tinydl.random import GeneratorLike
from tinydl.tensor import Tensor


class SparseAutoencoder(Autoencoder):
    """An autoencoder that returns its reconstruction and its code, for losses that look at both (Ng, 2011).

        loss = |x' - x|^2 + penalty(code),     penalty: `l1` or `kl_sparsity`

    Inputs (N, ...) give a reconstruction of the same shape and a code (N, sizes[-1]), which `code` keeps between 0
    and 1 by default. Without a penalty, `code=lambda: nn.Sequential(nn.Sigmoid(), nn.Dropout(0.5))` is the variant
    that leaves a random half of the units out at every step. Raises what Autoencoder raises.
    """

    def __init__(
        self,
        sizes: Sequence[int] = (784, 256),
        activation: Layer = nn.ReLU,
        code: Layer = nn.Sigmoid,
        output: Layer | None = nn.Sigmoid,
        generator: GeneratorLike = None,
    ) -> None:
        super().__init__(sizes, activation, code, output, generator)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        codes = self.encode(x)
        return self.decode(codes).reshape(x.shape), codes


def l1(codes: Tensor) -> Tensor:
    """sum of |h_j| over the units of a code (N, units), averaged over the rows: every activation costs the same.

    Raises: TypeError for what is no tensor.
    """
    return abs(codes).sum() / len(codes)


def kl_sparsity(codes: Tensor, rho: float = 0.05) -> Tensor:
    """sum over units of KL(rho || r_j) = rho log(rho / r_j) + (1 - rho) log((1 - rho) / (1 - r_j)).

    r_j is the mean of unit j over the rows of a code (N, units) between 0 and 1: each unit shall be active in a
    share rho of the cases, no more and no less, so none dies. Raises ValueError for a rho outside (0, 1).
    """
    if not 0 < rho < 1:
        raise ValueError(f"kl_sparsity: rho must lie between 0 and 1, got {rho}")
    r = codes.mean(axis=0)
    return (rho * (math.log(rho) - log(r)) + (1 - rho) * (math.log(1 - rho) - log(1 - r))).sum()
