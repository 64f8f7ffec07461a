"""What an analysis is to be judged beside, found and read: the only look at other files on the way to the rules.

Only what some rule would ask for is looked for, so most nets cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from os.path import basename, dirname, join, normpath, realpath

from prototxt_net import marks
from prototxt_net.batchnorm import norm_family, norms
from prototxt_net.flow import FINE_TUNE_SHARE, any_frozen, missing_share, trainable
from prototxt_net.net import Node, PhaseNet
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.linked.lists import ImageList
from prototxt_server.linked.model import NOTHING, Linked, Missing, Named, NetLink
from prototxt_server.linked.paths import find, is_template
from prototxt_server.linked.reader import Reader
from prototxt_server.linked.twins import training_name

_DOUBTED = frozenset({"BN004", "BN033", "FRZ003", "BN022", "BN031", "INI002"})
"""Rules that a solver can prove wrong: there is no weight_decay, or training starts from weights."""
NET_FIELDS = ("net", "train_net", "test_net")
SUFFIXES = (".prototxt", ".pt")
_MANY = 64  # solvers in a folder that are read for a net


def analyze_linked(
    source: Source,
    settings: Settings,
    reader: Reader,
    previous: Analysis | None = None,
    named: Named = NOTHING,
) -> Analysis:
    """`analyze`, with the files that belong with this one."""
    alone = analyze(source, settings, previous)
    linked = gather(alone, reader, named)
    return alone if linked is None else analyze(source, settings, alone, linked)


def gather(analysis: Analysis, reader: Reader, named: Named = NOTHING) -> Linked | None:
    """The files that belong with an analysed one; None where it has none, and for a text without a name."""
    path = analysis.source.path
    if not path:
        return None
    if analysis.file.kind == "solver":
        nets = _nets(analysis, reader)
        tested = [net for link in nets if link.analysis is not None for net in link.analysis.nets]
        return Linked(nets=nets, records=_records(path, tested, reader), missing=_missing_of_solver(analysis, reader))
    if analysis.file.kind != "net":
        return None
    found = Linked(
        solvers=solvers(analysis, reader) if _asks_for_solver(analysis) else (),
        twin=_twin(analysis, reader, named.twin),
        lists=_lists(path, analysis.nets, reader),
        missing=_missing_of_net(analysis, reader),
        weights=named.weights,
    )
    return None if found == Linked() else found


# -- the nets of a solver ----------------------------------------------------------------------------------------------
def _nets(analysis: Analysis, reader: Reader) -> tuple[NetLink, ...]:
    found = []
    for field in NET_FIELDS:
        for index, entry in enumerate(analysis.file.root.entries.get(field, ())):
            if isinstance(entry.value, str) and entry.ok and not is_template(entry.value):
                found.append(_net(analysis, reader, field, index, entry.value))
    return tuple(found)


def _net(analysis: Analysis, reader: Reader, field: str, index: int, written: str) -> NetLink:
    owner = analysis.source.path
    place = find(owner, written, reader.is_file, beside=True)
    if not place.path:
        return NetLink(field, index, written)
    net = reader.analysis(place.path, analysis.settings)
    if net is not None and net.file.kind != "net":
        net = None
    return NetLink(field, index, written, place.path, place.moved, analysis=net)


# -- the solvers of a net ----------------------------------------------------------------------------------------------
def _asks_for_solver(analysis: Analysis) -> bool:
    """Whether a solver would tell something: of statistics that decay or are averaged slowly, of layers without a
    filler, or of frozen ones.
    """
    if any(finding.code in _DOUBTED for finding in analysis.findings):
        return True
    for net in analysis.nets:
        if net.phase == "TRAIN":
            if any_frozen(net) or (trainable(net) and missing_share(net) >= FINE_TUNE_SHARE):
                return True
            return any(norm_family(node, net.dialect) in ("N15", "YX") for node in norms(net))
    return False


def solvers(analysis: Analysis, reader: Reader) -> tuple[Analysis, ...]:
    """Those in the net's folder that name the net."""
    path = analysis.source.path
    folder, own = dirname(path), basename(path)
    names = [name for name in reader.names(folder) if "solver" in name.lower() and name.endswith(SUFFIXES)]
    found = []
    for name in names[:_MANY]:
        source = reader.source(normpath(join(folder, name)))
        if source is None or own not in source.text:
            continue
        solver = reader.analysis(source.path, analysis.settings)
        if solver is not None and solver.file.kind == "solver" and _names(solver, path, reader):
            found.append(solver)
    return tuple(found)


