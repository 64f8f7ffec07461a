"""SCH014, SCH015, SCH016: old names of fields, and fields of two Caffes in one file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_net.file import Layer, LayerDef
from prototxt_net.finding import Finding, Fix, Related
from prototxt_net.message import Bound, Entry
from prototxt_net.schema import load
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.nets import layer as block
from prototxt_server.rules.editing import delete_entry
from prototxt_server.rules.example_nets import IMAGE
from prototxt_server.rules.local import LayerRule
from prototxt_server.rules.sol.common import OLD_TYPES

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


@rule
class SolverEnum(Rule):
    """The old spelling of a solver's type.

    ## What it does
    Reports `solver_type` in a solver. That `type` is written too is SOL013's business.

    ## Why is this bad?
    Caffe converts it on every load, to `type`.

    ## Fix safety
    Safe: it becomes `type: "..."`.
    """

    code = "SCH014"
    name = "solver-enum"
    severity = "hint"
    fix_safety = "safe"
    _SOLVER = 'net: "train.prototxt"\nbase_lr: 0.01\nlr_policy: "fixed"\nmax_iter: 100\n'
    GOOD = (Example(_SOLVER + 'type: "Adam"\n', filename="solver.prototxt"),)
    BAD = (
        Example(_SOLVER + "solver_type: ADAM\n", filename="solver.prototxt", fixed=_SOLVER + 'type: "Adam"\n'),
        Example(_SOLVER + "solver_type: 1\n", filename="solver.prototxt", fixed=_SOLVER + 'type: "Nesterov"\n'),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding."""
        file = analysis.file
        entry = file.root.entry("solver_type") if file.kind == "solver" else None
        if entry is None or entry.value not in OLD_TYPES:
            return
        if "type" not in file.root.type.fields or file.root.has("type"):
            return
        base, new = file.base_of(entry), OLD_TYPES[entry.value]
        start, end = base + entry.node.start, base + entry.end
        message = f'`solver_type: {entry.value}` is the old spelling of `type: "{new}"`; it is converted on load.'
        yield self.in_file(
            file, message, start, end, fix=Fix("safe", f'Write `type: "{new}"`', (Edit(start, end, f'type: "{new}"'),))
        )


