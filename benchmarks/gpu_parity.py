"""Training steps on the GPU against the CPU: the same network, weights and batch, by relative norm.

    python -m benchmarks.gpu_parity [--rows lenet-64,vae] [--steps 4] [--out FILE.json]

For each row of `benchmarks.speed`: ||gpu - cpu|| / ||cpu|| of the loss, of all gradients and of all parameters, over
the steps; eager and captured, in float32 and float64. A stage of `python -m benchmarks.gpu`. It fails where a
difference is larger than rounding can make it: `LIMITS`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import tinydl as td
from benchmarks import networks
from benchmarks.rows import ROWS
from benchmarks.speed import GPU_ROWS
from tinydl.device import Device, get_device

# Rounding of one step is 1e-7 or 1e-16; sums of thousands and a few steps multiply it.
LIMITS = {"float32": 2e-3, "float64": 1e-10}
STEPS = 4  # of a captured step the last one at least is repeated without Python


def train(
    row: str, device: str | Device, dtype: str, compiled: bool, steps: int
) -> dict[str, np.ndarray[Any, Any]]:
    """Losses, the last gradients and the parameters after the steps, each as one float64 vector."""
    arrays = ROWS[row].initial()
    library = networks.tinydl()
    model = ROWS[row].network(library)
    model.load_state_dict({name: a for name, a in arrays.items() if not name.startswith("batch.")})
    model = model.astype(dtype).to(device)
    batch = [arrays[f"batch.{i}"] for i in range(sum(name.startswith("batch.") for name in arrays))]
    tensors = [td.tensor(a.astype(dtype) if a.dtype.kind == "f" else a, device=device) for a in batch]
    optimizer = getattr(library.optim, ROWS[row].optimizer)(model.parameters(), **ROWS[row].options)

    def step() -> Any:
        *inputs, target = tensors
        optimizer.zero_grad()
        loss = ROWS[row].loss(library, model(*inputs), target)
        loss.backward()
        optimizer.step()
        return loss, [p.grad for p in model.parameters()]

    run = td.compile(step, device=device) if compiled else step
    losses = []
    for _ in range(steps):
        loss, gradients = run()
        losses.append(loss.item())
    return {
        "losses": np.array(losses, np.float64),
        "gradients": _vector([g.to("cpu").numpy() for g in gradients]),
        "parameters": _vector([p.detach().to("cpu").numpy() for p in model.parameters()]),
    }


def _vector(arrays: list[Any]) -> np.ndarray[Any, Any]:
    return np.concatenate([a.reshape(-1).astype(np.float64) for a in arrays])


def compare(row: str, device: str | Device, steps: int) -> dict[str, dict[str, float]]:
    """Relative norms of the differences, by dtype and way."""
    found = {}
    for dtype in LIMITS:
        want = train(row, "cpu", dtype, False, steps)
        for way in ("eager", "captured"):
            got = train(row, device, dtype, way == "captured", steps)
            found[f"{dtype}, {way}"] = {
                what: float(np.linalg.norm(got[what] - want[what]) / np.linalg.norm(want[what]))
                for what in want
            }
    return found


def too_far(found: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """What differs by more than its limit, NaN included."""
    return [
        f"{row}, {way}: {what} differ by {norm:.1e}"
        for row, ways in found.items()
        for way, norms in ways.items()
        for what, norm in norms.items()
        if not norm <= LIMITS[way.partition(",")[0]]
    ]


def main() -> int:
    """Prints the norms; the status is 0 when all are within the limits."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=lambda text: text.split(","), default=list(GPU_ROWS))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    try:
        device = get_device("cuda")
    except RuntimeError as error:
        print(f"benchmarks.gpu_parity: {error}", file=sys.stderr)
        return 1
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in asked.rows:
        found[row] = compare(row, device, asked.steps)
        for way, norms in found[row].items():
            print(
                f"{row:12} {way:20}",
                "  ".join(f"{what} {norm:.1e}" for what, norm in norms.items()),
                flush=True,
            )
        if asked.out is not None:
            asked.out.write_text(
                json.dumps({"limits": LIMITS, "steps": asked.steps, "rows": found}, indent=1) + "\n"
            )
    problems = too_far(found)
    print("\n".join(problems) or "all within the limits")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
