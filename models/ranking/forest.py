"""A forest of LightGBM (Ke et al. 2017) at work: its text model, read and evaluated by LightGBM's own library.

The C interface is called directly: LightGBM's Python package would bring pandas into a process that only predicts.
"""

from __future__ import annotations

import ctypes
import weakref
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from models.base import Floats, ModelBroken, Scores

_FLOAT32, _ROW_MAJOR, _RAW_SCORE, _ALL = 0, 1, 1, -1  # of LightGBM's c_api.h


class Forest:
    """A fitted forest over `columns` features. Raises `ModelBroken` for a text that is no model."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._handle = ctypes.c_void_p()
        trees, columns = ctypes.c_int(), ctypes.c_int()
        if not text.startswith("tree\n"):  # LightGBM ends the process for some texts that are not its own
            raise ModelBroken(f"reading a forest: found {text[:40]!r}, wanted LightGBM's text model")
        _called("LoadModelFromString", text.encode(), ctypes.byref(trees), ctypes.byref(self._handle))
        self._free = weakref.finalize(self, _called, "Free", self._handle)
        _called("GetNumFeature", self._handle, ctypes.byref(columns))
        self.trees, self.columns = trees.value, columns.value

    def scores(self, rows: Scores, threads: int = 1) -> Floats:
        """The sum of all trees for each row [rows, columns]. Raises ValueError for other columns, or no numbers."""
        if rows.ndim != 2 or rows.shape[1] != self.columns:
            raise ValueError(f"ranking rows of shape {rows.shape}; wanted [candidates, {self.columns}]")
        if not np.isfinite(rows).all():
            raise ValueError("ranking features with NaN or infinity; wanted numbers")
        given = np.ascontiguousarray(rows, np.float32)
        answer, length = np.empty(len(given)), ctypes.c_int64()
        if len(given):
            _called(
                "PredictForMat",
                self._handle,
                ctypes.c_void_p(given.ctypes.data),
                _FLOAT32,
                ctypes.c_int32(len(given)),
                ctypes.c_int32(self.columns),
                _ROW_MAJOR,
                _RAW_SCORE,
                0,
                _ALL,
                f"num_threads={threads}".encode(),
                ctypes.byref(length),
                ctypes.c_void_p(answer.ctypes.data),
            )
        return answer

    def save(self, path: Path) -> None:
        """Write LightGBM's text."""
        path.write_text(self.text, encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Forest:
        """Read it. Raises `ModelBroken`."""
        try:
            return cls(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelBroken(f"reading {path}: {error}; wanted LightGBM's text model") from error


def _called(function: str, *arguments: object) -> None:
    """Call `LGBM_Booster...`. Raises `ModelBroken` with LightGBM's words."""
    library = _library()
    if getattr(library, f"LGBM_Booster{function}")(*arguments):
        raise ModelBroken(f"LightGBM, {function}: {library.LGBM_GetLastError().decode()}")


@cache
def _library() -> ctypes.CDLL:
    """The library inside LightGBM's package, found without importing the package. Raises `ModelBroken`."""
    package = find_spec("lightgbm")
    if package is None or package.origin is None:
        raise ModelBroken("reading a forest: lightgbm is not installed; `make install` installs it")
    library = ctypes.CDLL(str(Path(package.origin).parent / "lib" / "lib_lightgbm.so"))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library
