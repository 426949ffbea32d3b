"""How models lie on disk: npz archives and JSON, the same bytes for the same content, and never pickle."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from models.base import ModelBroken

Config = TypeVar("Config")
_NO_ARCHIVE = (  # what `np.load` meets: also an empty file (EOFError), one array alone (TypeError), another packing
    OSError,
    ValueError,
    EOFError,
    TypeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold: one time for all, so that bytes are equal


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write an npz archive, members in order of name. Raises ValueError for an array of objects."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(arrays[name]), allow_pickle=False)


def read_arrays(path: Path, wanted: frozenset[str]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an archive. Raises `ModelBroken` where it is none, or lacks one that is wanted."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except _NO_ARCHIVE as error:
        raise ModelBroken(f"reading {path}: {error}; wanted an npz archive of {sorted(wanted)}") from error
    if not wanted <= arrays.keys():
        raise ModelBroken(f"reading {path}: found {sorted(arrays)}, wanted {sorted(wanted)}")
    return arrays


def write_json(path: Path, document: Any) -> None:
    """Write JSON with sorted keys, for people to read too."""
    path.write_text(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises `ModelBroken` where the file holds none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelBroken(f"reading {path}: {error}; wanted a JSON object") from error
    if not isinstance(document, dict):
        raise ModelBroken(f"reading {path}: found a {type(document).__name__}, wanted a JSON object")
    return document


def read_config(kind: Callable[..., Config], document: Mapping[str, Any], where: Path) -> Config:
    """A config from its JSON form. Raises `ModelBroken` for unknown fields or values that it refuses."""
    try:
        return kind(**document)
    except (TypeError, ValueError) as error:
        raise ModelBroken(f"reading {where}: {error}; wanted the fields of {kind}") from error


def sparse_arrays(prefix: str, matrix: csr_array) -> dict[str, npt.NDArray[Any]]:
    """A sparse matrix as plain arrays, to be written with others."""
    return {
        f"{prefix}_data": matrix.data,
        f"{prefix}_indices": matrix.indices.astype(np.int32),
        f"{prefix}_indptr": matrix.indptr.astype(np.int64),
    }


def sparse_from_arrays(prefix: str, arrays: Mapping[str, npt.NDArray[Any]], shape: tuple[int, int]) -> csr_array:
    """What `sparse_arrays` took apart. Raises ValueError where the parts do not fit together."""
    parts = (arrays[f"{prefix}_data"], arrays[f"{prefix}_indices"], arrays[f"{prefix}_indptr"])
    matrix = csr_array(parts, shape)
    matrix.check_format()
    return matrix


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_folder(folder: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """The bytes of each file below a folder, by path within it."""
    return {path.relative_to(folder).as_posix(): np.fromfile(path, np.uint8) for path in _files_below(folder)}


def write_folder(folder: Path, files: Mapping[str, npt.NDArray[np.uint8]]) -> None:
    """Write what `read_folder` read."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.tobytes())


def hashes(folder: Path, manifest: str = "") -> dict[str, str]:
    """The sha256 of each file below a folder, by path within it; the manifest, which will hold them, is left out."""
    found = [path for path in _files_below(folder) if path.name != manifest]
    return {path.relative_to(folder).as_posix(): sha256(path) for path in found}


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
