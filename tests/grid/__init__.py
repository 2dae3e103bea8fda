"""The grid: one row for every public operation, loss and layer, with what it must agree with.

A row is a function that draws a `Case` with Hypothesis: inputs, the call, and the same by other means. The rows
lie in files named after the source files; `tests/test_grid.py` holds each against everything that must be true.
"""
