"""The perceptron (Rosenblatt, 1958): one neuron with a threshold, and a rule that learns it."""

from __future__ import annotations

from tinydl import nn
from tinydl.creation import zeros
from tinydl.tensor import Tensor


class Perceptron(nn.Module):
    """A threshold logic unit: y = 1 where w x + b > 0, else 0. The bias is minus the threshold.

    Rows (N, features) to answers (N,), int64. It starts with w = 0 and b = 0. The step has no derivative worth
    the name, so there is no backpropagation: `learn` applies Rosenblatt's rule.
    """

    def __init__(self, features: int = 2) -> None:
        if features < 1:
            raise ValueError(f"Perceptron({features}): expected one feature or more")
        self.register_buffer("weight", zeros(features))
        self.register_buffer("bias", zeros(1))
        self.weight: Tensor
        self.bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.weight + self.bias > 0).astype("int64")

    def learn(self, x: Tensor, target: Tensor, lr: float = 1.0) -> int:
        """One pass of the rule, row by row; returns how many answers were wrong before their correction.

        error = t - y;    w = w + lr error x;    b = b + lr error

        If a line separates the classes it is found after finitely many corrections (Novikoff, 1962); if none
        does, as for XOR, the corrections never end.
        """
        wrong = 0
        for row, t in zip(x, target, strict=True):
            error = t.item() - self(row.unsqueeze(0)).item()
            if error:
                wrong += 1
                self.weight.data = (self.weight + lr * error * row).data
                self.bias.data = (self.bias + lr * error).data
        return wrong

    def options(self) -> str:
        return str(self.weight.shape[0])
