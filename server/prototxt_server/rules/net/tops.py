"""NET003, NET004, NET005: two producers of one blob, which a top of its own cures (the graph has found these)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_net.finding import Fix, Problem
from prototxt_net.net import Node
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.editing import own_top
from prototxt_server.rules.example_nets import CONV, IMAGE
from prototxt_server.rules.net.connections import node_of

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


class _OwnTop(ProblemRule):
    """Rules whose cure is a new name for the top, followed through the readers below."""

    fix_safety = "safe"

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Rename the top."""
        layer = node_of(problem).layer
        edits = own_top(analysis.file, layer, int(str(problem.data["top"])))
        return Fix("safe", f"Give '{layer.name}' a top of its own", edits) if edits else None


@rule
class DuplicateTop(_OwnTop):
    """## What it does
    Reports a top whose name another layer of the same phase has already produced, where the layer does not work in
    place on it.

    ## Why is this bad?
    Caffe aborts: "Top blob produced by multiple sources". Only layers of different phases may share a top's name.

    ## Fix safety
    Safe when nothing below reads the name; otherwise unsafe, because only the author knows which of the two blobs the
    readers meant.
    """

    code = "NET003"
    name = "duplicate-top"
    severity = "error"
    GOOD = (
        Example(IMAGE + CONV + CONV.replace('"conv"', '"conv2"')),
        Example(IMAGE + CONV + 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }\n'),
    )
    BAD = (
        Example(
            IMAGE + CONV + CONV.replace('name: "conv"', 'name: "conv2"'),
            fixed=IMAGE + CONV + CONV.replace('"conv"', '"conv2"'),
        ),
        Example(
            IMAGE
            + CONV
            + 'layer { name: "pool" type: "Pooling" bottom: "data" top: "conv" pooling_param { kernel_size: 2 } }\n'
        ),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Rename the top; safe only where no reader has to be followed."""
        found = super().fix(analysis, node, problem)
        if found is None or len(found.edits) == 1:
            return found
        return Fix("unsafe", found.message, found.edits)


@rule
class InPlaceOnShared(_OwnTop):
    """## What it does
    Reports an in-place layer whose input another layer reads too, or whose input carries an explicit loss_weight.

    ## Why is this bad?
    Caffe puts a Split behind a blob that is read twice. The layer then no longer works in place, its top collides with
    the blob's name, and Caffe aborts with "Top blob produced by multiple sources". A reader that comes after the
    in-place layer is fine: it gets the new values.

    ## Fix safety
    Safe: the layer gets its own top and later readers follow it; they compute what the order of the file says.
    """

    code = "NET004"
    name = "inplace-on-shared"
    severity = "error"
    GOOD = (
        Example(
            IMAGE
            + CONV
            + 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }\n'
            + 'layer { name: "a" type: "TanH" bottom: "conv" top: "a" }\n'
            + 'layer { name: "b" type: "Sigmoid" bottom: "conv" top: "b" }\n'
        ),
    )
    BAD = (
        Example(
            IMAGE
            + CONV
            + 'layer { name: "a" type: "TanH" bottom: "conv" top: "a" }\n'
            + 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }\n'
            + 'layer { name: "b" type: "Sigmoid" bottom: "conv" top: "b" }\n',
            fixed=IMAGE
            + CONV
            + 'layer { name: "a" type: "TanH" bottom: "conv" top: "a" }\n'
            + 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "relu" }\n'
            + 'layer { name: "b" type: "Sigmoid" bottom: "relu" top: "b" }\n',
        ),
        Example(
            IMAGE
            + CONV
            + 'layer { name: "a" type: "Power" bottom: "conv" top: "a" }\n'
            + 'layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }\n'
            + 'layer { name: "cat" type: "Concat" bottom: "a" bottom: "conv" top: "cat" }\n'
        ),
    )


@rule
class InPlaceIndex(_OwnTop):
    """## What it does
    Reports a top that repeats the name of a bottom at another position.

    ## Why is this bad?
    A layer works in place only where top i has the name of bottom i. Anything else is a second producer of that blob,
    and Caffe aborts with "Top blob produced by multiple sources".

    ## Fix safety
    Safe: the top gets its own name and later readers follow it.
    """

    code = "NET005"
    name = "inplace-index"
    severity = "error"
    GOOD = (
        Example(
            IMAGE
            + CONV
            + 'layer { name: "sum" type: "Eltwise" bottom: "data3" bottom: "conv" top: "sum" }\n'.replace(
                '"data3"', '"conv"'
            )
        ),
    )
    BAD = (
        Example(
            IMAGE
            + CONV
            + CONV.replace('"conv"', '"gate"')
            + 'layer { name: "sum" type: "Eltwise" bottom: "gate" bottom: "conv" top: "conv" }\n',
            fixed=IMAGE
            + CONV
            + CONV.replace('"conv"', '"gate"')
            + 'layer { name: "sum" type: "Eltwise" bottom: "gate" bottom: "conv" top: "sum" }\n',
        ),
        Example(
            IMAGE
            + CONV
            + CONV.replace('"conv"', '"a"')
            + CONV.replace('"conv"', '"b"')
            + 'layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" bottom: "conv" top: "conv" }\n'
        ),
    )
