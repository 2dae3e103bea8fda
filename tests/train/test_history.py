import pytest

from tinydl.train import History


def test_columns_and_rows_are_two_views_of_the_same_numbers(tmp_path):
    history = History()
    history.append({"epoch": 1, "loss": 0.5})
    history.append({"epoch": 2, "loss": 0.25, "validation_loss": 0.125})
    assert history["loss"] == [0.5, 0.25]
    assert history["validation_loss"] == [None, 0.125]
    assert list(history) == ["epoch", "loss", "validation_loss"]
    assert len(history) == 3
    history.to_csv(tmp_path / "h.csv")
    assert (tmp_path / "h.csv").read_text() == "epoch,loss,validation_loss\n1,0.5,\n2,0.25,0.125\n"
    assert repr(history) == "History(2 epochs of epoch, loss, validation_loss)"


def test_a_name_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(KeyError, match="History has no 'acc'; it has epoch, loss"):
        History([{"epoch": 1, "loss": 0.5}])["acc"]
    with pytest.raises(KeyError, match="no epochs yet"):
        History()["loss"]
