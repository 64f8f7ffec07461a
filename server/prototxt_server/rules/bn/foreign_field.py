"""BN038: fields of another fork's batch normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_grammar.edits import field_removal
from prototxt_grammar.tree import Field, Message
from prototxt_net.finding import Fix, Problem
from prototxt_net.net import Node
from prototxt_net.schema.load import dialects_with_field
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.bn.nets import bn, conv, data, ip, loss, relu, trained

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


def is_bn_field_problem(problem: Problem) -> bool:
    """Whether an unknown-field problem is about batch normalisation and some other fork has the field."""
    if problem.code != "SCH001":
        return False
    message, field = str(problem.data.get("message")), str(problem.data.get("field"))
    if message in ("BatchNormParameter", "BNParameter"):
        return bool(dialects_with_field(message, field))
    return message == "LayerParameter" and field in ("batch_norm_param", "bn_param")


@rule
class ForeignField(ProblemRule):
    """## What it does
    Reports a field of `batch_norm_param` (or `bn_param` itself) that exists in another fork but not in the dialect that
    the file is read with.

    ## Why is this bad?
    Caffe refuses a file with an unknown field. These ones show that the file was written for a fork whose batch
    normalisation works differently: scale_filler and engine are NVIDIA's, scale_bias is NVIDIA 0.16's,
    use_weight_bias is Intel's, bn_param is SegNet's or yjxiong's.

    ## Fix safety
    Unsafe: deleting the field makes the file readable, but the fork's layer computed something else. Usually the right
    answer is to say which dialect is meant.
    """

    code = "BN038"
    name = "bn-foreign-field"
    severity = "error"
    source_code = "SCH001"
    fix_safety = "unsafe"
    GOOD = (
        Example(trained()),
        Example(trained("batch_norm_param { scale_bias: true }"), dialect="nvidia-0.17"),
    )
    BAD = (
        Example(trained("batch_norm_param { scale_bias: true eps: 0.001 }"), dialect="bvlc"),
        Example(trained("batch_norm_param { use_weight_bias: true }"), dialect="ssd"),
        Example(
            data()
            + conv("conv1", "data")
            + bn("bn1", "conv1", "bn_param { scale_filler { value: 1 } }")
            + relu("relu1", "conv1")
            + ip("fc", "conv1")
            + loss("fc")
        ),
    )

    def takes(self, analysis: Analysis, problem: Problem) -> bool:
        """Fields that some fork has."""
        return is_bn_field_problem(problem)

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Delete the field."""
        text = analysis.source.text
        for base, field in analysis.tree.fields():
            if base + field.start <= problem.start < base + field.end:
                end = _end_of(field, problem.start - base)
                return Fix("unsafe", "Delete the field", (field_removal(text, problem.start, base + end),))
        return None


def _end_of(field: Field, start: int) -> int:
    """The end of the field that begins at `start`, somewhere below `field`."""
    while field.start != start:
        value = field.value
        inner = value.fields if isinstance(value, Message) else []
        below = next((item for item in inner if item.start <= start < item.end), None)
        if below is None:
            return field.end
        field = below
    return field.end
