"""Trains in child processes that are killed at random moments, and says whether anything was lost.

Run by test_interruption.py in a process of its own: children are forked, so that none has to import anything.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

import tinydl as td
from tinydl import nn
from tinydl.data import DataLoader
from tinydl.serialization import load_with_metadata
from tinydl.train import Checkpoint, Trainer

EPOCHS = 200


def train(path, resume):
    generator = td.Generator(3)
    model = nn.Sequential(
        nn.Dense(4, 32, generator=generator),
        nn.Tanh(),
        nn.Dropout(0.2, generator=generator.fork()),
        nn.Dense(32, 1, generator=generator),
    )
    x = generator.normal((24, 4))
    loader = DataLoader((x, x[:, :1] * x[:, 1:2]), 8, shuffle=True, generator=generator.fork())
    trainer = Trainer(
        model,
        td.losses.mse,
        td.optim.Adam(model.parameters()),
        callbacks=[Checkpoint(path)],
        progress=False,
    )
    return trainer.fit(loader, epochs=EPOCHS, resume=path if resume else None)


def state(path):
    arrays, metadata = load_with_metadata(path)
    import json

    facts = json.loads(metadata["facts"])
    for row in facts["history"]:
        del row["seconds"]
    return {name: a.tobytes() for name, a in arrays.items()}, facts


def main(folder, kills):
    folder = Path(folder)
    whole, path = folder / "whole", folder / "killed"
    train(whole, resume=False)
    chance = random.Random(0)
    killed = 0
    while killed < kills:
        child = os.fork()
        if child == 0:
            train(path, resume=path.exists())
            os._exit(0)
        time.sleep(chance.uniform(0.001, 0.03))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
        elif os.waitstatus_to_exitcode(status) == 0:
            path.unlink()  # it got to the end before the kill: begin again
        else:
            sys.exit("a child failed: what the kill before it left could not be resumed")
        if path.exists():
            assert len(state(path)[1]["history"]) >= 1  # always a whole file
    train(path, resume=path.exists())
    assert state(path) == state(whole)
    assert np.isfinite(state(path)[1]["history"][-1]["loss"])
    print(f"killed {killed} times, nothing lost")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
