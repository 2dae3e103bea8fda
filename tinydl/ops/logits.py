"""Cross-entropies of logits in one operation each, so that the exponentials and their sum are computed once."""

from __future__ import annotations

from typing import Any

from tinydl.device import Array
from tinydl.op import Op
from tinydl.ops.activation import sigmoid, softmax
from tinydl.ops.arithmetic import multiply, subtract
from tinydl.ops.shape import reshape
from tinydl.tensor import Tensor


class LogitsBinaryCrossEntropy(Op):
    """out = t softplus(-x) + (1 - t) softplus(x),  dx = g ((1 - t) sigmoid(x) - t sigmoid(-x)),  dt = -g x.

    softplus(+-x) = max(+-x, 0) + log(1 + e^-|x|), and t + (1 - t) = 1 share of the logarithm remains. With
    s = sigmoid(-|x|), whose digits are all there however small it is, dx = g ([x >= 0] - t - s) where x >= 0, else
    g ([x >= 0] - t + s).
    """

    __slots__ = ()
    promotes = "always"

    def forward(self, x: Array, t: Array) -> Array:
        xp = self.device.xp
        positive = xp.maximum(x, x.dtype.type(0))
        out = (1.0 - t) * positive
        positive -= x  # max(-x, 0)
        positive *= t
        out += positive
        out += xp.log1p(xp.exp(xp.minimum(x, -x)))
        return out

    def backward(self, g: Any, x: Any, t: Any) -> Any:
        dx = None
        if self.needs[0] and isinstance(g, Tensor):
            dx = g * ((1.0 - t) * sigmoid(x) - t * sigmoid(-x))
        elif self.needs[0]:
            dx = g * self._slope(x, t)
        return dx, -g * x if self.needs[1] else None

    def _slope(self, x: Array, t: Array) -> Array:
        xp = self.device.xp
        s = xp.exp(xp.minimum(x, -x))
        s /= 1.0 + s
        positive = (x >= 0).astype(x.dtype)
        s *= 1.0 - 2.0 * positive
        positive -= t
        positive += s
        return positive


class LogitsCrossEntropy(Op):
    """out = log sum_j e^(x_j) - x_t for the label t of each sample,  dx_i = g (softmax(x)_i - [i = t]).

    x (N, C, ...) with its classes along `axis`, labels and out (N, ...). Samples that do not count have out 0.
    """

    __slots__ = ("axis", "counts", "labels")
    promotes = "always"

    def __init__(self, labels: Array, counts: Array, axis: int) -> None:
        self.labels, self.counts, self.axis = labels, counts, axis

    def forward(self, x: Array) -> Array:
        return self.device.kernels.cross_entropy(self.device.xp, x, self.labels, self.counts, self.axis)

    def backward(self, g: Any, x: Any) -> Any:
        xp, axis = self.device.xp, self.axis
        if not isinstance(g, Tensor):  # in one go
            return self.device.kernels.cross_entropy_gradient(xp, g, x, self.labels, self.counts, axis)
        classes = xp.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
        one_hot = Tensor((xp.expand_dims(self.labels, axis) == classes).astype(x.dtype), self.device)
        share = Tensor(xp.expand_dims(self.counts, axis).astype(x.dtype), self.device)
        # Functions, not operators: they keep the memory layout of images.
        return multiply(subtract(softmax(x, axis), one_hot), multiply(reshape(g, share.shape), share))
