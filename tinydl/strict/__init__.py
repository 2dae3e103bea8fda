"""A device without hardware that is as strict as a GPU, to find on any machine what would fail on one.

`td.tensor(..., device="strict")`, `model.to("strict")`: everything computes there, with the same code and to the
same bits as on the CPU. But host and device memory are apart, names and parameters are CuPy's, and what would be
slow, racing or different on a GPU raises. Inside `no_sync()` so does everything that would make the host wait.

    sync.py       the errors, and no_sync()
    array.py      the array type
    index.py      its indexing
    module.py     the array module, `xp`
    call.py       how both run NumPy underneath
    manifest.py, make_manifest.py, manifest.json      CuPy's names and parameters
"""

from tinydl.strict.sync import LeakError, SyncError, UndefinedError, no_sync

__all__ = ["LeakError", "SyncError", "UndefinedError", "no_sync"]
