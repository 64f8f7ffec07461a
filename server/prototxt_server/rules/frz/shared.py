"""FRZ010 and FRZ011: parameters that two layers share by name (found while the net is connected)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_net.finding import Fix, Problem
from prototxt_net.net import Node
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.bn.nets import layer, loss, trained
from prototxt_server.rules.editing import delete_entry, value_edit

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


def _ip(name: str, bottom: str, spec: str, size: int = 10) -> str:
    body = f'inner_product_param {{ num_output: {size} bias_term: false weight_filler {{ type: "xavier" }} }}'
    return layer("InnerProduct", name, bottom, name, f"param {{ {spec} }}", body)


def _two(first: str, second: str, sizes: tuple[int, int] = (10, 10)) -> str:
    fed = layer(
        "DummyData",
        "data",
        "",
        "data label",
        "dummy_data_param { shape { dim: 4 dim: 10 } shape { dim: 4 } }",
    )
    return fed + _ip("a", "data", first, sizes[0]) + _ip("b", "data", second, sizes[1]) + loss("a")


_SILENT = layer("Silence", "silence", "b", "")


@rule
class SharedLrConflict(ProblemRule):
    """## What it does
    Reports two layers that share a parameter by name but give it different lr_mult or decay_mult.

    ## Why is this bad?
    Caffe aborts while it builds the net: "Shared param has mismatched lr_mult". A layer may leave the multiplier out;
    then the other one's counts.

    ## Fix safety
    Unsafe: the owner's value is a guess at which of the two was meant.
    """

    code = "FRZ010"
    name = "shared-lr-conflict"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(_two('name: "w" lr_mult: 1', 'name: "w"') + _SILENT), Example(trained()))
    BAD = (
        Example(
            _two('name: "w" lr_mult: 1', 'name: "w" lr_mult: 2') + _SILENT,
            fixed=_two('name: "w" lr_mult: 1', 'name: "w" lr_mult: 1') + _SILENT,
        ),
        Example(_two('name: "w" decay_mult: 0', 'name: "w" decay_mult: 1') + _SILENT),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Copy the owner's multipliers."""
        owner, sharer, index = problem.data["owner"], problem.data["node"], problem.data["index"]
        if not isinstance(owner, Node) or not isinstance(sharer, Node) or not isinstance(index, int):
            return None
        name = problem.data["name"]
        spec = next((s for s in owner.layer.bound.all("param") if s.get("name") == name), None)
        edits = []
        for field in ("lr_mult", "decay_mult"):
            entry = sharer.layer.bound.find(f"param.{index}.{field}")
            if spec is not None and entry is not None and spec.has(field) and spec.get(field) != entry.value:
                edits.append(value_edit(sharer.layer, entry, f"{spec.get(field):g}"))
        return Fix("unsafe", f"Use the multipliers of '{owner.name}'", tuple(edits)) if edits else None


@rule
class SharedShapeConflict(ProblemRule):
    """## What it does
    Reports two layers that share a parameter by name but need it in different shapes (with `share_mode: PERMISSIVE`:
    of different sizes).

    ## Why is this bad?
    Caffe aborts while it builds the net: one blob cannot serve both.

    ## Fix safety
    Unsafe: without the name the second layer trains weights of its own.
    """

    code = "FRZ011"
    name = "shared-shape-conflict"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(_two('name: "w"', 'name: "w"') + _SILENT), Example(trained()))
    BAD = (
        Example(
            _two('name: "w"', 'name: "w" lr_mult: 1', (10, 6)) + _SILENT,
            fixed=_two('name: "w"', "lr_mult: 1", (10, 6)) + _SILENT,
        ),
        Example(_two('name: "w"', 'name: "w" share_mode: PERMISSIVE', (10, 6)) + _SILENT),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Drop the name on the later layer."""
        sharer, index = problem.data["node"], problem.data["index"]
        if not isinstance(sharer, Node):
            return None
        entry = sharer.layer.bound.find(f"param.{index}.name")
        if entry is None:
            return None
        return Fix("unsafe", "Drop the name", (delete_entry(analysis.source.text, sharer.layer.base, entry),))
