"""Reading other files: from disk, or from whoever holds a newer text of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from os.path import join

from prototxt_server import files
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import understand
from prototxt_server.linked.lists import ImageList, read_list

_LARGEST = 16_000_000  # bytes; a net with its weights written out is not read for the sake of another file
_Stamp = tuple[int, int]


class Reader:
    """Files on disk. What was read is kept until the file changes, and read nets are kept with it.

    An editor overrides `held`. All paths are relative to the current folder, or absolute.
    """

    def __init__(self) -> None:
        self._texts: dict[str, tuple[_Stamp, Source]] = {}
        self._folders: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._read: dict[str, Analysis] = {}
        self._lists: dict[str, tuple[Source, ImageList | None]] = {}

    # -- to override -----------------------------------------------------------------------------------------------
    def held(self, path: str) -> Analysis | None:
        """The analysis of a text that is newer than the file, for example of an open document."""
        return None

    # -- what is there ---------------------------------------------------------------------------------------------
    def is_file(self, path: str) -> bool:
        """Whether there is a file."""
        return self.held(path) is not None or self._stamp(path) is not None

    def is_there(self, path: str) -> bool:
        """Whether there is a file or a folder."""
        return self.held(path) is not None or os.path.exists(path)

    def names(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, sorted; none when it cannot be listed."""
        try:
            changed = os.stat(folder or ".").st_mtime_ns
            known = self._folders.get(folder)
            if known is None or known[0] != changed:
                known = self._folders[folder] = changed, tuple(sorted(os.listdir(folder or ".")))
        except (OSError, ValueError):
            return ()
        return known[1]

    # -- what it says ----------------------------------------------------------------------------------------------
    def source(self, path: str) -> Source | None:
        """The text of a file, None when there is none that can be read."""
        held = self.held(path)
        if held is not None:
            return held.source
        stamp = self._stamp(path)
        if stamp is None or stamp[1] > _LARGEST:
            return None
        known = self._texts.get(path)
        if known is None or known[0] != stamp:
            try:
                text = files.read(path)
            except files.PathError:
                return None
            known = self._texts[path] = stamp, Source(text.text, path, text.encoding_problem)
        return known[1]

    def analysis(self, path: str, settings: Settings) -> Analysis | None:
        """A file read, but not judged; None when it cannot be read. The same object as long as nothing changes."""
        held = self.held(path)
        if held is not None:
            return held
        source = self.source(path)
        if source is None:
            return None
        settings = settings._replace(phase="auto", level=0, stages=())
        known = self._read.get(path)
        if known is None or known.source is not source or known.settings != settings:
            same = known if known is not None and known.settings == settings else None
            known = self._read[path] = understand(source, settings, same)
        return known

    def image_list(self, path: str) -> ImageList | None:
        """A list of images; the same object as long as the file does not change."""
        source = self.source(path)
        if source is None or source.encoding_problem in (files.UTF16, files.BINARY):
            return None
        known = self._lists.get(path)
        if known is None or known[0] is not source:
            known = self._lists[path] = source, read_list(path, source.text)
        return known[1]

    def records(self, path: str) -> int | None:
        """How many records an LMDB has; None for anything else, and without the package that reads one."""
        if not self.is_there(join(path, "data.mdb")):
            return None
        try:
            import lmdb  # an extra
        except ImportError:
            return None
        try:
            with lmdb.open(path, readonly=True, lock=False, readahead=False, max_readers=1) as database:
                return int(database.stat()["entries"])
        except (lmdb.Error, OSError):
            return None

    def known(self, path: str) -> Analysis | None:
        """What `analysis` gave last for this file, for whoever is about to judge it."""
        return self._read.get(path)

    @staticmethod
    def _stamp(path: str) -> _Stamp | None:
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            return None
        return (found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None


class Given(Reader):
    """Files that are given as texts, and no others: for examples and tests."""

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        self._given = {path: Source(text, path) for path, text in texts}

    def is_file(self, path: str) -> bool:
        """Whether it was given."""
        return path in self._given

    def is_there(self, path: str) -> bool:
        """Whether it was given, or a file in it was."""
        return any(name == path or name.startswith(path + "/") for name in self._given)

    def names(self, folder: str) -> tuple[str, ...]:
        """The given names."""
        return tuple(sorted(path.rpartition("/")[2] for path in self._given if path.rpartition("/")[0] == folder))

    def source(self, path: str) -> Source | None:
        """The given text."""
        return self._given.get(path)


DISK = Reader()
"""The files on disk, for a program that runs once."""
