"""Tools that prove derivatives: for tinydl's own operations, and for yours.

from tinydl.testing import check_module, gradcheck, gradgradcheck

gradcheck(lambda x, w: (x @ w).tanh(), [x, w])          # float64 tensors with requires_grad; raises when wrong
check_module(nn.Conv2d(3, 8, 3), td.randn(2, 3, 6, 6))  # inputs and parameters, train and eval

`strategies` has Hypothesis strategies for shapes, tensors in all memory layouts, axes, indices and geometries.
It needs Hypothesis (the extra `test`) and is imported on its own: `from tinydl.testing import strategies`.
"""

from tinydl.testing.compare import check_function, memory_order
from tinydl.testing.gradcheck import GradientError, gradcheck, gradgradcheck
from tinydl.testing.module import check_module

__all__ = ["GradientError", "check_function", "check_module", "gradcheck", "gradgradcheck", "memory_order"]
