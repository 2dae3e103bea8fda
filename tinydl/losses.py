"""Losses: how wrong a prediction is, as one number to make small.

Every loss takes (prediction, target) and `reduction`: "mean", "sum" or "none". Shapes must match exactly:
nothing is broadcast. `o` is the prediction and `t` the target in the formulas.

float32 gives float32, float64 gives float64; integers and booleans (0 and 1) become the float beside them, float32
where there is none. All raise TypeError for what is no Tensor and for float32 with float64, ValueError for another
`reduction`, RuntimeError for two devices; each function names what it refuses beside that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinydl.device import Array
from tinydl.errors import DeviceError, DTypeError, ShapeError
from tinydl.op import Op, common_float
from tinydl.ops.activation import log_softmax, sigmoid, softplus
from tinydl.ops.arithmetic import abs, clip, exp, log1p, maximum, sqrt, where
from tinydl.ops.index import take_along_axis
from tinydl.ops.logits import LogitsBinaryCrossEntropy, LogitsCrossEntropy
from tinydl.ops.shape import reshape, unsqueeze
from tinydl.tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "categorical_cross_entropy",
    "cross_entropy",
    "dice",
    "focal",
    "gaussian_kl",
    "hinge",
    "huber",
    "kl_divergence",
    "mae",
    "mse",
    "msle",
    "nll",
    "rmse",
]


class ClampedLog(Op):
    """out = max(log x, -100),  dx = g / max(x, 1e-12): finite at x = 0, as in PyTorch's cross-entropies."""

    __slots__ = ()
    promotes = "always"

    def forward(self, x: Array) -> Array:
        xp = self.device.xp
        smallest = x.dtype.type(2.0**-149 if x.dtype == "float32" else 2.0**-1074)  # its log is below -100
        return xp.maximum(xp.log(xp.maximum(x, smallest)), x.dtype.type(-100))

    def backward(self, g: Any, x: Any) -> Any:
        return g / maximum(x, 1e-12)


