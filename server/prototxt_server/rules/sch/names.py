"""SCH001, SCH002, SCH003, SCH007, SCH012, SCH017: names that this dialect does not have, and names that it must "
"have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit, field_removal, indent_of, newline_of
from prototxt_grammar.tree import Field, Message
from prototxt_net.finding import Fix, Problem
from prototxt_net.net import Node
from prototxt_net.words import OF_V1
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.example_nets import CONV, IMAGE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


def _rename(problem: Problem, new: object, quote: str = "") -> Fix | None:
    if not isinstance(new, str) or not new or problem.data.get("dialects"):
        return None
    text = f"{quote}{new}{quote}"
    return Fix("unsafe", f"Write `{new}`", (Edit(problem.start, problem.end, text),))


def misspelt(analysis: Analysis, offset: int, field: str) -> bool:
    """Whether the top-level block around `offset` has an unknown field whose nearest known name is `field`."""
    for base, block in analysis.tree.fields():
        start, end = base + block.start, base + block.end
        if start <= offset < end:
            return any(
                start <= problem.start < end and problem.data.get("near") == field for problem in analysis.file.problems
            )
    return False


@rule
class UnknownField(ProblemRule):
    """A field that this Caffe does not have.

    ## What it does
    Reports a field name that the message does not have in the dialect at hand. Names are case sensitive. The message
    names the dialects that have the field, the nearest spelling, or the block that it belongs to.

    ## Why is this bad?
    Caffe refuses the whole file. It is the most frequent reason why a net from the web does not load: it was written
    for a fork. For fields of a Caffe of your own there is `ignore-fields` in the configuration.

    ## Fix safety
    Unsafe: the nearest name is a guess. Where another dialect has the field there is no fix; choose that dialect.
    """

    code = "SCH001"
    name = "unknown-field"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(IMAGE + CONV),)
    BAD = (
        Example(IMAGE + CONV.replace("num_output", "num_outputs"), fixed=IMAGE + CONV),
        Example(IMAGE + CONV.replace("pad: 1", "padding_mode: 1")),
    )

    def takes(self, analysis: Analysis, problem: Problem) -> bool:
        """Not what the user's own Caffe has."""
        field, own = str(problem.data.get("field")), analysis.settings.ignore_fields
        return field not in own and f"{problem.data.get('message')}.{field}" not in own

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Rename to the near field."""
        return _rename(problem, problem.data.get("near"))


@rule
class V1FieldInLayer(ProblemRule):
    """A field of the old `layers` form inside `layer`.

    ## What it does
    Reports `blobs_lr` and `weight_decay` inside a `layer` block.

    ## Why is this bad?
    They belong to the old `layers` form. In `layer` they are unknown and Caffe refuses the file; rates and decay stand
    in `param { lr_mult: … decay_mult: … }` there, one block a parameter blob.

    ## Fix safety
    Safe: the values move into `param` blocks, in order.
    """

    code = "SCH007"
    name = "v1-field-in-layer"
    severity = "error"
    fix_safety = "safe"
    source_code = "SCH001"
    _CONV = """\
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
%s  convolution_param { num_output: 4 kernel_size: 3 }
}
"""
    GOOD = (Example(IMAGE + _CONV % "  param { lr_mult: 1 decay_mult: 1 }\n  param { lr_mult: 2 decay_mult: 0 }\n"),)
    BAD = (
        Example(
            IMAGE + _CONV % "  blobs_lr: 1\n  blobs_lr: 2\n  weight_decay: 1\n  weight_decay: 0\n",
            count=4,
            fixed=IMAGE + _CONV % "  param { lr_mult: 1 decay_mult: 1 }\n  param { lr_mult: 2 decay_mult: 0 }\n",
        ),
        Example(IMAGE + 'layer { name: "s" type: "Scale" bottom: "data" top: "s" blobs_lr: 1 }\n'),
    )

    def takes(self, analysis: Analysis, problem: Problem) -> bool:
        """Only these two fields of a V2 layer."""
        return problem.data.get("message") == "LayerParameter" and problem.data.get("field") in OF_V1

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """One fix for the layer, offered at its first such field."""
        for base, block in analysis.tree.fields():
            if base + block.start <= problem.start < base + block.end and isinstance(block.value, Message):
                fields = [field for field in block.value.fields if field.name in OF_V1]
                if not fields or base + fields[0].start != problem.start:
                    return None
                return self._to_params(analysis.tree.text, base, fields)
        return None

    def _to_params(self, text: str, base: int, fields: list[Field]) -> Fix | None:
        values = {
            name: [text[base + f.value.start : base + f.value.end] for f in fields if f.name == name and f.value]
            for name in OF_V1
        }
        blocks = []
        for index in range(max(len(found) for found in values.values())):
            parts = [f"{new}: {values[old][index]}" for old, new in OF_V1.items() if index < len(values[old])]
            blocks.append("param { " + " ".join(parts) + " }")
        first = fields[0]
        pad = newline_of(text) + indent_of(text, base + first.start)
        edits = [Edit(base + first.start, base + first.end, pad.join(blocks))]
        edits += [field_removal(text, base + field.start, base + field.end) for field in fields[1:]]
        return Fix("safe", "Write `param` blocks", tuple(edits)) if blocks else None


@rule
class UnknownEnum(ProblemRule):
    """An enum value that this Caffe does not have.

    ## What it does
    Reports an enum name or number that the dialect's enum does not have. Known numbers are legal (`pool: 1`).

    ## Why is this bad?
    Caffe refuses the file.

    ## Fix safety
    Unsafe: the nearest name is a guess.
    """

    code = "SCH002"
    name = "unknown-enum"
    severity = "error"
    fix_safety = "unsafe"
    _POOL = 'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { pool: %s kernel_size: 2 } }\n'
    GOOD = (Example(IMAGE + _POOL % "MAX"), Example(IMAGE + _POOL % "1"))
    BAD = (
        Example(IMAGE + _POOL % "AVER", fixed=IMAGE + _POOL % "AVE"),
        Example(IMAGE + _POOL % "9"),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Write the near value."""
        return _rename(problem, problem.data.get("near"))


