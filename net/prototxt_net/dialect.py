"""Which Caffe a file was written for.

Order of evidence: what the caller says; a comment `# lsp: dialect=NAME` above the first field; then the file's fields,
enum values and layer types. A file that BVLC Caffe reads is BVLC's. Else the dialects are ranked by how many of the
things that BVLC lacks they have, the best few are bound, and the one with the fewest problems is taken; ties go to
the order of `DIALECTS`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from prototxt_grammar.tree import Tree
from prototxt_net.file import FileKind, NetFile
from prototxt_net.read import bind_chunk
from prototxt_net.schema import load
from prototxt_net.schema.model import FieldType

# Only what the binder itself reports counts; the rest is wrong under every schema.
_COUNTED = frozenset({"SCH001", "SCH002", "SYN010", "SYN011", "SCH017"})
_HEADER = re.compile(r"#\s*lsp:\s*dialect\s*=\s*([\w.+-]+)")
_CANDIDATES = 6


@dataclass(slots=True, frozen=True)
class Verdict:
    """A dialect and, in a few words, why it was chosen."""

    dialect: str
    why: str


@dataclass(slots=True, frozen=True)
class Obstacle:
    """Something in a file that a dialect does not have: a field, an enum value, a layer type."""

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
    schema = load.schema(dialect)
    root = "SolverParameter" if kind == "solver" else "NetParameter"
    found: list[Obstacle] = []
    for base, chunk in zip(tree.starts, tree.chunks, strict=True):
        bound = bind_chunk(chunk, schema, root)
        for problem in bound.problems:
            if problem.code == "SCH001":
                found.append(
                    Obstacle("field", str(problem.data["field"]), str(problem.data["message"]), base + problem.start)
                )
            elif problem.code == "SCH002":
                type_ = problem.data["type"]
                assert isinstance(type_, FieldType)
                found.append(Obstacle("enum value", str(problem.data["found"]), type_.type_name, base + problem.start))
            elif problem.code in _COUNTED:
                found.append(Obstacle("value", str(problem.data.get("field", "")), "", base + problem.start))
        if schema.layer_types_known:
            for layer in bound.layers:
                if layer.type and layer.type not in schema.layer_types:
                    found.append(Obstacle("layer type", layer.type, "", base + layer.node.start))
    return found


def detect(tree: Tree, kind: FileKind) -> Verdict:
    """The dialect of a file by its own evidence. Never raises; a file that says nothing is BVLC's."""
    if kind == "other":
        return Verdict("ssd", "a label map")
    named = header(tree)
    if named in load.DIALECTS:
        return Verdict(named, "named by the comment at the top")
    missing = obstacles(tree, "bvlc", kind)
    if not missing:
        return Verdict("bvlc", "BVLC Caffe reads all of it")
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
    ranked = sorted(votes, key=lambda d: (-votes[d], rank[d]))[:_CANDIDATES]
    best, fewest = "bvlc", len(missing)
    for dialect in ranked:
        count = len(obstacles(tree, dialect, kind))
        if count < fewest:
            best, fewest = dialect, count
        if count == 0:
            break
    if best == "bvlc":
        return Verdict("bvlc", "no known fork has what BVLC Caffe lacks here")
    first = next((item for item in missing if best in _having(item)), missing[0])
    return Verdict(best, f"`{first.name}` is a {first.kind} of {best}, not of BVLC Caffe")


def _having(item: Obstacle) -> tuple[str, ...]:
    if item.kind == "field":
        return load.dialects_with_field(item.where, item.name)
    if item.kind == "enum value":
        return load.dialects_with_enum_value(item.where, item.name)
    if item.kind == "layer type":
        return load.dialects_with_layer_type(item.name)
    return ()


def _preference(tree: Tree) -> list[str]:
    """The order for ties. NVIDIA's 0.15 fills gamma and beta without `scale_bias`, which came with 0.16."""
    order = list(load.DIALECTS)
    if "scale_bias" not in tree.text and "nvidia-0.15" in order and "scale_filler" in tree.text:
        order.remove("nvidia-0.15")
        order.insert(1, "nvidia-0.15")
    return order


def readers(file: NetFile) -> dict[str, list[Obstacle]]:
    """For every dialect, what in this file it does not have; an empty list: it reads the file."""
    return {dialect: obstacles(file.tree, dialect, file.kind) for dialect in load.DIALECTS}