@rule
class MixedDialects(Rule):
    """Fields of two Caffes.

    ## What it does
    Reports a file with a field that only some dialects have and another field that only other dialects have.

    ## Why is this bad?
    No known Caffe can read both, so none reads the file.

    ## Fix safety
    There is no automatic fix: remove one of the two.
    """

    code = "SCH015"
    name = "mixed-dialects"
    severity = "warning"
    _NORM = block("Convolution", "conv", "data", "conv", "convolution_param { num_output: 4 kernel_size: 3 }")
    GOOD = (Example(IMAGE + _NORM),)
    BAD = (
        Example(
            IMAGE
            + block("PSROIPooling", "roi", "data data", "roi", "psroi_pooling_param { group_size: 7 }")
            + block("BatchNorm", "bn", "data", "bn", "batch_norm_param { scale_bias: true }"),
            dialect="auto",
        ),
        Example(
            IMAGE
            + block("PSROIPooling", "roi", "data data", "roi", "psroi_pooling_param { group_size: 7 }")
            + block("Correlation", "c", "data data", "c", "correlation_param { kernel_size: 1 }"),
            dialect="auto",
        ),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding: the first two fields that no dialect has together."""
        unknown = [p for p in analysis.file.problems if p.code == "SCH001" and p.data.get("dialects")]
        if not unknown or analysis.settings.dialect != "auto":
            return
        used = _fork_fields(analysis)
        for problem in unknown:
            owners = load.dialects_with_field(str(problem.data["message"]), str(problem.data["field"]))
            for name, (others, start, end) in used.items():
                if not set(owners) & set(others):
                    field = problem.data["field"]
                    message = (
                        f"`{field}` exists only in {_some(owners)} and `{name}` only in {_some(others)}: no known "
                        "Caffe "
                        "reads both. Remove one."
                    )
                    notes = (Related(f"`{name}` stands here", start, end),)
                    yield self.in_file(analysis.file, message, problem.start, problem.end, related=notes)
                    return


def _some(dialects: tuple[str, ...]) -> str:
    return ", ".join(dialects[:3]) + (f" and {len(dialects) - 3} more" if len(dialects) > 3 else "")


def _fork_fields(analysis: Analysis) -> dict[str, tuple[tuple[str, ...], int, int]]:
    """The fields of the layers that BVLC Caffe lacks, with the dialects that have them and their first place."""
    found: dict[str, tuple[tuple[str, ...], int, int]] = {}
    for layer in analysis.file.layers:
        for owner, entry in _walk(layer.bound):
            if entry.type.name not in found:
                dialects = load.dialects_with_field(owner, entry.type.name)
                if "bvlc" not in dialects:
                    found[entry.type.name] = (
                        dialects, layer.base + entry.node.start, layer.base + entry.node.name_end,
                    )  # fmt: skip
    return found


def _walk(bound: Bound) -> Iterable[tuple[str, Entry]]:
    for entries in bound.entries.values():
        for entry in entries:
            yield bound.type.name, entry
            if isinstance(entry.value, Bound):
                yield from _walk(entry.value)


_OLD_AXES = {"Concat": ("concat_param", "concat_dim"), "Slice": ("slice_param", "slice_dim")}
_SIZES = ("num", "channels", "height", "width")


@rule
class DeprecatedDims(LayerRule):
    """Old names of an axis or of sizes.

    ## What it does
    Reports `concat_dim`, `slice_dim`, and num, channels, height and width of DummyData.

    ## Why is this bad?
    `axis` and `shape` have taken their place; an axis may be negative, and a shape may have any number of sizes. Giving
    old and new together makes Caffe abort (SHP012, SHP015, SHP023).

    ## Fix safety
    Safe: the same in the new words.
    """

    code = "SCH016"
    name = "deprecated-dims"
    severity = "hint"
    fix_safety = "safe"
    GOOD = (Example(IMAGE + block("Concat", "cat", "data data", "cat", "concat_param { axis: 1 }")),)
    BAD = (
        Example(
            IMAGE + block("Concat", "cat", "data data", "cat", "concat_param { concat_dim: 1 }"),
            fixed=IMAGE + block("Concat", "cat", "data data", "cat", "concat_param { axis: 1 }"),
        ),
        Example(
            block("DummyData", "d", "", "d", "dummy_data_param { num: 1 channels: 3 height: 4 width: 5 }"),
            fixed=block("DummyData", "d", "", "d", "dummy_data_param { shape { dim: 1 dim: 3 dim: 4 dim: 5 } }"),
        ),
    )

    def suspects(self, layer: LayerDef) -> bool:
        """A layer with the old fields and without the new ones."""
        if layer.type in _OLD_AXES:
            holder, old = _OLD_AXES[layer.type]
            message = layer.bound.sub(holder)
            return message.has(old) and not message.has("axis")
        if layer.type != "DummyData":
            return False
        message = layer.bound.sub("dummy_data_param")
        return not message.has("shape") and any(message.has(name) for name in _SIZES)

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """One finding."""
        text = analysis.tree.text
        if layer.type in _OLD_AXES:
            holder, old = _OLD_AXES[layer.type]
            entry = layer.param(holder).entries[old][0]
            if "axis" not in layer.param(holder).type.fields:
                return
            start = layer.base + entry.node.start
            fix = Fix("safe", "Write `axis`", (Edit(start, layer.base + entry.node.name_end, "axis"),))
            message = f"`{old}` of '{layer.name}' is deprecated: write `axis`. Giving both makes Caffe abort."
            yield self.at(layer, message, f"{holder}.{old}", fix=fix)
            return
        dummy = layer.param("dummy_data_param")
        if "shape" not in dummy.type.fields:
            return
        first = next(name for name in _SIZES if dummy.has(name))
        message = f"num, channels, height and width of '{layer.name}' are deprecated: write `shape`."
        yield self.at(layer, message, f"dummy_data_param.{first}", fix=self._shape(layer, dummy, text))

    def _shape(self, layer: Layer, dummy: Bound, text: str) -> Fix | None:
        columns = [dummy.entries.get(name, []) for name in _SIZES]
        count = len(columns[0])
        entries = [entry for column in columns for entry in column]
        if not count or any(len(column) != count for column in columns):
            return None
        if len({id(entry.node) for entry in entries}) != len(entries):
            return None
        shapes = ["shape { " + " ".join(f"dim: {column[i].value}" for column in columns) + " }" for i in range(count)]
        entries.sort(key=lambda entry: entry.node.start)
        start, end = layer.base + entries[0].node.start, layer.base + entries[0].node.end
        edits = [Edit(start, end, " ".join(shapes))]
        edits += [delete_entry(text, layer.base, entry) for entry in entries[1:]]
        return Fix("safe", "Write `shape`", tuple(edits))
