"""NET012 and NET017: lists that must have one entry a blob or a top (found when a layer is set up)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_net.finding import Fix, Problem
from prototxt_net.net import Node
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.editing import delete_entry, insert_after
from prototxt_server.rules.example_nets import IMAGE, LABELLED, LOSS, SCORE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


@rule
class TooManyParams(ProblemRule):
    """## What it does
    Reports a layer with more `param` blocks than it has parameter blobs.

    ## Why is this bad?
    Block i configures blob i. For a block without a blob Caffe aborts: "Too many params specified for layer". The usual
    cause is a second block for a bias that `bias_term: false` has removed, or a block on a layer without weights.

    ## Fix safety
    Safe: the trailing blocks that belong to no blob are deleted.
    """

    code = "NET012"
    name = "too-many-params"
    severity = "error"
    fix_safety = "safe"
    GOOD = (
        Example(
            IMAGE
            + """\
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
        ),
    )
    BAD = (
        Example(
            IMAGE
            + """\
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  param { lr_mult: 1 }
  param { lr_mult: 2 }
  convolution_param { num_output: 4 kernel_size: 3 bias_term: false }
}
""",
            fixed=IMAGE
            + """\
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  param { lr_mult: 1 }
  convolution_param { num_output: 4 kernel_size: 3 bias_term: false }
}
""",
        ),
        Example(
            IMAGE
            + """\
layer {
  name: "relu"
  type: "ReLU"
  bottom: "data"
  top: "relu"
  param { lr_mult: 1 }
}
"""
        ),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Delete the surplus blocks."""
        if node is None or node.layer.definition.version != 2:
            return None
        surplus = node.layer.bound.entries.get("param", [])[len(node.setup.params) :]
        if not surplus or len({id(entry.node) for entry in surplus}) != len(surplus):
            return None
        edits = tuple(delete_entry(analysis.tree.text, node.layer.base, entry) for entry in surplus)
        return Fix("safe", "Delete the surplus `param` blocks", edits)


@rule
class LossWeightCount(ProblemRule):
    """## What it does
    Reports a layer whose number of loss_weight values is neither zero nor the number of its tops.

    ## Why is this bad?
    Caffe aborts: loss_weight must be unspecified or specified once per top.

    ## Fix safety
    Safe: missing values become 0 (the layer's own default for further tops), surplus ones are deleted.
    """

    code = "NET017"
    name = "loss-weight-count"
    severity = "error"
    fix_safety = "safe"
    GOOD = (Example(LABELLED + SCORE + LOSS.replace('top: "loss"', 'top: "loss"\n  loss_weight: 0.5')),)
    BAD = (
        Example(
            LABELLED + SCORE + LOSS.replace('top: "loss"', 'top: "loss"\n  loss_weight: 0.5\n  loss_weight: 1'),
            fixed=LABELLED + SCORE + LOSS.replace('top: "loss"', 'top: "loss"\n  loss_weight: 0.5'),
        ),
        Example(LABELLED + SCORE.replace('top: "score"', 'top: "score"\n  loss_weight: 0\n  loss_weight: 0') + LOSS),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Pad with zeros, or trim."""
        where = problem.data.get("node")
        if not isinstance(where, Node):
            return None
        node = where
        entries = node.layer.bound.entries.get("loss_weight", [])
        tops = len(node.tops)
        text = analysis.tree.text
        if not entries or len({id(entry.node) for entry in entries}) != len(entries):
            return None
        if len(entries) > tops:
            surplus = entries[max(tops, 0) :]
            return Fix(
                "safe", "Keep one loss_weight per top", tuple(delete_entry(text, node.layer.base, e) for e in surplus)
            )
        missing = "\n".join(["loss_weight: 0"] * (tops - len(entries)))
        return Fix("safe", "Give every top a loss_weight", (insert_after(text, node.layer.base, entries[-1], missing),))
