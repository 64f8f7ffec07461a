"""Data layers: Datum records of an LMDB or a LevelDB, in the order of their keys.

Nothing in the folder is changed: an LMDB is opened read-only without its lock file. LevelDB has no such mode, so it is
opened in a folder of its own that links to the tables and holds copies of the few small files.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy.typing as npt

from prototxt_gpu_check.data import datum, images
from prototxt_gpu_check.data.base import Absent, DataError, Sample, Source, label
from prototxt_gpu_check.data.transform import Transform


def source(path: Path, backend: str, transform: Transform, force: str, labels: bool) -> Source:
    """The database at `path`. backend: data_param.backend. force: "color", "gray" or "". Raises DataError, Absent."""
    kind = kind_of(path)
    if kind.upper() != backend:
        raise DataError(
            f"{path} is {_WITH_ARTICLE[kind]}, but data_param says backend: {backend}; Caffe cannot open it"
        )
    records = lmdb_records if kind == "LMDB" else leveldb_records

    def samples(n: int) -> Generator[Sample]:
        number = 0
        while True:
            start = number
            with closing(records(path)) as values:
                for at, value in enumerate(values):
                    try:
                        found = datum.parse(value)
                        pixels = _pixels(found, force)
                    except DataError as error:
                        raise DataError(f"{path}: record {at} {error}") from None
                    image = transform(pixels, number)
                    yield (image, label(found.label)) if labels else (image,)
                    number += 1
            if number == start:
                raise DataError(f"{path} holds no records")

    return Source(kind, path, samples)


_WITH_ARTICLE = {"LMDB": "an LMDB", "LevelDB": "a LevelDB"}


def kind_of(path: Path) -> str:
    """Which database a folder holds. Raises DataError."""
    if (path / "data.mdb").is_file():
        return "LMDB"
    if (path / "CURRENT").is_file():
        return "LevelDB"
    raise DataError(f"{path} is neither an LMDB (data.mdb) nor a LevelDB (CURRENT)")


def _pixels(found: datum.Datum, force: str) -> npt.NDArray[Any]:
    """(C, H, W); an encoded image is decoded as `force` says, or as it is.

    force_color and force_gray do nothing to records that are not encoded: Caffe logs an error and goes on.
    """
    if found.pixels is not None:
        return found.pixels
    return images.decode(found.encoded, force).transpose(2, 0, 1)


def lmdb_records(path: Path) -> Generator[bytes]:
    """The values of an LMDB by key. Raises DataError, Absent."""
    try:
        import lmdb
    except ImportError:
        raise Absent('reading an LMDB needs the extra `data` (pip install "prototxt-lsp[data]")') from None
    try:
        with lmdb.open(str(path), readonly=True, lock=False, readahead=False, max_readers=1) as env:
            # A page beyond the end of a mapped file ends the process, so the length is looked at first.
            need = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
            have = (path / "data.mdb").stat().st_size
            if have < need:
                raise DataError(f"{path} is truncated: {have} of {need} bytes are there")
            with env.begin() as transaction, transaction.cursor() as cursor:
                yield from cursor.iternext(keys=False, values=True)
    except lmdb.Error as error:
        why = str(error).removeprefix(f"{path}: ")
        raise DataError(f"{path} cannot be read as an LMDB: {why}") from None


def leveldb_records(path: Path) -> Generator[bytes]:
    """The values of a LevelDB by key. Raises DataError, Absent."""
    leveldb: Any = None
    for name in ("plyvel", "plyvel_next"):
        with suppress(ImportError):
            leveldb = import_module(name)
            break
    if leveldb is None:
        raise Absent('reading a LevelDB needs the extra `leveldb` (pip install "prototxt-lsp[leveldb]")')
    with _apart(path) as folder:
        try:
            with closing(leveldb.DB(str(folder), create_if_missing=False, paranoid_checks=True)) as db:
                yield from db.iterator(include_key=False, verify_checksums=True)
        except (leveldb.Error, OSError) as error:
            raise DataError(
                f"{path} cannot be read as a LevelDB: {str(error).replace(str(folder), str(path))}"
            ) from None


@contextmanager
def _apart(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="prototxt-lsp-leveldb-") as name:
        folder = Path(name)
        try:
            for item in sorted(path.iterdir()):
                if item.suffix in (".ldb", ".sst"):
                    os.symlink(item.resolve(), folder / item.name)
                elif item.name == "CURRENT" or item.name.startswith("MANIFEST-") or item.suffix == ".log":
                    shutil.copyfile(item, folder / item.name)
        except OSError as error:
            raise DataError(f"{path} cannot be opened: {error.strerror or error}") from None
        yield folder
