"""Optimisers and learning-rate schedules. Update rules equal PyTorch's.

Buffers and updates have the shape, dtype and device of their parameter: float32 stays float32. Every optimiser
raises, when made, what `Optimizer` raises, and ValueError for settings of its own that are out of range.
"""

from tinydl.optim.adaptive import Adagrad, Adam, AdamW, RMSprop
from tinydl.optim.clip import clip_grad_norm_
from tinydl.optim.optimizer import Optimizer
from tinydl.optim.schedule import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau, Schedule, StepLR
from tinydl.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "Schedule",
    "StepLR",
    "clip_grad_norm_",
]