def mse(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Mean squared error: (o - t)^2, of tensors of any one shape. Raises ValueError for shapes that differ."""
    error = _difference("mse", prediction, target)
    return _reduced("mse", error * error, reduction)


def mae(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Mean absolute error: |o - t|, of tensors of any one shape; the gradient at 0 is 0.

    Raises: ValueError for shapes that differ.
    """
    return _reduced("mae", abs(_difference("mae", prediction, target)), reduction)


def rmse(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Root mean squared error: the square root of `mse` of the same reduction; at 0 the gradient is 0.

    With "none" it has the shape of o and t. Raises ValueError for shapes that differ.
    """
    error = _difference("rmse", prediction, target)
    square = _reduced("rmse", error * error, reduction)
    exact = square == 0.0
    return where(exact, 0.0, sqrt(where(exact, 1.0, square)))


def msle(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Mean squared logarithmic error: (log(1 + o) - log(1 + t))^2, of tensors of any one shape.

    Raises: ValueError for shapes that differ and for values <= -1.
    """
    prediction, target = _pair("msle", prediction, target)
    for what, x in (("prediction", prediction), ("target", target)):
        if x.device.checks_values and (x <= -1).sum().item():
            raise ValueError(f"msle: {what} has values <= -1, where log(1 + x) is not defined")
    error = log1p(prediction) - log1p(target)
    return _reduced("msle", error * error, reduction)


def huber(prediction: Tensor, target: Tensor, delta: float = 1.0, reduction: str = "mean") -> Tensor:
    """(o - t)^2 / 2 where |o - t| <= delta, else delta (|o - t| - delta / 2) (Huber, 1964).

    Tensors of any one shape. Raises ValueError for shapes that differ and for a delta that is not positive.
    """
    if delta <= 0:
        raise ValueError(f"huber: delta must be positive, got {delta}")
    error = _difference("huber", prediction, target)
    inner = clip(error, -delta, delta)  # keeps the sign: by |o - t| the second derivative at 0 would be 0
    return _reduced("huber", inner * (error - 0.5 * inner), reduction)


def hinge(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """max(0, 1 - t o) for scores and targets -1 or 1 of one shape (Cortes and Vapnik, 1995).

    The targets may be floats or integers. Raises ValueError for shapes that differ and for other targets.
    """
    prediction, target = _pair("hinge", prediction, target)
    _check_values("hinge", "targets must be -1 or 1", target, lambda t: (t == -1) | (t == 1))
    margin = 1.0 - target * prediction
    return _reduced("hinge", clip(margin, low=0.0) * (margin > 0), reduction)


def binary_cross_entropy(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """-(t log o + (1 - t) log(1 - o)) for probabilities o and targets in [0, 1]; log is clamped at -100.

    Raises: ValueError for shapes that differ and for values outside [0, 1]; for raw scores use
    `binary_cross_entropy_with_logits`.
    """
    who = "binary_cross_entropy"
    prediction, target = _pair(who, prediction, target)
    _check_probabilities(who, "prediction", prediction)
    _check_probabilities(who, "target", target)
    loss = -(target * _clamped_log(prediction) + (1.0 - target) * _clamped_log(1.0 - prediction))
    return _reduced(who, loss, reduction)


def binary_cross_entropy_with_logits(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Binary cross-entropy of sigmoid(o), computed from the logits o: exact at any o.

    With softplus(o) = log(1 + e^o):  t softplus(-o) + (1 - t) softplus(o).

    Raises: ValueError for shapes that differ and for targets outside [0, 1].
    """
    who = "binary_cross_entropy_with_logits"
    prediction, target = _pair(who, prediction, target)
    _check_probabilities(who, "target", target)
    return _reduced(who, LogitsBinaryCrossEntropy()(prediction, target), reduction)


def cross_entropy(
    prediction: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """-log softmax(o)[t]: logits (N, C, ...) against labels (N, ...) or probabilities (N, C, ...).

    One sample may come without N. `weight` (C,) weighs the classes; the mean is then over the weights, as
    PyTorch's. Labels equal to `ignore_index` do not count; when all are ignored the loss is 0. With
    `label_smoothing` e the target is (1 - e) t + e / C (Szegedy et al., 2016). "none" leaves (N, ...).

    Raises: ValueError for shapes that do not fit, labels that are no class, probabilities or e outside [0, 1];
    TypeError for labels that are neither integers nor probabilities of the shape of the logits.
    """
    who = "cross_entropy"
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"{who}: label_smoothing must be in [0, 1], got {label_smoothing}")
    axis, classes = _class_axis(who, prediction)
    weights = _class_weights(who, prediction, weight, axis)
    shares = isinstance(target, Tensor) and target.dtype.kind in "fc" and target.shape == prediction.shape
    if not shares and weights is None and not label_smoothing:
        label, counts = _labels(who, prediction, target, ignore_index, axis)
        loss = LogitsCrossEntropy(label._data, counts._data, axis)(prediction)
        if reduction == "mean" and loss.device.checks_values:  # then the host may know how many count
            number = int(counts._data.sum())
            return loss.mean() if number == loss.size > 0 else loss.sum() / max(number, 1)
        return _weighted(who, loss, counts.astype(loss.dtype), reduction)
    log_probability = log_softmax(prediction, axis)
    if shares:
        _pair(who, prediction, target)
        _check_probabilities(who, "target", target)
        soft = target * (1.0 - label_smoothing) + label_smoothing / classes
        loss = -_shares(soft if weights is None else soft * weights, log_probability).sum(axis)
        count = max(loss.size, 1)
        return loss.sum() / count if reduction == "mean" else _reduced(who, loss, reduction)
    loss, chosen = _picked(who, log_probability, target, weights, ignore_index, axis)
    if label_smoothing:
        spread = log_probability if weights is None else _shares(weights, log_probability)
        smooth = -where(target != ignore_index, spread.sum(axis), 0.0) / classes
        loss = (1.0 - label_smoothing) * loss + label_smoothing * smooth
    return _weighted(who, loss, chosen, reduction)


def nll(
    prediction: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood -o[t]: log-probabilities (N, C, ...) against labels (N, ...).

    Options as in `cross_entropy`. Raises ValueError for shapes and labels that do not fit, TypeError for labels
    that are not integers.
    """
    axis, _ = _class_axis("nll", prediction)
    weights = _class_weights("nll", prediction, weight, axis)
    loss, chosen = _picked("nll", prediction, target, weights, ignore_index, axis)
    return _weighted("nll", loss, chosen, reduction)


def categorical_cross_entropy(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """-sum over classes of t log o, for probabilities (N, C, ...) and targets of the same shape.

    log is clamped at -100; "none" leaves (N, ...). Raises ValueError for shapes that differ and for values
    outside [0, 1]: for raw scores use `cross_entropy`.
    """
    who = "categorical_cross_entropy"
    prediction, target = _pair(who, prediction, target)
    _check_probabilities(who, "prediction", prediction)
    _check_probabilities(who, "target", target)
    axis, _ = _class_axis(who, prediction)
    return _reduced(who, -(target * _clamped_log(prediction)).sum(axis), reduction)


def kl_divergence(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """KL(t || o) = sum of t log(t / o) over the last axis, 0 log 0 = 0; "mean" is over the rows.

    Both are probabilities (..., C); logs are clamped at -100 (Kullback and Leibler, 1951). Raises ValueError for
    shapes that differ, 0-d tensors and values outside [0, 1].
    """
    who = "kl_divergence"
    prediction, target = _pair(who, prediction, target)
    _check_probabilities(who, "prediction", prediction)
    _check_probabilities(who, "target", target)
    if prediction.ndim == 0:
        raise ShapeError(who, "expected distributions along the last axis, got 0-d tensors")
    return _reduced(who, (target * (_clamped_log(target) - _clamped_log(prediction))).sum(-1), reduction)


def gaussian_kl(mu: Tensor, logvar: Tensor, reduction: str = "mean") -> Tensor:
    """KL(N(mu, e^logvar) || N(0, 1)) = -1/2 sum of (1 + logvar - mu^2 - e^logvar) over the last axis.

    mu and logvar (..., latents); "mean" is over the rows (Kingma and Welling, 2013, appendix B). Raises
    ValueError for shapes that differ and for 0-d tensors.
    """
    mu, logvar = _pair("gaussian_kl", mu, logvar)
    if mu.ndim == 0:
        raise ShapeError("gaussian_kl", "expected latents along the last axis, got 0-d tensors")
    return _reduced("gaussian_kl", -0.5 * (1.0 + logvar - mu * mu - exp(logvar)).sum(-1), reduction)


def dice(
    prediction: Tensor,
    target: Tensor,
    smooth: float = 1.0,
    include_background: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """1 - (2 sum o t + smooth) / (sum o + sum t + smooth), for each sample and class.

    Probabilities and targets (N, C, ...); sums run over the axes after C. Class 0 is left out unless
    `include_background` (Milletari et al., 2016). An empty mask predicted empty costs 0. Raises ValueError for
    shapes that differ or have no axis after C, predictions outside [0, 1], and when no class is left.
    """
    prediction, target = _pair("dice", prediction, target)
    _check_probabilities("dice", "prediction", prediction)
    if prediction.ndim < 3:
        raise ShapeError(
            "dice", f"expected (N, C, ...) with one axis or more of pixels, got {prediction.shape}"
        )
    if not include_background:
        if prediction.shape[1] < 2:
            raise ShapeError("dice", f"no class is left without the background of {prediction.shape}")
        prediction, target = prediction[:, 1:], target[:, 1:]
    axes = tuple(range(2, prediction.ndim))
    overlap = (prediction * target).sum(axes)
    total = prediction.sum(axes) + target.sum(axes)
    return _reduced("dice", 1.0 - (2.0 * overlap + smooth) / (total + smooth), reduction)


def focal(
    prediction: Tensor, target: Tensor, gamma: float = 2.0, alpha: float = 0.25, reduction: str = "mean"
) -> Tensor:
    """-a (1 - p)^gamma log p with p the probability of the right answer, for binary logits o.

    a is alpha where t = 1 and 1 - alpha where t = 0 (Lin et al., 2017). Raises ValueError for shapes that differ
    and for targets outside [0, 1].
    """
    prediction, target = _pair("focal", prediction, target)
    _check_probabilities("focal", "target", target)
    cross = target * softplus(-prediction) + (1.0 - target) * softplus(prediction)
    wrong = target * sigmoid(-prediction) + (1.0 - target) * sigmoid(prediction)  # 1 - p
    balance = target * alpha + (1.0 - target) * (1.0 - alpha)
    wrong = where(wrong == 0.0, 1.0, wrong)  # where `cross` is 0 as well, and 0^gamma may have no derivative
    return _reduced("focal", balance * wrong**gamma * cross, reduction)


# ---- what losses share


def _reduced(who: str, loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"{who}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _pair(who: str, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both as floats of one dtype; raises, in the name of the loss, for what does not match."""
    for what, x in (("prediction", prediction), ("target", target)):
        if not isinstance(x, Tensor):
            raise DTypeError(who, f"{what} must be a Tensor, got {type(x).__name__}")
    dtype = _check_beside(who, prediction, "target", target) or np.dtype(np.float32)
    if prediction.shape != target.shape:
        raise ShapeError(
            who, f"prediction has shape {prediction.shape}, target {target.shape}; losses never broadcast"
        )
    return _as_float(prediction, dtype), _as_float(target, dtype)


def _as_float(x: Tensor, dtype: np.dtype[Any]) -> Tensor:
    return x if x.dtype.kind in "fc" else x.astype(dtype)


def _check_beside(who: str, prediction: Tensor, what: str, other: Tensor) -> np.dtype[Any] | None:
    """The float among both, if there is one; raises for devices and floating dtypes that must not be mixed."""
    if other.device is not prediction.device:
        raise DeviceError(
            who,
            f"prediction is on {prediction.device}, {what} on {other.device}; "
            f"move one with .to('{prediction.device}')",
        )
    return common_float(who, (prediction.dtype, other.dtype))


def _difference(who: str, prediction: Tensor, target: Tensor) -> Tensor:
    prediction, target = _pair(who, prediction, target)
    return prediction - target


def _check_values(who: str, rule: str, x: Tensor, holds: Callable[[Tensor], Tensor]) -> None:
    """Raises where the rule does not hold; not while a GPU must not wait for the host."""
    if x.device.checks_values:
        data = holds(x)._data
        if not data.all():
            raise ValueError(f"{who}: {rule}; {data.size - int(data.sum())} of {data.size} are not")


def _check_probabilities(who: str, what: str, x: Tensor) -> None:
    _check_values(who, f"{what} must be in [0, 1]", x, lambda x: (x >= 0) & (x <= 1))


def _clamped_log(x: Tensor) -> Tensor:
    return ClampedLog()(x)


def _class_axis(who: str, prediction: Tensor) -> tuple[int, int]:
    """Where the classes are, and how many: axis 1 of a batch, axis 0 of one sample."""
    if not isinstance(prediction, Tensor):
        raise DTypeError(who, f"prediction must be a Tensor, got {type(prediction).__name__}")
    if prediction.ndim == 0:
        raise ShapeError(who, "expected a prediction (N, C, ...) or (C,), got a 0-d tensor")
    axis = 1 if prediction.ndim > 1 else 0
    if prediction.shape[axis] == 0:
        raise ShapeError(
            who, f"expected one class or more on axis {axis}, got a prediction {prediction.shape}"
        )
    return axis, prediction.shape[axis]


def _class_weights(who: str, prediction: Tensor, weight: Tensor | None, axis: int) -> Tensor | None:
    """The weights of the classes, laid out along the class axis of the prediction."""
    if weight is None:
        return None
    if not isinstance(weight, Tensor):
        raise DTypeError(who, f"weight must be a Tensor, got {type(weight).__name__}")
    _check_beside(who, prediction, "weight", weight)
    if weight.shape != (prediction.shape[axis],):
        raise ShapeError(who, f"expected weights of shape ({prediction.shape[axis]},), got {weight.shape}")
    return reshape(weight, tuple(-1 if i == axis else 1 for i in range(prediction.ndim)))


def _labels(
    who: str, prediction: Tensor, target: Tensor, ignore_index: int, axis: int
) -> tuple[Tensor, Tensor]:
    """The labels, checked, with 0 for those that are ignored; and which ones count."""
    if not isinstance(target, Tensor) or target.dtype.kind not in "iu":
        got = target.dtype if isinstance(target, Tensor) else type(target).__name__
        raise DTypeError(
            who,
            f"expected integer labels{' or probabilities of the shape of the logits' * (who != 'nll')}, "
            f"got {got} (prediction {prediction.shape}, target {getattr(target, 'shape', None)})",
        )
    _check_beside(who, prediction, "target", target)
    shape = prediction.shape
    if target.shape != shape[:axis] + shape[axis + 1 :]:
        raise ShapeError(
            who,
            f"prediction of shape {shape} needs labels of shape {shape[:axis] + shape[axis + 1 :]}, "
            f"got {target.shape}",
        )
    counts = Tensor(target._data != ignore_index, target.device)
    checked = target.device.checks_values and target.size > 0 and not 0 <= ignore_index < shape[axis]
    if checked and int(target._data.min()) >= 0 and int(target._data.max()) < shape[axis]:
        return target, counts  # all are labels: the rule
    _check_values(
        who,
        f"labels must be in [0, {shape[axis] - 1}] or the ignore_index {ignore_index}",
        target,
        lambda t: ~counts | ((t >= 0) & (t < shape[axis])),
    )
    return where(counts, target, 0), counts


def _picked(
    who: str, log_probability: Tensor, target: Tensor, weights: Tensor | None, ignore_index: int, axis: int
) -> tuple[Tensor, Tensor]:
    """-w[t] log p[t] for each label, 0 where it is ignored; and w[t], likewise."""
    label, counts = _labels(who, log_probability, target, ignore_index, axis)
    label = unsqueeze(label, axis)
    chosen = counts.astype(log_probability.dtype)
    if weights is not None:
        everywhere = weights.broadcast_to(log_probability.shape)
        chosen = chosen * take_along_axis(everywhere, label, axis).squeeze(axis)
    return -_shares(chosen, take_along_axis(log_probability, label, axis).squeeze(axis)), chosen


def _shares(share: Tensor, log_probability: Tensor) -> Tensor:
    """share * log p; 0 log 0 = 0, for classes masked by a logit of -inf."""
    nothing = (share == 0.0) & (log_probability == -math.inf)
    return share * where(nothing, 0.0, log_probability)


def _weighted(who: str, loss: Tensor, chosen: Tensor, reduction: str) -> Tensor:
    """The reduction of losses that are weighted already; the mean is 0 when nothing counts."""
    if reduction != "mean":
        return _reduced(who, loss, reduction)
    total = chosen.sum()
    return loss.sum() / where(total == 0.0, math.inf, total)
