from __future__ import annotations

import subprocess
import sys

import tinydl.data as data

PROBE = """
import sys, numpy
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import tinydl.data
print([path for path in opened if "data/files" in path.replace(chr(92), "/")])
print(sorted({"PIL", "matplotlib", "urllib.request", "http.client"} & set(sys.modules)))
"""


def test_import_reads_no_data_and_loads_nothing_heavy() -> None:
    # tinydl.data comes in by itself or through tinydl; either way no data file may be opened
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_every_public_name_exists() -> None:
    assert all(hasattr(data, name) for name in data.__all__)
