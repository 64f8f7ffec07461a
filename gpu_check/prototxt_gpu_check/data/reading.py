"""Which source each data layer of a net names, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from prototxt_gpu_check.data import database, hdf5, lists, windows
from prototxt_gpu_check.data.base import Absent, DataError, Source, find, search
from prototxt_gpu_check.data.transform import Transform, read_transform
from prototxt_net.batchnorm import phase_of
from prototxt_net.message import Bound
from prototxt_net.net import Node, PhaseNet

PARAMS = {
    "Data": "data_param",
    "AnnotatedData": "data_param",
    "VideoData": "data_param",
    "ImageData": "image_data_param",
    "ImageSegData": "image_data_param",
    "DenseImageData": "dense_image_data_param",
    "WindowData": "window_data_param",
    "HDF5Data": "hdf5_data_param",
}
"""Layers that read files, and the message that says where they are."""


@dataclass(slots=True)
class Reader:
    """The sources of one net. path: of the net, "" where it has none. notes: why layers get synthetic values.

    given: blobs whose values come from elsewhere; a layer all of whose tops are given is not looked at.
    """

    path: str
    seed: int = 0
    given: Collection[str] = ()
    working: Path = field(default_factory=Path.cwd)
    notes: list[str] = field(default_factory=list)
    _sources: dict[int, Source] | None = None

    def open(self, net: PhaseNet) -> None:
        """Find and open the sources, the first time. Raises DataError for one that Caffe could not read either."""
        if self._sources is not None:
            return
        self._sources = {}
        for node in net.nodes:
            if node.bottoms or node.type not in PARAMS or all(blob.name in self.given for blob in node.tops):
                continue
            try:
                source = self._open(net, node)
                source.shapes()
            except Absent as error:
                self.notes.append(f"'{node.name}' gets a synthetic batch: {error}.")
            except DataError as error:
                raise DataError(f"{error} (--data synthetic runs without it).") from None
            else:
                self._sources[node.position] = source

    def of(self, node: Node) -> Source | None:
        """The source of a layer, of any set-up of the same net."""
        return None if self._sources is None else self._sources.get(node.position)

    def _open(self, net: PhaseNet, node: Node) -> Source:
        opened = _OPENERS.get(node.type)
        if opened is None:
            raise Absent(f"{node.type} sources are not read here")
        param = node.param(PARAMS[node.type])
        name = str(param.get("source") or "")
        if not name:
            raise Absent("it names no source")
        folders = search(self.path, self.working)
        path = find(name, folders)
        if path is None:
            raise Absent(f"{name} is not there")
        train = phase_of(net, node) == "TRAIN"
        transform = read_transform(node.name, node.param("transform_param"), folders, train, self.seed)
        return opened(_Opening(node, param, path, folders, transform))


@dataclass(slots=True, frozen=True)
class _Opening:
    node: Node
    param: Bound
    path: Path
    folders: tuple[Path, ...]
    transform: Transform


def _data(o: _Opening) -> Source:
    transform = o.node.param("transform_param")
    colour, grey = bool(transform.get("force_color")), bool(transform.get("force_gray"))
    if colour and grey:
        raise DataError(f"'{o.node.name}' has force_color and force_gray; Caffe aborts")
    force = "color" if colour else "gray" if grey else ""
    backend = str(o.param.get("backend") or "LEVELDB")
    return database.source(o.path, backend, o.transform, force, len(o.node.tops) > 1)


def _wanted(param: Bound) -> lists.Wanted:
    return lists.Wanted(
        str(param.get("root_folder") or ""),
        int(param.get("new_height") or 0),
        int(param.get("new_width") or 0),
        param.get("is_color") is not False,
        bool(param.get("shuffle")),
    )


def _image_data(o: _Opening) -> Source:
    return lists.source(o.path, _wanted(o.param), o.transform, o.folders)


def _hdf5_data(o: _Opening) -> Source:
    names = [blob.name for blob in o.node.tops]
    return hdf5.source(o.path, names, bool(o.param.get("shuffle")), o.folders, o.transform.seed)


def _window_data(o: _Opening) -> Source:
    return windows.source(o.path, o.param, o.transform, o.folders)


_OPENERS: dict[str, Callable[[_Opening], Source]] = {
    "Data": _data,
    "ImageData": _image_data,
    "HDF5Data": _hdf5_data,
    "WindowData": _window_data,
}
