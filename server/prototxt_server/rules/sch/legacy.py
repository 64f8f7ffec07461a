"""SCH004, SCH005, SCH006, SCH008, SCH009: older ways of writing a net."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit, field_removal, newline_of
from prototxt_grammar.tree import Field
from prototxt_net import marks
from prototxt_net.file import NetFile
from prototxt_net.finding import Finding, Fix
from prototxt_net.message import Entry
from prototxt_net.words import count
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.example_nets import IMAGE
from prototxt_server.rules.sch.convert import v1_to_v2
from prototxt_server.rules.sch.convert_v0 import v0_to_v2

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_V1 = """\
layers {
  name: "conv"
  type: CONVOLUTION
  bottom: "data"
  top: "conv"
  blobs_lr: 1
  blobs_lr: 2
  convolution_param { num_output: 4 kernel_size: 3 }
}
"""
_V2 = """\
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  param { lr_mult: 1 }
  param { lr_mult: 2 }
  convolution_param { num_output: 4 kernel_size: 3 }
}
"""
_INPUT = 'input: "data"\ninput_dim: 2\ninput_dim: 3\ninput_dim: 8\ninput_dim: 8\n'
_V0 = """\
layers {
  layer { name: "conv" type: "conv" num_output: 4 kernelsize: 3 }
  bottom: "data"
  top: "conv"
}
"""
_V0_FIXED = """\
layer {
  name: "conv"
  type: "Convolution"
  convolution_param {
    num_output: 4
    kernel_size: 3
  }
  bottom: "data"
  top: "conv"
}
"""


def _blocks(analysis: Analysis) -> tuple[list[tuple[int, Field]], bool]:
    """The `layers` fields of the file, and whether it has `layer` fields too."""
    old = [(base, item) for base, item in analysis.tree.fields() if item.name == "layers"]
    return old, bool(old) and any(item.name == "layer" for _, item in analysis.tree.fields())


def _is_old(analysis: Analysis) -> bool:
    return bool(analysis.file.marked(marks.old_style))


def _convert(analysis: Analysis) -> Fix | None:
    edits = v1_to_v2(analysis.tree)
    return Fix("safe", "Convert the `layers` blocks", edits) if edits else None


@rule
class V1Layers(Rule):
    """The old form of layers.

    ## What it does
    Reports a file that writes its layers as `layers { type: ENUM }`, once, at the first of them.

    ## Why is this bad?
    Caffe converts it on every load. The old form has no new layer types, and its rates, decays and data transformations
    stand in other places, so what one reads about Caffe today does not fit it.

    ## Fix safety
    Safe: every block is rewritten as Caffe itself converts it.
    """

    code = "SCH004"
    name = "v1-layers"
    severity = "warning"
    fix_safety = "safe"
    GOOD = (Example(IMAGE + _V2),)
    BAD = (
        Example(_INPUT + _V1, fixed=_INPUT + _V2),
        Example(_INPUT + 'layers { name: "relu" type: RELU bottom: "data" top: "data" }\n'),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding."""
        if not _is_old(analysis) or not reads_v2(analysis.file):
            return
        old, mixed = _blocks(analysis)
        if mixed or _is_v0(analysis):
            return
        base, item = old[0]
        message = (
            f"`layers` is the old (V1) form, here in {count(len(old), 'block')}; Caffe converts it on every load. "
            "Convert "
            'it once to `layer { type: "..." }`.'
        )
        yield self.in_file(analysis.file, message, base + item.start, base + item.name_end, fix=_convert(analysis))


