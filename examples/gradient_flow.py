"""Is the learning rate right? Gradients and updates say it: LeNet-5 with a low, a good and a high rate.

python examples/gradient_flow.py [EPOCHS]
"""

import sys
from pathlib import Path

import numpy as np

import tinydl as td
from tinydl.data import DataLoader
from tinydl.train import GradientFlow, Trainer

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
RATES = {"low": 0.001, "good": 0.03, "high": 1.0}

train, _ = td.data.mnist.load()
x = np.pad(td.data.to_float(train.images), ((0, 0), (0, 0), (2, 2), (2, 2)))  # 28x28 to 32x32
learn, judge, _ = td.data.train_validation_test_split(
    x, train.labels, fractions=(0.8, 0.2, 0.0), stratify=train.labels, generator=0
)

Path("runs").mkdir(exist_ok=True)
for name, rate in RATES.items():
    model = td.models.LeNet5(generator=0)
    flow = GradientFlow(every=10)  # measures the first of every ten steps
    trainer = Trainer(
        model,
        td.losses.cross_entropy,
        td.optim.SGD(model.parameters(), lr=rate, momentum=0.9),
        [td.metrics.accuracy],
        callbacks=[flow],
        progress=False,
    )
    history = trainer.fit(DataLoader(learn, 64, shuffle=True, generator=0), DataLoader(judge, 200), EPOCHS)
    first, last = (flow.updates["c3.weight"][epoch] for epoch in (0, -1))
    print(
        f"rate {rate:<5g} validation accuracy {history['validation_accuracy'][-1]:6.1%}; a step moves the weights of "
        f"C3 by {first:.1e} of their size in the first epoch, by {last:.1e} in the last"
    )
    flow.plot(f"runs/gradient_flow_{name}.png", f"LeNet-5 with a learning rate of {rate:g}")
print("written: runs/gradient_flow_*.png; a thousandth of their size is a good step, as a rule of thumb")
