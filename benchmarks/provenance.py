"""What every result file says about where its figures come from."""

from __future__ import annotations

import datetime
import os
import subprocess
from pathlib import Path

from tinydl.recipes.recipe import versions


def provenance() -> dict[str, object]:
    """Date, commit (with "+" when files were changed since), cores, BLAS threads asked for, and versions.

    In a copy of the files without .git the commit is what TINYDL_COMMIT says.
    """

    def git(*arguments: str) -> str:
        here = Path(__file__).parent
        return subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        commit = git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        commit = os.environ.get("TINYDL_COMMIT", "unknown")
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit,
        "cores": os.cpu_count(),
        "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "not set"),
        "versions": versions(),
    }
