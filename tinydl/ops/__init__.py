"""Differentiable operations, forward and backward side by side."""