@rule
class UnknownLayerType(ProblemRule):
    """A layer type that this Caffe does not register.

    ## What it does
    Reports a `type` outside the dialect's registry: a slip of letter case, a V1 name in quotes, a type of another fork
    or framework. Types are case sensitive.

    ## Why is this bad?
    Caffe aborts when it creates the layer: "Unknown layer type". For types of a Caffe of your own there is
    `custom-layers` in the configuration.

    ## Fix safety
    Unsafe: the nearest type is a guess. Where another dialect has the type there is no fix; choose that dialect.
    """

    code = "SCH003"
    name = "unknown-layer-type"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(IMAGE + CONV),)
    BAD = (
        Example(IMAGE + CONV.replace("Convolution", "Convolutoin"), fixed=IMAGE + CONV),
        Example(IMAGE + 'layer { name: "relu" type: "relu" bottom: "data" top: "data" }\n'),
    )

    def takes(self, analysis: Analysis, problem: Problem) -> bool:
        """Not what the user's own Caffe has."""
        return problem.data.get("type") not in analysis.settings.custom_layers

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Write the near type."""
        near = problem.data.get("near")
        entry = node.layer.bound.entry("type") if node is not None else None
        if node is None or entry is None or not isinstance(near, str) or not near or problem.data.get("dialects"):
            return None
        edit = Edit(node.layer.base + entry.start, node.layer.base + entry.end, f'"{near}"')
        return Fix("unsafe", f"Write `{near}`", (edit,))


@rule
class MissingType(ProblemRule):
    """A layer without a type.

    ## What it does
    Reports a layer that has no `type`.

    ## Why is this bad?
    Caffe looks for a layer type with an empty name and aborts: "Unknown layer type".

    ## Fix safety
    There is no automatic fix.
    """

    code = "SCH012"
    name = "missing-type"
    severity = "error"
    GOOD = (Example(IMAGE),)
    BAD = (
        Example(IMAGE + 'layer { name: "relu" bottom: "data" top: "data" }\n'),
        Example(IMAGE + CONV.replace('  type: "Convolution"\n', "")),
    )

    def takes(self, analysis: Analysis, problem: Problem) -> bool:
        """Not where a misspelt `type` has been reported already, nor in V0 layers, whose type stands further in."""
        if any(layer.definition.version == 0 for layer in analysis.file.layers):
            return False
        return not misspelt(analysis, problem.start, "type")


@rule
class MissingRequired(ProblemRule):
    """A message without a field that it must have.

    ## What it does
    Reports a message in which a required field is not written, such as `min` or `max` of `clip_param`.

    ## Why is this bad?
    A required field has no default: protobuf refuses the whole file.

    ## Fix safety
    There is no automatic fix: the value is the author's to choose.
    """

    code = "SCH017"
    name = "missing-required-field"
    severity = "error"
    _CLIP = 'layer { name: "clip" type: "Clip" bottom: "data" top: "clip" clip_param { min: 0 max: 1 } }\n'
    GOOD = (Example(IMAGE + _CLIP),)
    BAD = (
        Example(IMAGE + _CLIP.replace("max: 1 ", "")),
        Example(IMAGE + _CLIP.replace("min: 0 ", "")),
    )
