"""Which Caffe a file was written for.

Order of evidence: what the caller says; a comment `# lsp: dialect=NAME` above the first field; then the fields, enum
values, layer types and fillers. A file that BVLC Caffe reads is BVLC's. Else the dialects are ranked by how many of the
things that BVLC lacks they have, the best few are bound, and the one with the fewest obstacles is taken. Forks copy
from each other, so ties are common: they go to the fork in which the thing began (`_preference`), and where its net
aborts, to a tied one whose net does not (`tied`, asked by whoever builds the nets).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prototxt_grammar.tree import Chunk, Tree
from prototxt_net.file import FileKind, NetFile
from prototxt_net.layers.fillers import FORK_FILLERS
from prototxt_net.message import Bound, Entry
from prototxt_net.read import bind_chunk
from prototxt_net.schema import load
from prototxt_net.schema.model import FieldType, Schema

# Only what the binder itself reports counts; the rest is wrong under every schema.
_COUNTED = frozenset({"SCH001", "SCH002", "SYN010", "SYN011", "SCH017"})
_HEADER = re.compile(r"#\s*lsp:\s*dialect\s*=\s*([\w.+-]+)")
_CANDIDATES = 6
# Where things began that others copied: the detection layers in SSD's, ROIPooling in faster-rcnn's.
_ORIGINS = ("bvlc", "ssd", "py-faster-rcnn")


class Verdict(NamedTuple):
    """A dialect and, in a few words, why it was chosen.

    others: dialects that may read the file as well, best first. obstacles: how many this one meets in it.
    """

    dialect: str
    why: str
    others: tuple[str, ...] = ()
    obstacles: int = 0


class Obstacle(NamedTuple):
    """Something in a file that a dialect does not have: a field, an enum value, a layer type, a filler."""

    kind: str
    name: str
    where: str
    start: int


def header(tree: Tree) -> str:
    """The dialect named by a `# lsp: dialect=NAME` comment above the first field, "" when there is none."""
    end = len(tree.text)
    for base, field in tree.fields():
        end = base + field.start
        break
    match = _HEADER.search(tree.text, 0, end)
    return match.group(1) if match else ""


def obstacles(tree: Tree, dialect: str, kind: FileKind) -> list[Obstacle]:
    """What keeps a dialect from reading the file, in file order."""
    return [
        item._replace(start=base + item.start)
        for base, chunk in zip(tree.starts, tree.chunks, strict=True)
        for item in _obstacles_of(chunk, dialect, kind)
    ]


def _obstacles_of(chunk: Chunk, dialect: str, kind: FileKind) -> list[Obstacle]:
    """Those of one chunk, with offsets relative to it; remembered with the chunk."""
    key = _key(dialect, kind)
    own: list[Obstacle] | None = chunk.cache.get(key)
    if own is None:
        own = chunk.cache[key] = list(_obstacles_in(chunk, load.schema(dialect), key[2]))
    return own


def _key(dialect: str, kind: FileKind) -> tuple[str, str, str]:
    return "obstacles", dialect, "SolverParameter" if kind == "solver" else "NetParameter"


def _count(chunks: Iterable[Chunk], dialect: str, kind: FileKind, enough: int) -> int:
    """The number of obstacles; no chunk is looked at any more once there are `enough`."""
    count = 0
    for chunk in chunks:
        count += len(_obstacles_of(chunk, dialect, kind))
        if count >= enough:
            break
    return count


def _obstacles_in(chunk: Chunk, schema: Schema, root: str) -> Iterator[Obstacle]:
    """Those of one chunk, with offsets relative to it."""
    bound = bind_chunk(chunk, schema, root)
    for problem in bound.problems:
        if problem.code == "SCH001":
            yield Obstacle("field", str(problem.data["field"]), str(problem.data["message"]), problem.start)
        elif problem.code == "SCH002":
            type_ = problem.data["type"]
            assert isinstance(type_, FieldType)
            yield Obstacle("enum value", str(problem.data["found"]), type_.type_name, problem.start)
        elif problem.code in _COUNTED:
            yield Obstacle("value", str(problem.data.get("field", "")), "", problem.start)
    if schema.layer_types_known:
        for layer in bound.layers:
            if layer.type and layer.type not in schema.layer_types:
                yield Obstacle("layer type", layer.type, "", layer.node.start)
    if any(filler in chunk.text for filler in FORK_FILLERS):
        for layer in bound.layers:
            for filler in _fillers(layer.bound):
                if schema.dialect not in FORK_FILLERS.get(filler.value, (schema.dialect,)):
                    yield Obstacle("filler", filler.value, "FillerParameter", filler.start)


def _fillers(bound: Bound) -> Iterator[Entry]:
    """The `type` of every filler in a message."""
    for entries in bound.entries.values():
        for entry in entries:
            if isinstance(entry.value, Bound):
                if entry.value.type.name == "FillerParameter":
                    yield from entry.value.entries.get("type", ())
                else:
                    yield from _fillers(entry.value)


def detect(tree: Tree, kind: FileKind) -> Verdict:
    """The dialect of a file by its own evidence. Never raises; a file that says nothing is BVLC's."""
    if kind == "other":
        return Verdict("ssd", "a label map")
    named = header(tree)
    if named in load.DIALECTS:
        return Verdict(named, "named by the comment at the top")
    # An empty list is remembered with nearly every chunk: a keystroke asks one of them.
    key = _key("bvlc", kind)
    odd = [c for c in tree.chunks if c.cache.get(key) != [] and _obstacles_of(c, "bvlc", kind)]
    if not odd:
        return Verdict("bvlc", "BVLC Caffe reads all of it")
    missing = [item for chunk in odd for item in _obstacles_of(chunk, "bvlc", kind)]
    # Where brackets are missing, fields land in messages that they do not belong to. So if no block in order speaks
    # against BVLC, a broken one does only for a fork that reads all of it.
    broken = [chunk for chunk in odd if chunk.problems]
    doubtful = len(broken) == len(odd)
    inside = {id(chunk) for chunk in odd}
    in_order = [*odd, *(chunk for chunk in tree.chunks if id(chunk) not in inside)]  # those that tell most come first
    votes: Counter[str] = Counter()
    seen: set[tuple[str, str, str]] = set()
    for item in missing:
        key = (item.kind, item.name, item.where)
        if key in seen:
            continue
        seen.add(key)
        for dialect in _having(item):
            votes[dialect] += 1
    rank = {dialect: place for place, dialect in enumerate(_preference(tree))}
    # A dialect without the blocks of this file meets one obstacle a block, and none of those inside, which are more.
    blocks = {field.name for _, field in tree.fields()} & {"layer", "layers"} if kind == "net" else set()
    able = [d for d in votes if blocks <= load.schema(d).messages["NetParameter"].fields.keys()]
    ranked = sorted(able, key=lambda d: (-votes[d], rank[d]))[:_CANDIDATES]
    best, fewest = "bvlc", len(missing)
    for dialect in ranked:
        if doubtful and _count(broken, dialect, kind, 1):
            continue
        count = _count(in_order, dialect, kind, fewest)
        if count < fewest:
            best, fewest = dialect, count
        if count == 0:
            break
    if best == "bvlc":
        return Verdict("bvlc", "no known fork has what BVLC Caffe lacks here", (), fewest)
    first = next((item for item in missing if best in _having(item)), missing[0])
    others = tuple(dialect for dialect in ranked if dialect != best)
    article = "an" if first.kind[0] in "aeiou" else "a"
    return Verdict(best, f"`{first.name}` is {article} {first.kind} of {best}, not of BVLC Caffe", others, fewest)


