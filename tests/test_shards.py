"""What an operation knows of a batch that several processes share."""

import threading

import pytest

from tinydl.shards import Shard, computing, current


def test_a_share_is_known_where_it_is_computed_and_nowhere_else():
    shard = Shard(2, 5, 9, lambda values: values)
    seen = []
    assert current() is None
    with computing(shard):
        assert current() is shard
        with computing(None):
            assert current() is None
        assert current() is shard
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
    assert seen == [None]
    assert current() is None


def test_an_error_ends_the_share():
    with pytest.raises(ValueError, match="stop"), computing(Shard(0, 1, 2, lambda values: values)):
        raise ValueError("stop")
    assert current() is None


def test_counts_of_the_whole_batch():
    shard = Shard(2, 5, 9, lambda values: values)
    assert shard.of_whole(3) == 9
    assert shard.of_whole(3 * 28 * 28) == 9 * 28 * 28
