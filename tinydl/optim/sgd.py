"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tinydl.device import Array, Device
from tinydl.optim.optimizer import Optimizer
from tinydl.tensor import Tensor


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, PyTorch's rule (Sutskever et al., 2013).

    g = grad + weight_decay p;    v = momentum v + g;    p = p - lr v
    With `nesterov`:  p = p - lr (g + momentum v).  Without momentum v is g.

    v has the shape and dtype of p. Raises ValueError for a negative momentum, or none with `nesterov`, beside what
    `Optimizer` raises.
    """

    buffer_names = ("velocity",)
    elementwise = True
    kernel = "sgd"
    hyperparameters = ("lr", "momentum", "nesterov", "weight_decay")

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        if momentum < 0 or (nesterov and momentum == 0):
            raise ValueError(f"SGD: momentum must be 0 or more, and positive with nesterov, got {momentum}")
        super().__init__(params, lr, weight_decay)
        self.momentum, self.nesterov = momentum, nesterov

    def rates(self, step: int) -> tuple[float, ...]:
        return (self.lr,)

    def launch(
        self, device: Device, lr: Array, step: Array, data: Array, grad: Array, *buffers: Array
    ) -> None:
        options = self.momentum, self.nesterov, self.weight_decay
        device.kernels.sgd(device.xp, data, grad, *buffers, lr, *options)

    def compiled(self, device: Device, plain: Callable[..., None], step: int) -> Callable[..., None]:
        return device.kernels.sgd_update(
            plain, self.rates(step), self.momentum, self.nesterov, self.weight_decay
        )

    def update(self, data: Array, grad: Array, step: int, **buffers: Array) -> None:
        (lr,) = self.numbers(step)
        if self.weight_decay:
            grad = grad + self.weight_decay * data
        if self.momentum:
            velocity = buffers["velocity"]
            velocity *= self.momentum
            velocity += grad
            grad = grad + self.momentum * velocity if self.nesterov else velocity
        data -= lr * grad