def reads_as_well(tree: Tree, dialect: str, kind: FileKind, verdict: Verdict) -> bool:
    """Whether another dialect meets no more obstacles in the file than the chosen one."""
    return _count(tree.chunks, dialect, kind, verdict.obstacles + 1) <= verdict.obstacles


def _having(item: Obstacle) -> tuple[str, ...]:
    if item.kind == "field":
        return load.dialects_with_field(item.where, item.name)
    if item.kind == "enum value":
        return load.dialects_with_enum_value(item.where, item.name)
    if item.kind == "layer type":
        return load.dialects_with_layer_type(item.name)
    if item.kind == "filler":
        return FORK_FILLERS.get(item.name, ())
    return ()


def _preference(tree: Tree) -> list[str]:
    """The order for ties. NVIDIA's 0.15 fills gamma and beta without `scale_bias`, which came with 0.16."""
    first = [*_ORIGINS]
    if "scale_filler" in tree.text and "scale_bias" not in tree.text:
        first.insert(1, "nvidia-0.15")
    return [*first, *(dialect for dialect in load.DIALECTS if dialect not in first)]


def readers(file: NetFile) -> dict[str, list[Obstacle]]:
    """For every dialect, what in this file it does not have; an empty list: it reads the file."""
    return {dialect: obstacles(file.tree, dialect, file.kind) for dialect in load.DIALECTS}
