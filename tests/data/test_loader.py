import numpy as np
import pytest

import tinydl as td
from tinydl.data import DataLoader, TensorDataset


def rows(loader):
    return [tuple(part.numpy().tolist() for part in batch) for batch in loader]


def test_batches_keep_rows_together_and_the_last_one_is_smaller():
    x, y = np.arange(10, dtype=np.float32).reshape(5, 2), np.arange(5)
    loader = DataLoader((x, y), batch_size=2)
    assert len(loader) == 3
    assert rows(loader) == [
        ([[0.0, 1.0], [2.0, 3.0]], [0, 1]),
        ([[4.0, 5.0], [6.0, 7.0]], [2, 3]),
        ([[8.0, 9.0]], [4]),
    ]
    assert [len(b[1]) for b in DataLoader((x, y), batch_size=2, drop_last=True)] == [2, 2]
    assert len(DataLoader((x, y), batch_size=2, drop_last=True)) == 2


def test_shuffling_gives_every_row_once_in_a_new_order_each_pass():
    x = np.arange(100)
    loader = DataLoader((x, x * 2), batch_size=7, shuffle=True, generator=3)
    passes = [
        np.concatenate([a.numpy() for a, b in loader if (b.numpy() == 2 * a.numpy()).all()]) for _ in (1, 2)
    ]
    for order in passes:
        assert sorted(order) == list(range(100))
        assert list(order) != list(range(100))
    assert list(passes[0]) != list(passes[1])


def test_the_same_seed_gives_the_same_batches_and_another_seed_others():
    x = np.arange(50)
    first, again, other = (rows(DataLoader((x,), 8, shuffle=True, generator=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_transform_changes_the_inputs_only_and_draws_from_the_loaders_generator():
    x, y = np.zeros((4, 2), np.float32), np.arange(4)

    def noise(inputs, generator):
        return inputs + generator.random(inputs.shape)

    one, two = (list(DataLoader((x, y), 2, generator=5, transform=noise)) for _ in range(2))
    for (a, t), (b, _) in zip(one, two, strict=True):
        assert (a.numpy() > 0).any()
        assert (a.numpy() == b.numpy()).all()
        assert t.dtype == np.int64
    assert not x.any()


def test_batches_are_copies_so_that_writing_to_them_leaves_the_data_alone():
    x = np.arange(4.0)
    (batch,) = next(iter(DataLoader((x,), 4)))
    batch.data[...] = 7
    assert x.tolist() == [0, 1, 2, 3]


def test_tensors_are_taken_and_dtypes_kept():
    data = TensorDataset(td.tensor([[1.0], [2.0]]), np.array([1, 2], np.int32))
    a, b = next(iter(DataLoader(data, 2)))
    assert (a.dtype, b.dtype) == (np.float32, np.int32)
    assert data[1][1] == 2


@pytest.mark.parametrize(
    "arrays", [(), (np.zeros(3), np.zeros(4)), (np.zeros(()),), (np.zeros(3), np.float32(1))]
)
def test_arrays_of_other_lengths_are_refused(arrays):
    with pytest.raises(ValueError, match="TensorDataset: expected arrays of one length"):
        TensorDataset(*arrays)


@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_batch_sizes_below_one_are_refused(size):
    with pytest.raises(ValueError, match="batch_size must be an integer of 1 or more"):
        DataLoader((np.zeros(3),), size)
