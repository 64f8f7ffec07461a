"""BN036 and BN037: how many axes a BatchNorm needs (found while the layer is set up)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_net.finding import Fix, Problem
from prototxt_net.flow import dialects_of
from prototxt_net.net import Node
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.bn.nets import bn, image, ip, layer, trained
from prototxt_server.rules.editing import fresh_blob_name, own_top, string_edit

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_RESHAPE = "reshape_param { shape { dim: 0 dim: 0 dim: 1 dim: 1 } }"


@rule
class NeedsFourAxes(ProblemRule):
    """## What it does
    Reports a BatchNorm of NVIDIA 0.16 or 0.17 on a blob with fewer than four axes, for example behind an InnerProduct.

    ## Why is this bad?
    That layer reads the sizes of axes 2 and 3 without asking whether they exist; Caffe aborts at set-up.

    ## In other Caffes
    BVLC's, SSD's and Intel's need two axes (BN037). NVIDIA's 0.15 takes any number with `engine: CAFFE` (measured).

    ## Fix safety
    Safe: a Reshape to (N, C, 1, 1) moves no value.
    """

    code = "BN036"
    name = "bn-needs-4d"
    severity = "error"
    dialects = dialects_of("N16")
    fix_safety = "safe"
    GOOD = (
        Example(image() + bn("bn1", "data", top="bn1"), dialect="nvidia-0.17"),
        Example(image() + ip("fc", "data") + bn("bn1", "fc")),
    )
    BAD = (
        Example(
            image() + ip("fc", "data") + bn("bn1", "fc", top="bn1"),
            dialect="nvidia-0.17",
            fixed=image()
            + ip("fc", "data")
            + layer("Reshape", "fc_4d", "fc", "fc_4d", _RESHAPE)
            + bn("bn1", "fc_4d", top="bn1"),
        ),
        Example(image(4, 8) + bn("bn1", "data", top="bn1"), dialect="nvidia-0.16"),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Insert a Reshape in front."""
        if node is None or not node.bottoms or node.bottoms[0] is None or node.layer.bound.has("include"):
            return None
        shape = node.bottoms[0].shape
        entry = node.layer.bound.entry("bottom")
        if shape is None or len(shape) != 2 or entry is None:
            return None
        file = analysis.file
        blob = fresh_blob_name(file, f"{node.bottoms[0].name}_4d")
        edits = [string_edit(node.layer, entry, blob)]
        if node.in_place and node.in_place[0]:
            edits += own_top(file, node.layer, 0)
            if len(edits) == 1:
                return None
        start = node.layer.span()[0]
        edits.append(Edit(start, start, layer("Reshape", blob, node.bottoms[0].name, blob, _RESHAPE)))
        return Fix("safe", "Insert a Reshape to (N, C, 1, 1)", tuple(edits))


@rule
class OneAxis(ProblemRule):
    """## What it does
    Reports a BatchNorm on a blob with a single axis.

    ## Why is this bad?
    The layer asks for the size of axis 1, the channels, which does not exist: Caffe aborts ("axis 1 out of range").

    ## Fix safety
    None: reshape the blob to (N, 1), or (1, C) if its values are channels.
    """

    code = "BN037"
    name = "bn-1d-blob"
    severity = "error"
    dialects = dialects_of("B", "B0", "S", "I", "P")
    GOOD = (Example(image(4, 8) + bn("bn1", "data", top="bn1")), Example(trained()))
    BAD = (
        Example(image(4) + bn("bn1", "data", top="bn1")),
        Example(
            image()
            + layer("Flatten", "flat", "data", "flat", "flatten_param { axis: 0 }")
            + bn("bn1", "flat", top="bn1"),
            dialect="ssd",
        ),
    )
