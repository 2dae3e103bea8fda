"""Optimisers with a step size of its own for every weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import ClassVar

from tinydl.device import Array, Device
from tinydl.optim.optimizer import Optimizer
from tinydl.tensor import Tensor


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015), PyTorch's rule; t counts the steps of a parameter from 1.

    g = grad + weight_decay p
    m = b1 m + (1 - b1) g;    v = b2 v + (1 - b2) g^2
    p = p - lr  m / (1 - b1^t)  /  (sqrt(v / (1 - b2^t)) + eps)

    m and v have the shape and dtype of p. Raises ValueError for betas outside [0, 1) and a negative eps, beside
    what `Optimizer` raises.
    """

    buffer_names = ("mean", "square")
    elementwise = True
    kernel = "adam"
    hyperparameters = ("lr", "betas", "eps", "weight_decay")
    decoupled: ClassVar[bool] = False  # whether weight decay is kept out of m and v

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        if not (0 <= betas[0] < 1 and 0 <= betas[1] < 1) or eps < 0:
            raise ValueError(
                f"{type(self).__name__}: betas must be in [0, 1) and eps >= 0, got {betas}, {eps}"
            )
        super().__init__(params, lr, weight_decay)
        self.betas, self.eps = betas, eps

    def rates(self, step: int) -> tuple[float, ...]:
        """lr s / (1 - b1^t),  eps s  and  1 - lr weight_decay,  for s = sqrt(1 - b2^t)."""
        b1, b2 = self.betas
        s = math.sqrt(1.0 - b2**step)
        return self.lr * s / (1.0 - b1**step), self.eps * s, 1.0 - self.lr * self.weight_decay

    def launch(
        self, device: Device, lr: Array, step: Array, data: Array, grad: Array, *buffers: Array
    ) -> None:
        options = self.betas, self.eps, self.weight_decay, self.decoupled
        device.kernels.adam(device.xp, data, grad, *buffers, lr, step, *options)

    def compiled(self, device: Device, plain: Callable[..., None], step: int) -> Callable[..., None]:
        return device.kernels.adam_update(
            plain, self.rates(step), self.betas, self.weight_decay, self.decoupled
        )

    def update(self, data: Array, grad: Array, step: int, **buffers: Array) -> None:
        mean, square = buffers["mean"], buffers["square"]
        b1, b2 = self.betas
        rate, eps, kept = self.numbers(step)
        if self.weight_decay and self.decoupled:
            data *= kept
        elif self.weight_decay:
            grad = grad + self.weight_decay * data
        mean *= b1
        mean += (1.0 - b1) * grad
        square *= b2
        square += (1.0 - b2) * grad * grad
        root = square**0.5
        root += eps  # both numerator and denominator are times s, so that no array is divided by it
        data -= rate * (mean / root)


class AdamW(Adam):
    """Adam with decoupled weight decay: p = p - lr weight_decay p first (Loshchilov and Hutter, 2019).

    Shapes and dtypes as in `Adam`. Raises ValueError for betas outside [0, 1) and a negative eps, too.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


class RMSprop(Optimizer):
    """RMSprop (Hinton, 2012), PyTorch's rule.

    g = grad + weight_decay p;    v = alpha v + (1 - alpha) g^2
    u = g / (sqrt(v) + eps);      p = p - lr u,   or with momentum  b = momentum b + u,  p = p - lr b

    v and b have the shape and dtype of p. Raises ValueError for a negative alpha, eps or momentum, beside what
    `Optimizer` raises.
    """

    buffer_names = ("square", "velocity")
    elementwise = True
    hyperparameters = ("lr", "alpha", "eps", "momentum", "weight_decay")

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
    ) -> None:
        if alpha < 0 or eps < 0 or momentum < 0:
            raise ValueError("RMSprop: alpha, eps and momentum must be 0 or more")
        super().__init__(params, lr, weight_decay)
        self.alpha, self.eps, self.momentum = alpha, eps, momentum

    def rates(self, step: int) -> tuple[float, ...]:
        return (self.lr,)

    def update(self, data: Array, grad: Array, step: int, **buffers: Array) -> None:
        square, velocity = buffers["square"], buffers["velocity"]
        (lr,) = self.numbers(step)
        if self.weight_decay:
            grad = grad + self.weight_decay * data
        square *= self.alpha
        square += (1.0 - self.alpha) * grad * grad
        direction = grad / (square**0.5 + self.eps)
        if self.momentum:
            velocity *= self.momentum
            velocity += direction
            direction = velocity
        data -= lr * direction


class Adagrad(Optimizer):
    """Adagrad (Duchi et al., 2011), PyTorch's rule; t counts the steps of a parameter from 1.

    g = grad + weight_decay p;    v = v + g^2;    p = p - lr / (1 + (t - 1) lr_decay)  g / (sqrt(v) + eps)

    v has the shape and dtype of p. Raises ValueError for a negative lr_decay or eps, beside what `Optimizer` raises.
    """

    buffer_names = ("square",)
    elementwise = True
    hyperparameters = ("lr", "lr_decay", "eps", "weight_decay")

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        if lr_decay < 0 or eps < 0:
            raise ValueError(f"Adagrad: lr_decay and eps must be 0 or more, got {lr_decay}, {eps}")
        super().__init__(params, lr, weight_decay)
        self.lr_decay, self.eps = lr_decay, eps

    def rates(self, step: int) -> tuple[float, ...]:
        return (self.lr / (1.0 + (step - 1) * self.lr_decay),)

    def update(self, data: Array, grad: Array, step: int, **buffers: Array) -> None:
        square = buffers["square"]
        (lr,) = self.numbers(step)
        if self.weight_decay:
            grad = grad + self.weight_decay * data
        square += grad * grad
        data -= lr * (grad / (square**0.5 + self.eps))
