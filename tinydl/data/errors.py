"""What goes wrong with data files: they are damaged, or they are not there."""

from __future__ import annotations


class DataError(ValueError):
    """A data file that is not what it should be: damaged, truncated, too large or of another kind."""


class DataNotFound(FileNotFoundError):
    """Data that are in none of the places looked in; the message names them all, and every way out."""
