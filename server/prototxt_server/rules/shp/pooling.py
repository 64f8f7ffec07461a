"""SHP010 and SHP011: what a Pooling layer's window may be, and how its size is rounded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.finding import Finding, Fix, Problem
from prototxt_net.layers.pooling import rounds_down
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, ProblemRule, Rule, related, rule
from prototxt_server.rules.bn.nets import layer
from prototxt_server.rules.editing import insert_into
from prototxt_server.rules.example_nets import IMAGE
from prototxt_server.rules.shp.fixes import without

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

P = "pooling_param"


def _pool(fields: str) -> str:
    return IMAGE + layer("Pooling", "pool", "data", "pool", f"pooling_param {{ {fields} }}")


@rule
class PoolSpec(ProblemRule):
    """A pooling window that is given twice, by half, or not at all.

    ## What it does
    Reports a Pooling layer without a kernel, with both forms of the kernel, with one of kernel_h and kernel_w alone,
    with half a pad or stride, with global_pooling beside a kernel, a pad or a stride, with a pad as large as the
    kernel, with a pad for STOCHASTIC, and on a blob that has not 4 axes. A warning: kernel_size with one of kernel_h
    and kernel_w, which is then ignored.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    Unsafe: the conflicting fields are deleted, kernel_size before kernel_h and kernel_w.
    """

    code = "SHP010"
    name = "pool-spec"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(_pool("kernel_size: 2 stride: 2")), Example(_pool("pool: AVE global_pooling: true")))
    BAD = (
        Example(_pool("kernel_h: 2")),
        Example(_pool("kernel_size: 2 kernel_h: 2 kernel_w: 2"), fixed=_pool("kernel_h: 2 kernel_w: 2")),
        Example(_pool("global_pooling: true kernel_size: 8"), fixed=_pool("global_pooling: true")),
        Example(_pool("kernel_size: 2 pad: 2")),
        Example(_pool("kernel_size: 2 kernel_h: 3"), fixed=_pool("kernel_size: 2")),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Delete what conflicts."""
        if node is None:
            return None
        param, text = node.param(P), analysis.tree.text
        if param.get("global_pooling"):
            names: tuple[str, ...] = ("kernel_size", "kernel_h", "kernel_w")
            if not any(param.has(name) for name in names):
                names = ("pad", "pad_h", "pad_w", "stride", "stride_h", "stride_w")
            return without(node, P, names, text, "unsafe")
        if param.has("kernel_size") and (param.has("kernel_h") or param.has("kernel_w")):
            both = param.has("kernel_h") and param.has("kernel_w")
            return without(node, P, ("kernel_size",) if both else ("kernel_h", "kernel_w"), text, "unsafe")
        return None


def _pools_above(node: Node) -> list[Node]:
    """The Pooling layers from which a path without other Eltwise or Concat layers leads to this one."""
    found: list[Node] = []
    seen = {node}
    waiting = [node]
    while waiting:
        for blob in waiting.pop().bottoms:
            if blob is None or blob.producer in seen:
                continue
            seen.add(blob.producer)
            if blob.producer.type == "Pooling":
                found.append(blob.producer)
            waiting.append(blob.producer)
    return found


def _rounded_up(node: Node) -> tuple[int, int, int] | None:
    """(axis 2 or 3, input size, output size) where the size is not what rounding down gives."""
    param = node.param(P)
    bottom = node.bottoms[0] if node.bottoms else None
    top = node.tops[0].shape if node.tops else None
    if bottom is None or bottom.shape is None or top is None or len(top) != 4 or param.get("global_pooling"):
        return None
    if rounds_down(param):
        return None
    for axis, suffix in ((2, "h"), (3, "w")):
        size, out = bottom.shape[axis], top[axis]
        if not isinstance(size, int) or not isinstance(out, int):
            continue
        kernel = param.get(f"kernel_{suffix}") if param.has(f"kernel_{suffix}") else param.get("kernel_size")
        pad = param.get(f"pad_{suffix}") if param.has(f"pad_{suffix}") else param.get("pad")
        stride = param.get(f"stride_{suffix}") if param.has(f"stride_{suffix}") else param.get("stride")
        if kernel and stride and (size + 2 * (pad or 0) - kernel) // stride + 1 < out:
            return axis, size, out
    return None


@rule
class PoolCeil(Rule):
    """Pooling rounds up.

    ## What it does
    Where two paths meet with different sizes, points at the Pooling layers above whose output is one larger than a
    framework that rounds down would make it.

    ## Why is this bad?
    Caffe rounds pooled sizes up and convolved sizes down. A net taken over from a framework that rounds both down then
    has paths of different sizes, and Eltwise and Concat abort.

    ## Fix safety
    Unsafe: `round_mode: FLOOR` changes the sizes of all that follows; only newer BVLC Caffe has it.
    """

    code = "SHP011"
    name = "pool-ceil"
    severity = "hint"
    fix_safety = "unsafe"
    _NET = (
        IMAGE
        + layer("Convolution", "conv", "data", "conv", "convolution_param { num_output: 3 kernel_size: 3 stride: 2 }")
        + layer("Pooling", "pool", "data", "pool", "pooling_param { kernel_size: 3 stride: 2%s }")
        + layer("Eltwise", "sum", "conv pool", "sum")
    )
    GOOD = (Example(_NET.replace("%s", " round_mode: FLOOR"), phase="TEST"), Example(_pool("kernel_size: 3 stride: 2")))
    BAD = (
        Example(_NET.replace("%s", ""), phase="TEST", fixed=_NET.replace("%s", " round_mode: FLOOR")),
        Example(_NET.replace("%s", "").replace("Eltwise", "Concat"), phase="TEST"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding for each such Pooling above a mismatch."""
        reported: set[Node] = set()
        for node in net.of_type("Eltwise", "Concat"):
            if not any(problem.code in ("SHP012", "SHP013") for problem in node.setup.problems):
                continue
            for pool in _pools_above(node):
                found = _rounded_up(pool)
                if found is None or pool in reported:
                    continue
                reported.add(pool)
                axis, size, out = found
                message = (
                    f"'{pool.name}' rounds up: {'height' if axis == 2 else 'width'} {size} becomes {out}; "
                    "frameworks that "
                    f"round down give {out - 1}, and convolutions do so here too. Change its pad or kernel"
                )
                floor = "round_mode" in pool.param(P).type.fields
                message += ", or set `round_mode: FLOOR`." if floor else "."
                notes = (related(node, f"the sizes do not fit here, in '{node.name}'"),)
                yield self.at(pool, message, P, related=notes, fix=self._fix(net, pool) if floor else None)

    def _fix(self, net: PhaseNet, pool: Node) -> Fix | None:
        edit = insert_into(net.file.tree.text, pool.layer.base, pool.param(P), "round_mode: FLOOR")
        return None if edit is None else Fix("unsafe", "Round down", (edit,))