@rule
class V0Layers(Rule):
    """The oldest form of layers.

    ## What it does
    Reports a file that writes its layers as `layers { layer { ... } }`, once, at the first of them.

    ## Why is this bad?
    Caffe converts it on every load, twice, and drops what is not on its list: `input_shape`, for example.

    ## Fix safety
    Safe: every block is rewritten as Caffe itself converts it.
    """

    code = "SCH005"
    name = "v0-layers"
    severity = "warning"
    fix_safety = "safe"
    GOOD = (Example(IMAGE + _V2),)
    BAD = (
        Example(_INPUT + _V0, fixed=_INPUT + _V0_FIXED),
        Example(
            _INPUT
            + 'layers { bottom: "data" top: "p" layer { name: "p" type: "pool" pool: MAX kernelsize: 2 stride: 2 } }\n'
        ),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding."""
        if not _is_v0(analysis) or not reads_v2(analysis.file):
            return
        base, item = _blocks(analysis)[0][0]
        message = (
            "`layers { layer { ... } }` is the oldest (V0) form; Caffe converts it on every load and drops the "
            "fields that are not on its list. Convert it once."
        )
        edits = v0_to_v2(analysis.file)
        fix = Fix("safe", "Convert the `layers` blocks", edits) if edits else None
        yield self.in_file(analysis.file, message, base + item.start, base + item.name_end, fix=fix)


@rule
class MixedLayerLayers(Rule):
    """Old and new layers in one file.

    ## What it does
    Reports a file with both `layer` and `layers` blocks.

    ## Why is this bad?
    Caffe refuses to convert such a file and aborts.

    ## Fix safety
    Safe: the `layers` blocks are rewritten as Caffe itself converts them.
    """

    code = "SCH006"
    name = "mixed-layer-layers"
    severity = "error"
    fix_safety = "safe"
    GOOD = (Example(IMAGE + _V2), Example(_INPUT + _V1))
    BAD = (
        Example(IMAGE + _V1, fixed=IMAGE + _V2),
        Example(IMAGE + 'layers { name: "relu" type: RELU bottom: "data" top: "data" }\n'),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding."""
        if not _is_old(analysis):
            return
        old, mixed = _blocks(analysis)
        if mixed:
            base, item = old[0]
            message = (
                "the file has both `layer` and `layers` blocks: Caffe refuses to convert it and aborts. Convert the "
                "`layers` blocks."
            )
            yield self.in_file(
                analysis.file, message, base + item.start, base + item.name_end, aborts=True, fix=_convert(analysis)
            )


def reads_v2(file: NetFile) -> bool:
    """Whether this Caffe knows `layer { type: "..." }` at all: the oldest do not."""
    return "layer" in file.schema.messages["NetParameter"].fields


def _has_input_layer(file: NetFile) -> bool:
    """The type came with its parameters; of some releases only these are known, not the list of types."""
    schema = file.schema
    return (
        reads_v2(file) and "Input" in schema.layer_types and "input_param" in schema.messages["LayerParameter"].fields
    )


def _fields(analysis: Analysis, *names: str) -> list[tuple[int, Entry]]:
    root = analysis.file.root
    found = [(analysis.file.base_of(entry), entry) for name in names for entry in root.entries.get(name, ())]
    return sorted(found, key=lambda pair: pair[0] + pair[1].node.start)


@rule
class InputField(Rule):
    """The old form of net inputs.

    ## What it does
    Reports `input:` fields of the net, in dialects that have an Input layer. A warning when no shape is given.

    ## Why is this bad?
    Caffe turns them into an Input layer. With neither input_dim nor input_shape it drops the name without a word, and
    the layers that read it fail.

    ## Fix safety
    Safe: the fields are replaced by the Input layer that Caffe makes of them.
    """

    code = "SCH008"
    name = "input-field"
    severity = "hint"
    fix_safety = "safe"
    GOOD = (Example(IMAGE),)
    BAD = (
        Example(
            'name: "net"\n' + _INPUT + _V2,
            fixed='name: "net"\nlayer {\n  name: "input"\n  type: "Input"\n  top: "data"\n'
            "  input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } }\n}\n" + _V2,
        ),
        Example('input: "data"\n' + IMAGE, fixed=IMAGE),
        Example('input: "data"\n' + _V2),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding, at the first input."""
        inputs = _fields(analysis, "input")
        if not inputs or analysis.file.kind != "net" or not _has_input_layer(analysis.file):
            return
        base, entry = inputs[0]
        names = ", ".join(f"'{found.value}'" for _, found in inputs)
        start, end = base + entry.node.start, base + entry.end
        if not _fields(analysis, "input_dim", "input_shape"):
            yield self._without_shape(analysis, inputs)
            return
        message = (
            f"`input` is the old form of net inputs; Caffe turns {names} into an Input layer. Write the layer itself."
        )
        yield self.in_file(analysis.file, message, start, end, fix=self._fix(analysis, [e for _, e in inputs]))

    def _without_shape(self, analysis: Analysis, inputs: list[tuple[int, Entry]]) -> Finding:
        text = analysis.tree.text
        names = ", ".join(f"'{entry.value}'" for _, entry in inputs)
        made = {top for layer in analysis.file.layers if not layer.bottoms for top in layer.tops}
        message, fix = f"the input {names} has no shape, so Caffe drops it without a word. ", None
        if all(entry.value in made for _, entry in inputs):
            message += "A layer below makes the blob: delete `input`."
            nodes = {base + entry.node.start: base + entry.node.end for base, entry in inputs}
            fix = Fix("safe", "Delete `input`", tuple(field_removal(text, start, end) for start, end in nodes.items()))
        else:
            message += "Write an Input layer with a shape."
        base, entry = inputs[0]
        start, end = base + entry.node.start, base + entry.end
        return self.in_file(analysis.file, message, start, end, severity="warning", fix=fix)

    def _fix(self, analysis: Analysis, inputs: list[Entry]) -> Fix | None:
        text = analysis.tree.text
        shapes = self._shapes(analysis, len(inputs))
        if shapes is None or _is_old(analysis):
            return None
        fields = _fields(analysis, "input", "input_dim", "input_shape")
        nodes = list({id(entry.node): (base, entry.node) for base, entry in fields}.values())
        lines = ["layer {", '  name: "input"', '  type: "Input"']
        lines += [f'  top: "{entry.value}"' for entry in inputs]
        lines += [f"  input_param {{ {' '.join(shapes)} }}", "}"]
        base, first = nodes[0]
        block = newline_of(text).join(lines)
        written = (layer.span()[0] for layer in analysis.file.layers if layer.definition.node is not first)
        above = next(written, base + first.start)
        if above < base + first.start:  # Caffe puts it first, wherever the fields stand
            edits = [Edit(above, above, block + newline_of(text))]
        else:
            edits = [Edit(base + first.start, base + first.end, block)]
            nodes = nodes[1:]
        edits += [field_removal(text, base + node.start, base + node.end) for base, node in nodes]
        return Fix("safe", "Write the Input layer", tuple(edits))

    def _shapes(self, analysis: Analysis, count: int) -> list[str] | None:
        root = analysis.file.root
        if root.has("input_shape"):
            dims = [shape.all("dim") for shape in root.all("input_shape")]
        else:
            values = root.all("input_dim")
            dims = [values[i : i + 4] for i in range(0, len(values), 4)] if len(values) == 4 * count else []
        if len(dims) != count:
            return None
        return ["shape { " + " ".join(f"dim: {dim}" for dim in shape) + " }" for shape in dims]


@rule
class InputDimCount(Rule):
    """Too few sizes for the inputs.

    ## What it does
    Reports a number of input_dim that is not 4 for each input, and fewer input_shape than inputs. (Where both are given
    Caffe uses input_shape.)

    ## Why is this bad?
    Caffe does not count them: it reads past the end of the list without an error, and the input gets random sizes.
    Forks without an Input layer abort. Surplus values are only ignored (a warning).

    ## Fix safety
    There is no automatic fix: which size is missing is the author's to know.
    """

    code = "SCH009"
    name = "input-dim-count"
    severity = "error"
    GOOD = (Example(_INPUT + _V2),)
    BAD = (
        Example(_INPUT.replace("input_dim: 8\n", "", 1) + _V2),
        Example('input: "a"\ninput: "b"\ninput_shape { dim: 1 }\n'),
        Example('input: "data"\ninput_shape { dim: 2 dim: 3 dim: 8 dim: 8 }\n' + _V0),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding, at the first size."""
        root = analysis.file.root
        inputs, dims, shapes = (len(root.entries.get(n, ())) for n in ("input", "input_dim", "input_shape"))
        if not inputs or not (dims or shapes) or analysis.file.kind != "net":
            return
        name = "input_shape" if shapes else "input_dim"
        given, wanted = (shapes, inputs) if shapes else (dims, 4 * inputs)
        modern = "Input" in analysis.file.schema.layer_types
        start, end = analysis.file.at_root(name)
        if shapes and _is_v0(analysis):
            lost = set(root.all("input")) & {blob for layer in analysis.file.layers for blob in layer.bottoms}
            message = "in a net of the oldest (V0) form `input_shape` is dropped, and the inputs with it; "
            message += "Caffe aborts where a layer reads one. Write `input_dim`."
            yield self.in_file(analysis.file, message, start, end, aborts=bool(lost) and modern)
            return
        if given == wanted:
            return
        message = f"{given} {name} for {count(inputs, 'input')}, {wanted} are needed; "
        if not modern:
            yield self.in_file(analysis.file, message + "Caffe aborts.", start, end, aborts=True)
        elif given < wanted:
            message += "Caffe reads past the end of the list without an error, giving random sizes. Give all of them."
            yield self.in_file(analysis.file, message, start, end)
        else:
            yield self.in_file(analysis.file, message + "the surplus is ignored.", start, end, severity="warning")


def _is_v0(analysis: Analysis) -> bool:
    return any(layer.definition.version == 0 for layer in analysis.file.layers)
