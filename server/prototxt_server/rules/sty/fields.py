"""STY001, STY004 to STY007: names, order, punctuation and values that say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_grammar.tree import Field, ListValue, Message
from prototxt_net.finding import Finding, Fix
from prototxt_net.message import Bound, Entry
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.nets import layer as block
from prototxt_server.rules.editing import delete_entry, own_top
from prototxt_server.rules.example_nets import CONV, IMAGE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


@rule
class BlobNaming(Rule):
    """A blob that is not named like its layer.

    ## What it does
    Reports the only top of a layer, not in place, that has another name than the layer. Off by default.

    ## Why is this bad?
    Logs name layers and blobs; equal names make the two easier to match.

    ## Fix safety
    Safe: the blob and its readers are renamed; weights are found by the layer's name.
    """

    code = "STY001"
    name = "naming"
    severity = "hint"
    default_on = False
    fix_safety = "safe"
    _RELU = block("ReLU", "relu", "%s", "relu")
    GOOD = (Example(IMAGE + CONV),)
    BAD = (
        Example(
            IMAGE + CONV.replace('top: "conv"', 'top: "c"') + _RELU.replace("%s", "c"),
            fixed=IMAGE + CONV + _RELU.replace("%s", "conv"),
        ),
        Example(
            IMAGE.replace('"data"', '"image"')
            + CONV.replace('bottom: "data"', 'bottom: "image"').replace('name: "conv"', 'name: "first"')
        ),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding a layer."""
        for layer in analysis.file.layers:
            if (
                len(layer.tops) != 1
                or not layer.bottoms
                or not layer.name
                or layer.tops[0] in (layer.name, *layer.bottoms)
            ):
                continue
            edits = own_top(analysis.file, layer, 0)
            taken = any(layer.name in (*other.tops, *other.bottoms) for other in analysis.file.layers)
            fix = Fix("safe", f"Rename it to '{layer.name}'", edits) if edits and not taken else None
            message = f"the top '{layer.tops[0]}' of '{layer.name}' has another name than its layer."
            yield self.at(layer, message, "top", fix=fix)


def _rank(field: Field) -> int | None:
    order = {"name": 0, "type": 1, "bottom": 2, "top": 3, "param": 4}
    if field.name in order:
        return order[field.name]
    return 5 if field.name.endswith("_param") else None


