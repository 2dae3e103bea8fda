"""The MLP and LeNet rows of `python -m benchmarks.speed` in JAX, MyGrad and HIPS autograd.

These have no layers, so that the networks are written once over what the three share: arrays with operators. What
they call differently (or lack, as average pooling) is handed in as a `Peer`. Momentum is written as its formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.rows import MOMENTUM, Array, Row

RATE, DECAY = MOMENTUM["lr"], MOMENTUM["momentum"]


@dataclass(frozen=True)
class Peer:
    """The functions of a library that the networks below use."""

    relu: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    conv: Callable[[Any, Any], Any]  # images (N, C, H, W) and filters (O, C, h, w), no padding
    halve: Callable[[Any], Any]  # 2x2 average pooling
    cross_entropy: Callable[[Any, Any], Any]

    def loss(self, parameters: list[Any], x: Any, labels: Any) -> Any:
        """The loss of the MLP (x has two axes) or of LeNet-5 (four), from its weights and biases in turn."""
        pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
        activation = self.relu
        if x.ndim == 4:
            activation = self.tanh
            filters, pairs = pairs[:3], pairs[3:]
            for i, (weight, bias) in enumerate(filters):
                x = activation(self.conv(x, weight) + bias.reshape(1, -1, 1, 1))
                x = self.halve(x) if i < 2 else x.reshape(x.shape[0], -1)
        for weight, bias in pairs[:-1]:
            x = activation(x @ weight.T + bias)
        weight, bias = pairs[-1]
        return self.cross_entropy(x @ weight.T + bias, labels)


def takes(row: Row) -> bool:
    """Whether these contenders can run the row."""
    return row.options == MOMENTUM


def _pairs(x: Any) -> Any:
    n, channels, height, width = x.shape
    return x.reshape(n, channels, height // 2, 2, width // 2, 2)


def jax() -> tuple[str, Callable[..., Callable[[], float]]]:
    """JAX, the whole step under `jit`."""
    import jax
    import jax.numpy as jnp

    def cross_entropy(scores: Any, labels: Any) -> Any:
        chosen = jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], axis=1)
        return -chosen.mean()

    peer = Peer(
        relu=jax.nn.relu,
        tanh=jnp.tanh,
        conv=lambda x, weight: jax.lax.conv(x, weight, (1, 1), "VALID"),
        halve=lambda x: _pairs(x).mean((3, 5)),
        cross_entropy=cross_entropy,
    )

    @jax.jit
    def update(parameters: Any, velocity: Any, x: Any, labels: Any) -> Any:
        loss, gradients = jax.value_and_grad(peer.loss)(parameters, x, labels)
        velocity = [DECAY * v + g for v, g in zip(velocity, gradients, strict=True)]
        parameters = [p - RATE * v for p, v in zip(parameters, velocity, strict=True)]
        return loss, parameters, velocity

    def start(row: Row, weights: Mapping[str, Array], batch: list[Array]) -> Callable[[], float]:
        x, labels = map(jnp.asarray, batch)
        parameters = [jnp.asarray(p) for p in weights.values()]
        velocity = [jnp.zeros_like(p) for p in parameters]

        def step() -> float:
            nonlocal parameters, velocity
            loss, parameters, velocity = jax.block_until_ready(update(parameters, velocity, x, labels))
            return float(loss)

        return step

    return jax.__version__, start


def mygrad() -> tuple[str, Callable[..., Callable[[], float]]]:
    """MyGrad with its own convolution and loss."""
    import mygrad as mg
    from mygrad.nnet.activations import relu
    from mygrad.nnet.layers import conv_nd
    from mygrad.nnet.losses import softmax_crossentropy

    peer = Peer(
        relu=relu,
        tanh=mg.tanh,
        conv=lambda x, weight: conv_nd(x, weight, stride=1),
        halve=lambda x: _pairs(x).mean((3, 5)),
        cross_entropy=softmax_crossentropy,
    )

    def start(row: Row, weights: Mapping[str, Array], batch: list[Array]) -> Callable[[], float]:
        x, labels = batch
        parameters = [mg.tensor(p) for p in weights.values()]
        velocity = [np.zeros_like(p.data) for p in parameters]

        def step() -> float:
            loss = peer.loss(parameters, x, labels)
            loss.backward()
            for p, v in zip(parameters, velocity, strict=True):
                v *= DECAY
                v += p.grad
                p.data -= RATE * v
            return float(loss)

        return step

    return mg.__version__, start


def autograd() -> tuple[str, Callable[..., Callable[[], float]]]:
    """HIPS autograd with its own convolution."""
    from importlib.metadata import version

    import autograd.numpy as anp
    from autograd import value_and_grad
    from autograd.scipy.signal import convolve
    from autograd.scipy.special import logsumexp

    axes = {"axes": ([2, 3], [2, 3]), "dot_axes": ([1], [1]), "mode": "valid"}

    def cross_entropy(scores: Any, labels: Any) -> Any:
        return anp.mean(logsumexp(scores, axis=1) - scores[np.arange(len(labels)), labels])

    peer = Peer(
        relu=lambda x: anp.maximum(x, 0),
        tanh=anp.tanh,
        conv=lambda x, weight: convolve(x, weight[:, :, ::-1, ::-1], **axes),
        halve=lambda x: anp.mean(_pairs(x), axis=(3, 5)),
        cross_entropy=cross_entropy,
    )
    loss_and_gradients = value_and_grad(peer.loss)

    def start(row: Row, weights: Mapping[str, Array], batch: list[Array]) -> Callable[[], float]:
        x, labels = batch
        parameters = list(weights.values())
        velocity = [np.zeros_like(p) for p in parameters]

        def step() -> float:
            loss, gradients = loss_and_gradients(parameters, x, labels)
            for p, v, g in zip(parameters, velocity, gradients, strict=True):
                v *= DECAY
                v += g
                p -= RATE * v
            return float(loss)

        return step

    return version("autograd"), start
