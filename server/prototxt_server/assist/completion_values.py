"""What may stand behind a field's colon: words of its type, layer types, fillers, blobs, names that are shared."""

from __future__ import annotations

from collections.abc import Iterator

from prototxt_net.schema.model import FieldType
from prototxt_net.shape import text as shape_text
from prototxt_server.analysis import Analysis
from prototxt_server.assist import names
from prototxt_server.assist.fillers import FILLERS
from prototxt_server.assist.locate import Spot
from prototxt_server.assist.proposal import Item, Kind, literal
from prototxt_server.rules.sol.common import TYPES as SOLVERS
from prototxt_server.rules.sol.rate import policies

_USUAL = frozenset(
    {"BatchNorm", "Concat", "Convolution", "Dropout", "Eltwise", "InnerProduct", "Pooling", "ReLU", "Scale"}
)
"""What most layers of published nets are: proposed before the others."""
_IN_LAYER = (("layer",), ("layers",))
_DOCUMENTED_IN_FIELD = {("SolverParameter", "type"), ("SolverParameter", "lr_policy")}
_WORDS = {("LayerParameter", "type"), ("FillerParameter", "type"), ("ParamSpec", "name"), *_DOCUMENTED_IN_FIELD}


def has_values(message: str, declared: FieldType) -> bool:
    """Whether there is anything to propose for a field."""
    blob = message.endswith("LayerParameter") and declared.name in ("bottom", "top")
    return declared.kind in ("bool", "enum") or blob or (message, declared.name) in _WORDS


def values(
    analysis: Analysis, spot: Spot, message: str, declared: FieldType, start: int, quoted: bool
) -> Iterator[Item]:
    """Proposals for the value of a field of `message`, which the spot is inside of. quoted: the quote is there."""
    schema = analysis.file.schema
    space = " " if not quoted and analysis.source.text[start - 1 : start] == ":" else ""

    def item(label: str, kind: Kind, detail: str, order: int = 5, doc_key: tuple[str, str, str] = ("", "", "")) -> Item:
        text = literal(label) if quoted or kind in ("enum", "word") else f'"{literal(label)}"'
        return Item(label, kind, detail, space + text, start, order, doc_key=doc_key)

    field = (message, declared.name)
    if declared.kind == "bool":
        for word in ("true", "false"):
            yield item(word, "word", "bool")
    elif declared.kind == "enum":
        for value in schema.enums[declared.type_name].values:
            key = ("enum", schema.dialect, f"{declared.type_name}.{value}")
            yield item(value, "enum", declared.type_name, doc_key=key)
    elif field == ("LayerParameter", "type"):
        for type_ in sorted(schema.layer_types):
            order = 4 if type_ in _USUAL else 5
            yield item(type_, "layer-type", "layer type", order, ("layer", schema.dialect, type_))
    elif field == ("FillerParameter", "type"):
        for filler in FILLERS:
            yield item(filler, "filler", "filler", doc_key=("filler", "", filler))
    elif field == ("ParamSpec", "name"):
        for name in dict.fromkeys(one.name for one in names.everywhere(analysis) if one.kind == names.PARAMETER):
            if spot.layer is None or not _only_here(analysis, spot, name):
                yield item(name, "blob", "shared parameter blob")
    elif field in _DOCUMENTED_IN_FIELD:
        for word in SOLVERS if declared.name == "type" else policies(analysis.file.root):
            yield item(word, "filler", declared.name, doc_key=(schema.dialect, message, declared.name))
    elif declared.name in ("bottom", "top") and spot.path in _IN_LAYER:
        for order, (name, shape) in enumerate(_blobs(analysis, spot, declared.name)):
            yield item(name, "blob", shape, order)


def _only_here(analysis: Analysis, spot: Spot, name: str) -> bool:
    """Whether nothing but the value at the spot has the name."""
    around = spot.base + spot.steps[-1].field.start, spot.base + spot.steps[-1].field.end
    return all(
        around[0] <= one.start <= around[1]
        for one in names.everywhere(analysis)
        if one.kind == names.PARAMETER and one.name == name
    )


def _blobs(analysis: Analysis, spot: Spot, role: str) -> list[tuple[str, str]]:
    """(name, shape): for a bottom the blobs made above; for a top the layer's own name and, in place, its bottoms."""
    above = blobs_above(analysis, spot.base + spot.steps[0].field.start)
    if role == "bottom" or spot.layer is None:
        return above
    read = [(name, f"in place, {shape}") for name, shape in above if name in spot.layer.bottoms]
    taken = {name for name, _ in above}
    own = spot.layer.name
    return [(own, "the layer's name"), *read] if own and own not in taken else read


def blobs_above(analysis: Analysis, offset: int) -> list[tuple[str, str]]:
    """The names of the blobs that layers before an offset write, the nearest first, with their last shape."""
    found: dict[str, str] = {}
    for net in analysis.nets:
        for node in net.nodes:
            if node.layer.span()[0] >= offset:
                break
            for top in node.tops:
                found.pop(top.name, None)
                found[top.name] = shape_text(top.shape)
    if not analysis.nets:
        for layer in analysis.file.layers:
            if layer.span()[0] < offset:
                found |= dict.fromkeys(layer.tops, "?")
    return list(reversed(found.items()))
