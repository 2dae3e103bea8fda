from __future__ import annotations

from tinydl.data import DataError, DataNotFound


def test_each_is_caught_as_the_builtin_error_it_is() -> None:
    assert issubclass(DataError, ValueError)
    assert issubclass(DataNotFound, FileNotFoundError)
    assert str(DataNotFound("what and where")) == "what and where"