def _names(solver: Analysis, path: str, reader: Reader) -> bool:
    def is_file(place: str) -> bool:
        return place == normpath(path) or reader.is_file(place)

    for field in ("net", "train_net"):
        for written in solver.file.root.all(field):
            if isinstance(written, str) and basename(written) == basename(path) and not is_template(written):
                place = find(solver.source.path, written, is_file, beside=True)
                if place.path and (place.path == normpath(path) or realpath(place.path) == realpath(path)):
                    return True
    return False


# -- the twin ----------------------------------------------------------------------------------------------------------
def _twin(analysis: Analysis, reader: Reader, named: str) -> Analysis | None:
    path = analysis.source.path
    if not named:
        name = training_name(basename(path), reader.names(dirname(path)))
        named = join(dirname(path), name) if name else ""
    if not named or normpath(named) == normpath(path):
        return None
    twin = reader.analysis(normpath(named), analysis.settings)
    return twin if twin is not None and twin.file.kind == "net" else None


# -- what is not there -------------------------------------------------------------------------------------------------
_DATA_FIELDS = (
    "data_param.source", "image_data_param.source", "hdf5_data_param.source", "window_data_param.source",
    "annotated_data_param.label_map_file", "transform_param.mean_file",
)  # fmt: skip


def _missing_of_net(analysis: Analysis, reader: Reader) -> tuple[Missing, ...]:
    """Data and means; those of other machines, whose folders are not here either, are passed over."""
    found = []
    owner = analysis.source.path
    for layer in analysis.file.marked(marks.source):
        for field in _DATA_FIELDS:
            entry = layer.bound.find(field) if layer.bound.has(field.partition(".")[0]) else None
            if entry is not None and _is_missing(owner, entry.value, reader):
                found.append(Missing(layer.index, field, entry.value))
    return tuple(found)


def _missing_of_solver(analysis: Analysis, reader: Reader) -> tuple[Missing, ...]:
    """Weights, and the folder that snapshots go to."""
    root, owner = analysis.file.root, analysis.source.path
    found = []
    for index, written in enumerate(root.all("weights")):
        names = [name.strip() for name in str(written).split(",")]
        found += [Missing(-1, "weights", name, index) for name in names if _is_missing(owner, name, reader)]
    prefix = root.get("snapshot_prefix")
    folder = dirname(prefix) if isinstance(prefix, str) else ""
    if _is_missing(owner, folder, reader):
        found.append(Missing(-1, "snapshot_prefix", folder))
    return tuple(found)


def _is_missing(owner: str, written: object, reader: Reader) -> bool:
    """Whether there is no such thing, but the folder that would hold it."""
    if not isinstance(written, str) or is_template(written) or find(owner, written, reader.is_there).path:
        return False
    folder = dirname(written.rstrip("/"))
    return bool(folder.strip("/")) and bool(find(owner, folder, reader.is_there).path)


# -- data --------------------------------------------------------------------------------------------------------------
def sources(net: PhaseNet, *types: str) -> Iterator[tuple[Node, str]]:
    """The data layers of some types with what they name as their source."""
    for node in net.of_type(*types):
        written = node.param("image_data_param" if node.type == "ImageData" else "data_param").get("source")
        if isinstance(written, str) and not is_template(written):
            yield node, written


def _lists(owner: str, nets: list[PhaseNet], reader: Reader) -> tuple[tuple[str, ImageList], ...]:
    found: dict[str, ImageList] = {}
    for written in {written for net in nets for _, written in sources(net, "ImageData")}:
        place = find(owner, written, reader.is_file)
        images = reader.image_list(place.path) if place.path else None
        if images is not None:
            found[written] = images
    return tuple(sorted(found.items()))


def _records(owner: str, nets: list[PhaseNet], reader: Reader) -> tuple[tuple[str, int], ...]:
    """The sizes of the sources of test nets."""
    tests = [net for net in nets if net.phase == "TEST"]
    found = {written: images.count for written, images in _lists(owner, tests, reader)}
    for written in {written for net in tests for _, written in sources(net, "Data")}:
        place = find(owner, written, reader.is_there)
        count = reader.records(place.path) if place.path else None
        if count is not None:
            found[written] = count
    return tuple(sorted(found.items()))