@rule
class FieldOrder(Rule):
    """Fields of a layer in an unusual order.

    ## What it does
    Reports a layer whose name, type, bottoms, tops, `param` blocks and settings do not come in this order. Other fields
    may stand anywhere. Off by default.

    ## Why is this bad?
    Caffe does not mind. Readers look for the name and the type first.

    ## Fix safety
    Safe: fields change places; the order among equal fields, which has a meaning, stays. Blocks with comments are left
    alone.
    """

    code = "STY004"
    name = "field-order"
    severity = "hint"
    default_on = False
    fix_safety = "safe"
    GOOD = (Example(IMAGE + CONV),)
    BAD = (
        Example(
            IMAGE + CONV.replace('  name: "conv"\n  type: "Convolution"\n', '  type: "Convolution"\n  name: "conv"\n'),
            fixed=IMAGE + CONV,
        ),
        Example(IMAGE.replace('  name: "data"\n  type: "Input"\n', '  type: "Input"\n  name: "data"\n'), fixed=IMAGE),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding a layer, at the first field out of order."""
        text = analysis.tree.text
        for layer in analysis.file.layers:
            value = layer.definition.node.value
            if layer.definition.version != 2 or not isinstance(value, Message):
                continue
            ranked = [(rank, field) for field in value.fields if (rank := _rank(field)) is not None]
            wanted = sorted(ranked, key=lambda pair: pair[0])
            if wanted == ranked:
                continue
            wrong = next(have for have, want in zip(ranked, wanted, strict=True) if have is not want)[1]
            fix = None
            if "#" not in text[layer.base + value.start : layer.base + value.end]:
                edits = tuple(
                    Edit(
                        layer.base + have.start, layer.base + have.end, text[layer.base + f.start : layer.base + f.end]
                    )
                    for (_, have), (_, f) in zip(ranked, wanted, strict=True)
                    if have is not f
                )
                fix = Fix("safe", "Reorder them", edits)
            message = f"`{wrong.name}` of '{layer.name}' does not stand where it usually does."
            yield self.in_file(analysis.file, message, layer.base + wrong.start, layer.base + wrong.name_end, fix=fix)


def _all_fields(analysis: Analysis) -> Iterator[tuple[int, Field]]:
    waiting = [(base, item) for base, item in analysis.tree.fields()]
    waiting.reverse()
    while waiting:
        base, item = waiting.pop()
        yield base, item
        value = item.value
        inner = value.items if isinstance(value, ListValue) else [value]
        for message in reversed(inner):
            if isinstance(message, Message):
                waiting.extend((base, field) for field in reversed(message.fields))


@rule
class ColonBeforeBrace(Rule):
    """A colon that is not needed.

    ## What it does
    Reports `field: {`. Off by default. Lists of messages need theirs.

    ## Why is this bad?
    It is legal, and unusual in Caffe's files.

    ## Fix safety
    Safe: the colon is deleted.
    """

    code = "STY005"
    name = "colon-before-brace"
    severity = "hint"
    default_on = False
    fix_safety = "safe"
    GOOD = (Example(IMAGE),)
    BAD = (
        Example(IMAGE.replace("layer {", "layer: {"), fixed=IMAGE),
        Example(IMAGE + CONV.replace("weight_filler {", "weight_filler: {"), fixed=IMAGE + CONV),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding a field."""
        for base, item in _all_fields(analysis):
            if item.colon >= 0 and isinstance(item.value, Message):
                at = base + item.colon
                fix = Fix("safe", "Delete the colon", (Edit(at, at + 1, ""),))
                yield self.in_file(
                    analysis.file, "the colon before a bracket is optional; leave it out.", at, at + 1, fix=fix
                )


@rule
class Separators(Rule):
    """A comma or semicolon behind a field.

    ## What it does
    Reports `,` and `;` behind fields. Off by default. Commas inside lists are needed.

    ## Why is this bad?
    It is legal, and unusual in Caffe's files.

    ## Fix safety
    Safe: the separator is deleted.
    """

    code = "STY006"
    name = "separators"
    severity = "hint"
    default_on = False
    fix_safety = "safe"
    GOOD = (Example(IMAGE),)
    BAD = (
        Example(IMAGE.replace('top: "data"', 'top: "data";'), fixed=IMAGE),
        Example(IMAGE + CONV.replace("pad: 1", "pad: 1,"), fixed=IMAGE + CONV),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding a separator."""
        text = analysis.tree.text
        for base, item in _all_fields(analysis):
            if item.sep >= 0:
                at = base + item.sep
                blank = "" if text[at + 1 : at + 2].isspace() or at + 1 == len(text) else " "
                fix = Fix("safe", "Delete it", (Edit(at, at + 1, blank),))
                yield self.in_file(
                    analysis.file, "separators behind fields are optional; leave them out.", at, at + 1, fix=fix
                )


# Messages and fields whose mere presence matters, whatever the value.
_PRESENCE = frozenset({"FillerParameter", "ParamSpec", "NetStateRule", "NetState", "LossParameter"})
_PRESENT = frozenset({"use_global_stats", "axis", "concat_dim", "slice_dim", "phase", "name", "type"})


@rule
class RedundantDefault(Rule):
    """A value that is the default.

    ## What it does
    Reports a field of a layer that is written with its default value. Off by default. Fields whose presence matters
    (fillers, kernel_h and its kin, use_global_stats, axes) are not reported.

    ## Why is this bad?
    It has no effect. Many authors write defaults on purpose, as documentation.

    ## Fix safety
    Safe: the field is deleted.
    """

    code = "STY007"
    name = "redundant-default"
    severity = "hint"
    default_on = False
    fix_safety = "safe"
    GOOD = (Example(IMAGE + CONV),)
    BAD = (
        Example(
            IMAGE + CONV.replace("pad: 1", "pad: 1 bias_term: true"),
            fixed=IMAGE + CONV,
        ),
        Example(IMAGE + CONV.replace("pad: 1", "pad: 1 group: 1"), fixed=IMAGE + CONV),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding a field."""
        for layer in analysis.file.layers:
            if layer.definition.version != 2:
                continue
            for entry in self._redundant(layer.bound):
                message = f"`{entry.type.name}` of '{layer.name}' has its default value."
                edit = delete_entry(analysis.tree.text, layer.base, entry)
                start, end = layer.base + entry.node.start, layer.base + entry.end
                yield self.in_file(analysis.file, message, start, end, fix=Fix("safe", "Delete it", (edit,)))

    def _redundant(self, bound: Bound) -> Iterator[Entry]:
        if bound.type.name in _PRESENCE:
            return
        for name, entries in bound.entries.items():
            for entry in entries:
                if isinstance(entry.value, Bound):
                    yield from self._redundant(entry.value)
                elif (
                    entry.type.has_default
                    and not entry.type.repeated
                    and entry.ok
                    and entry.value == entry.type.default
                    and name not in _PRESENT
                    and not name.endswith(("_h", "_w"))
                ):
                    yield entry
