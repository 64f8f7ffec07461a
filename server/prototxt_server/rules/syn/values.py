"""SYN010 and SYN011: values that do not have their field's type, and fields that are there twice (found by binding)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit, field_removal
from prototxt_grammar.tree import Field, Message
from prototxt_net.finding import Fix, Problem
from prototxt_net.net import Node
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.example_nets import CONV, IMAGE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_POOL = 'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { pool: MAX kernel_size: 2 } }\n'


@rule
class ValueType(ProblemRule):
    """A value of the wrong type.

    ## What it does
    Reports a string for a number, a number for a string, quotes around an enum name, an enum name in the wrong case,
    `4.0` or `1e2` for an integer, a value out of range, `+1`, hexadecimal or octal for a float, and booleans written
    `TRUE`, `yes`, `2` or with quotes.

    ## Why is this bad?
    Caffe's parser refuses the file.

    ## Fix safety
    Safe: the value is rewritten where the rewrite keeps the evident meaning; otherwise there is no fix.
    """

    code = "SYN010"
    name = "value-type"
    severity = "error"
    fix_safety = "safe"
    GOOD = (
        Example(IMAGE + _POOL),
        Example(IMAGE + CONV.replace("num_output: 4", "num_output: 0x10 bias_term: 0")),
    )
    BAD = (
        Example(IMAGE + _POOL.replace("pool: MAX", 'pool: "MAX"'), fixed=IMAGE + _POOL),
        Example(IMAGE + _POOL.replace("pool: MAX", "pool: max"), fixed=IMAGE + _POOL),
        Example(IMAGE + CONV.replace("num_output: 4", "num_output: 4.0"), fixed=IMAGE + CONV),
        Example(IMAGE + CONV.replace("num_output: 4", "num_output: -4")),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Write the suggested value."""
        suggestion = problem.data.get("suggestion")
        if not isinstance(suggestion, str) or not suggestion:
            return None
        return Fix("safe", f"Write `{suggestion}`", (Edit(problem.start, problem.end, suggestion),))


@rule
class SingularRepeated(ProblemRule):
    """A field that may be there once is there twice.

    ## What it does
    Reports a non-repeated field, plain value or message, that is written twice in one message, and a list `[...]` for a
    field that is not repeated.

    ## Why is this bad?
    Caffe refuses the file, even when the values are equal. Two `convolution_param` blocks are not merged.

    ## Fix safety
    Safe: two messages without a common field are combined, and the second of two equal values is deleted. Where the two
    disagree there is no fix.
    """

    code = "SYN011"
    name = "singular-repeated"
    severity = "error"
    fix_safety = "safe"
    _TWO = """\
layer {
  name: "pool"
  type: "Pooling"
  bottom: "data"
  top: "pool"
  pooling_param {
    pool: MAX
%s    kernel_size: 2
  }
}
"""
    GOOD = (Example(IMAGE + _TWO % ""),)
    BAD = (
        Example(
            IMAGE + (_TWO % "").replace("    kernel_size", "  }\n  pooling_param {\n    kernel_size"),
            fixed=IMAGE + _TWO % "",
        ),
        Example(IMAGE + _TWO % "    pool: MAX\n", fixed=IMAGE + _TWO % ""),
        Example(IMAGE + _TWO % "    pool: AVE\n"),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Combine two messages, or delete the second of two equal values."""
        first, second = problem.data.get("first"), problem.data.get("second")
        if not isinstance(first, Field) or not isinstance(second, Field):
            return None
        base = problem.start - second.start
        text = analysis.tree.text
        a, b = first.value, second.value
        if not isinstance(a, Message) or not isinstance(b, Message):
            same = text[base + first.start : base + first.end] == text[base + second.start : base + second.end]
            gone = field_removal(text, base + second.start, base + second.end)
            return Fix("safe", f"Delete the second `{second.name}`", (gone,)) if same else None
        if {f.name for f in a.fields} & {f.name for f in b.fields} or not a.closed or not b.closed or not b.fields:
            return None
        moved = text[base + b.fields[0].start : base + b.fields[-1].end]
        if a.fields:
            at = base + a.fields[-1].end
            before = base + a.fields[-1].start
            blanks = text[text.rfind("\n", 0, before) + 1 : before]
            joint = f"\n{blanks}" if not blanks.strip() and "\n" in text[base + a.start : base + a.end] else " "
        else:
            at, joint = base + a.start + 1, " "
        edits = (Edit(at, at, joint + moved), field_removal(text, base + second.start, base + second.end))
        return Fix("safe", f"Combine the two `{second.name}`", edits)
