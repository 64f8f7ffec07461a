"""SCH008, SCH009: `input` fields, the older form of an Input layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_grammar.comments import comments
from prototxt_grammar.edits import Edit, field_removal, line_end, newline_of
from prototxt_net.file import NetFile
from prototxt_net.finding import Finding, Fix
from prototxt_net.message import Entry
from prototxt_net.words import count
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.example_nets import IMAGE
from prototxt_server.rules.sch.legacy import INPUT, OLDEST, TODAY, is_old, is_oldest, reads_v2

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


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


def _comments_within(text: str, start: int, end: int) -> list[str]:
    return [text[start + at : start + behind].rstrip() for at, behind in comments(text[start:end])]


def _removal(text: str, start: int, end: int) -> Edit:
    """Removes a field, but not the comments inside of it: they take its place."""
    inside = _comments_within(text, start, end)
    if not inside:
        return field_removal(text, start, end)
    rest = text[end : line_end(text, end)].strip()
    behind = newline_of(text) if rest and not rest.startswith("#") else ""
    return Edit(start, end, newline_of(text).join(inside) + behind)


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
            'name: "net"\n' + INPUT + TODAY,
            fixed='name: "net"\nlayer {\n  name: "input"\n  type: "Input"\n  top: "data"\n'
            "  input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } }\n}\n" + TODAY,
        ),
        Example('input: "data"\n' + IMAGE, fixed=IMAGE),
        Example('input: "data"\n' + TODAY),
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
        if shapes is None or is_old(analysis):
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
            inside = _comments_within(text, base + first.start, base + first.end)
            edits = [Edit(base + first.start, base + first.end, newline_of(text).join([*inside, block]))]
            nodes = nodes[1:]
        edits += [_removal(text, base + node.start, base + node.end) for base, node in nodes]
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
    GOOD = (Example(INPUT + TODAY),)
    BAD = (
        Example(INPUT.replace("input_dim: 8\n", "", 1) + TODAY),
        Example('input: "a"\ninput: "b"\ninput_shape { dim: 1 }\n'),
        Example('input: "data"\ninput_shape { dim: 2 dim: 3 dim: 8 dim: 8 }\n' + OLDEST),
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
        if shapes and is_oldest(analysis):
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
