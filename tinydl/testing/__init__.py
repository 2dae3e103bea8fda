"""Tools that prove derivatives: for tinydl's own operations, and for yours.

from tinydl.testing import gradcheck, gradgradcheck

gradcheck(lambda x, w: (x @ w).tanh(), [x, w])       # float64 tensors with requires_grad; raises when wrong

`strategies` has Hypothesis strategies for shapes, tensors in all memory layouts, axes, indices and geometries.
It needs Hypothesis (the extra `test`) and is imported on its own: `from tinydl.testing import strategies`.
"""

from tinydl.testing.compare import check_function, memory_order
from tinydl.testing.gradcheck import GradientError, gradcheck, gradgradcheck

__all__ = ["GradientError", "check_function", "gradcheck", "gradgradcheck", "memory_order"]
