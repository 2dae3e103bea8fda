"""Anomaly detection from layers: an autoencoder of benign tumours finds the malignant ones.

python examples/anomaly.py [EPOCHS]
"""

import sys
from pathlib import Path

import numpy as np

import tinydl as td
from tinydl import nn

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 150

table = td.data.breast_cancer.load()
generator = td.Generator(0)
benign, malignant = table.x[table.y == 1], table.x[table.y == 0]
benign = benign[generator.permutation(len(benign))]
held, train, new = benign[:50], benign[50:250], benign[250:]  # no malignant row is learned from

mean, deviation = train.mean(axis=0), train.std(axis=0)
train, held, new, malignant = ((x - mean) / deviation for x in (train, held, new, malignant))

model = nn.Sequential(
    nn.Dense(30, 64, generator=generator),
    nn.Tanh(),
    nn.Dense(64, 16, generator=generator),  # the code: 16 numbers must tell of 30
    nn.Dense(16, 64, generator=generator),
    nn.Tanh(),
    nn.Dense(64, 30, generator=generator),
)


def noisy(rows, generator):
    """The network must also clean what it rebuilds, or it would learn so few rows by heart."""
    return rows + generator.normal(rows.shape)


loader = td.data.DataLoader((train, train), batch_size=32, shuffle=True, generator=generator, transform=noisy)
optimizer = td.optim.Adam(model.parameters(), lr=3e-3)


def errors(rows):
    """The squared errors (N, 30) of what the network rebuilds."""
    with td.no_grad():
        return (rows - model(td.tensor(rows)).numpy()) ** 2


for epoch in range(EPOCHS):
    for x, y in loader:
        loss = td.losses.mse(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 25 == 0 or epoch == 0:
        print(f"epoch {epoch + 1}: error of rows that it learned from {errors(train).mean():.3f}, "
              f"other benign rows {errors(held).mean():.3f}, malignant {errors(malignant).mean():.3f}")  # fmt: skip

# Each feature counts in units of its usual error. New benign rows exceed the second largest of 50 in 2 of 51 cases.
usual = errors(train).mean(axis=0)
normal, strange, known = ((errors(rows) / usual).mean(axis=1) for rows in (new, malignant, held))
threshold = np.sort(known)[-2]
print(
    f"alarms: {np.mean(strange > threshold):.0%} of the malignant, {np.mean(normal > threshold):.0%} of new benign"
)

scores, labels = np.concatenate([normal, strange]), np.repeat([0, 1], [len(normal), len(strange)])
print(f"AUC {td.metrics.roc_auc(td.tensor(scores), td.tensor(labels)):.3f}; a linear autoencoder has 0.94")
Path("runs").mkdir(exist_ok=True)
td.plot.roc({"autoencoder": (scores, labels)}, {"autoencoder": threshold}, "runs/anomaly_example.png")
