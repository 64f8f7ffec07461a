"""Where a path that is written in a file may lie.

Caffe opens it from the folder that it is started in, which nobody knows here. By custom that is the project's root, so
the folders above the file are tried too; and people move folders, so the file's own folder is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from os.path import basename, dirname, isabs, join, normpath
from typing import NamedTuple

_PLACEHOLDER = re.compile(r"[@$%{}<>*?|]|://")
_UP = 12  # folders above the file, at most


class Place(NamedTuple):
    """Where a written path was found. path: "" nowhere. moved: only its name fits, in the file's own folder."""

    path: str
    moved: bool = False


def is_template(written: str) -> bool:
    """Whether a path has a blank that a script or a fork fills in."""
    return not written or _PLACEHOLDER.search(written) is not None


def bases(owner: str, written: str) -> Iterator[str]:
    """The folders to start from, "" for the current one: Caffe's own way first.

    owner: the file that the path stands in. A name without a folder is not looked for above the file.
    """
    yield ""
    if isabs(written):
        return
    here = dirname(owner)
    if here:
        yield here
    if "/" not in written.replace("\\", "/"):
        return
    above = normpath(here or ".")
    for _ in range(_UP):
        above = dirname(above) if isabs(above) else normpath(join(above, ".."))
        yield above
        if above == dirname(above) and isabs(above):
            return


def find(owner: str, written: str, is_there: Callable[[str], bool], *, beside: bool = False) -> Place:
    """The first place where it is. beside: also accept a file of the same name in the owner's folder."""
    for base in bases(owner, written):
        path = normpath(join(base, written)) if base else normpath(written)
        if is_there(path):
            return Place(path)
    if beside:
        path = normpath(join(dirname(owner), basename(written.replace("\\", "/"))))
        if is_there(path):
            return Place(path, moved=True)
    return Place("")
