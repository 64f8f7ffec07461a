"""From a tree to a `NetFile`: bind each chunk once, gather its layers, find out what kind of file it is.

What a chunk gives is cached on the chunk, so a keystroke binds one block again and the rest is looked up.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from prototxt_grammar.tree import Chunk, Field, Tree
from prototxt_net.bind import Binder
from prototxt_net.file import FileKind, Layer, LayerDef, NetFile
from prototxt_net.finding import Problem
from prototxt_net.message import Bound, Entry
from prototxt_net.schema.load import schema as load_schema
from prototxt_net.schema.model import Schema
from prototxt_net.upgrade import in_v2_terms, input_layer, layer_def
from prototxt_net.v0 import without_padding
from prototxt_net.words import explain

_ROOTS: dict[FileKind, str] = {"net": "NetParameter", "solver": "SolverParameter", "other": "LabelMap"}


@dataclass(slots=True, eq=False)
class BoundChunk:
    """What one chunk says under one schema. Offsets are relative to the chunk. explained: `problems` in words.

    alone: the layer of a chunk that holds one layer in order and nothing else, as nearly all do.
    """

    entries: dict[str, list[Entry]]
    layers: list[LayerDef]
    problems: list[Problem]
    explained: list[Problem] = field(default_factory=list)
    alone: LayerDef | None = None


def bind_chunk(chunk: Chunk, schema: Schema, root: str) -> BoundChunk:
    """The chunk's fields as fields of the root message; cached on the chunk."""
    key = (schema.dialect, root)
    found: BoundChunk | None = chunk.cache.get(key)
    if found is None:
        binder = Binder(schema)
        bound = binder.message(chunk.fields, schema.messages[root], None)
        layers: list[LayerDef] = []
        if root == "NetParameter":
            blocks = [*bound.entries.pop("layer", ()), *bound.entries.pop("layers", ())]
            blocks.sort(key=lambda entry: entry.node.start)
            layers = [layer_def(entry, schema) for entry in blocks if isinstance(entry.value, Bound)]
            if binder.problems or chunk.problems:
                for definition in layers:
                    readable = all(entry.ok for entry in definition.bound.walk())
                    definition.unread = definition.unfinished or not readable
        found = BoundChunk(bound.entries, layers, binder.problems)
        if len(layers) == 1 and not bound.entries and not binder.problems:
            found.alone = layers[0]
        chunk.cache[key] = found
    return found


def file_kind(tree: Tree) -> FileKind:
    """Whether the top-level fields are those of a net, of a solver, or of neither; a tie or an empty file is a net."""
    base = load_schema("bvlc").messages
    net, solver = base["NetParameter"].fields, base["SolverParameter"].fields
    counts: list[tuple[int, int, int]] = []
    for chunk in tree.chunks:
        count: tuple[int, int, int] | None = chunk.cache.get("kind")
        if count is None:
            names = [field.name for field in chunk.fields]
            count = chunk.cache["kind"] = (
                sum(name in net for name in names),
                sum(name in solver for name in names),
                sum(name == "item" for name in names),
            )
        counts.append(count)
    as_net, as_solver, as_other = map(sum, zip(*counts, strict=True)) if counts else (0, 0, 0)
    if as_other and not as_net and not as_solver:
        return "other"
    return "solver" if as_solver > as_net else "net"


def read(tree: Tree, dialect: str, kind: FileKind | None = None) -> NetFile:
    """Bind a tree to a dialect. Raises KeyError for an unknown dialect name, and nothing else, whatever the text."""
    schema = load_schema(dialect)
    kind = kind or file_kind(tree)
    root_name = _ROOTS[kind]
    if root_name not in schema.messages:  # a label map under a dialect that has none
        return NetFile(tree, schema, kind, Bound(schema.messages["NetParameter"], schema, {}, None), {}, [], [])
    layers: list[Layer] = []
    entries: dict[str, list[Entry]] = {}
    bases: dict[int, int] = {}
    problems: list[Problem] = []
    fields = schema.messages[root_name].fields
    key = (dialect, root_name)
    for base, chunk in zip(tree.starts, tree.chunks, strict=True):
        bound: BoundChunk = chunk.cache.get(key) or bind_chunk(chunk, schema, root_name)
        if bound.alone is not None:
            layers.append(Layer(bound.alone, base, len(layers)))
            continue
        for definition in bound.layers:
            layers.append(Layer(definition, base, len(layers)))
        if bound.problems:
            if not bound.explained:
                bound.explained = [explain(problem, schema) for problem in bound.problems]
                _mark_misspelt(bound)
            problems += [problem.shifted(base) for problem in bound.explained]
        for name, found in bound.entries.items():
            _merge(name, found, base, fields[name].repeated, entries, bases, problems)
    root = Bound(schema.messages[root_name], schema, entries, None)
    oldest = "layers" in tree.text and any(layer.definition.version == 0 for layer in layers)
    if oldest:
        layers = without_padding(layers, in_v2_terms(schema))
    if "input" in entries and not (oldest and "input_shape" in entries and "input_dim" not in entries):
        legacy = input_layer(root, schema)
        if legacy is not None:
            for layer in layers:
                layer.index += 1
            layers.insert(0, Layer(legacy, bases[id(legacy.node)], 0))
    return NetFile(tree, schema, kind, root, bases, layers, problems)


def _mark_misspelt(bound: BoundChunk) -> None:
    """A layer with a misspelt field computes with the default, which its author did not mean."""
    places = [problem.start for problem in bound.explained if problem.code == "SCH001" and problem.data.get("near")]
    for definition in bound.layers:
        node = definition.node
        definition.unread |= any(node.start <= place < node.end for place in places)


def layer_in(tree: Tree, layer: Layer, dialect: str) -> LayerDef | None:
    """The same block read for another dialect; None for a layer that stands for legacy `input` fields."""
    at = bisect_left(tree.starts, layer.base)
    found = bind_chunk(tree.chunks[at], load_schema(dialect), "NetParameter")
    return next((other for other in found.layers if other.node is layer.definition.node), None)


def _merge(
    name: str,
    found: list[Entry],
    base: int,
    repeated: bool,
    entries: dict[str, list[Entry]],
    bases: dict[int, int],
    problems: list[Problem],
) -> None:
    have = entries.get(name)
    for entry in found:
        bases[id(entry.node)] = base
    if have is None:
        entries[name] = list(found)
        return
    if not repeated:
        node: Field = found[0].node
        problems.append(
            Problem(
                "SYN011",
                f"`{name}` may appear once in a file; Caffe refuses the file instead of merging the two. Keep one.",
                base + node.start,
                base + node.name_end,
                data={"field": name, "message": "", "kind": found[0].type.kind},
            )
        )
    have.extend(found)
