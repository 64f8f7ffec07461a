"""What a file is judged beside: data only, collected by `gather`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from prototxt_server.analysis import Analysis
from prototxt_server.linked.lists import ImageList
from prototxt_server.linked.weights import StoredWeights


@dataclass(slots=True, frozen=True)
class NetLink:
    """A net that a solver names. field, index: which entry of the solver names it. written: the path as written.

    path: the file it stands for, openable from the current folder; "" when there is none. moved: that file is not where
    the path says, but next to the solver and of the same name. analysis: the net, read but not judged; None without
    a file, and for one that is no net.
    """

    field: str
    index: int
    written: str
    path: str = ""
    moved: bool = False
    analysis: Analysis | None = None


@dataclass(slots=True, frozen=True)
class Missing:
    """Something that a file names and that is not there, although the folder that would hold it is.

    layer: the index of the layer that names it, -1 in a solver. field: the dotted path of the field. index: which
    occurrence of it. written: the path as written.
    """

    layer: int
    field: str
    written: str
    index: int = 0


class Named(NamedTuple):
    """What the user names beside the files to check. twin: a net. weights: what a caffemodel holds."""

    twin: str = ""
    weights: StoredWeights | None = None


NOTHING = Named()


class Linked(NamedTuple):
    """The other files of an analysis.

    nets: of a solver, in file order. solvers: those in a net's folder that name the net. twin: the training net of a
    deploy net, or the net that the user names. lists: the lists of images that layers name, by the name as written.
    records: the size of a data source, by the name as written. missing: other things that the file names, in file
    order. weights: what the user names.
    """

    nets: tuple[NetLink, ...] = ()
    solvers: tuple[Analysis, ...] = ()
    twin: Analysis | None = None
    lists: tuple[tuple[str, ImageList], ...] = ()
    records: tuple[tuple[str, int], ...] = ()
    missing: tuple[Missing, ...] = ()
    weights: StoredWeights | None = None

    @property
    def without_decay(self) -> bool:
        """Whether there are solvers that name the net, and none of them asks for weight decay (the default is 0)."""
        return bool(self.solvers) and not any(solver.file.root.get("weight_decay") for solver in self.solvers)

    @property
    def without_weights(self) -> bool:
        """Whether there are solvers that name the net, but neither they nor the user name weights to start from."""
        named = (solver.file.root.has("weights") for solver in self.solvers)
        return self.weights is None and bool(self.solvers) and not any(named)

    def link(self, field: str, index: int) -> NetLink | None:
        """The net that an entry of the solver names."""
        return next((link for link in self.nets if link.field == field and link.index == index), None)

    def paths(self) -> Iterator[str]:
        """The nets and solvers that were read: when one of them changes, so may the findings."""
        for link in self.nets:
            if link.analysis is not None:
                yield link.path
        for other in (*self.solvers, *([self.twin] if self.twin else ())):
            yield other.source.path
