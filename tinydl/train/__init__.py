"""Training: the loop, its record, and what can happen around each step and after each epoch."""

from tinydl.train.adversarial import AdversarialTrainer
from tinydl.train.callbacks import Callback, Checkpoint, EarlyStopping
from tinydl.train.cycle import CycleTrainer
from tinydl.train.gradient_flow import GradientFlow
from tinydl.train.history import History
from tinydl.train.trainer import Trainer

__all__ = [
    "AdversarialTrainer",
    "Callback",
    "Checkpoint",
    "CycleTrainer",
    "EarlyStopping",
    "GradientFlow",
    "History",
    "Trainer",
]
