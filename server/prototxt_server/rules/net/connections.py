"""NET002 to NET005 and NET020: what Caffe refuses while it connects layers (the graph has found these)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prototxt_net.file import Layer
from prototxt_net.finding import Fix, Problem
from prototxt_net.net import Node
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.editing import insert_after, own_top, string_edit
from prototxt_server.rules.example_nets import CONV, IMAGE, LABELLED, LOSS, SCORE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


def _node(problem: Problem) -> Node:
    node = problem.data["node"]
    assert isinstance(node, Node)
    return node


def _follows_from_another(analysis: Analysis, problem: Problem) -> bool:
    """Whether the missing blob stands in text that could not be read: in a broken block, or behind a misspelt field.

    Caffe stops at that first; once it is corrected, the blob is there.
    """
    reader = _node(problem)
    name = reader.layer.bottoms[int(str(problem.data["bottom"]))]
    unread = _unread_words(analysis)
    places = [unread.get(word, set()) for word in _WORD.findall(name)]
    return bool(places) and all(here - {reader.layer.base} for here in places)


_WORD = re.compile(r"[^\s\"':;,{}<>\[\]#]+")


def _unread_words(analysis: Analysis) -> dict[str, set[int]]:
    """The words in text that could not be read, each with the chunks it stands in (-1: behind a misspelt field)."""
    known = analysis.cache.get("unread words")
    if isinstance(known, dict):
        return known
    table: dict[str, set[int]] = {}
    analysis.cache["unread words"] = table
    text = analysis.tree.text
    for start, chunk in zip(analysis.tree.starts, analysis.tree.chunks, strict=True):
        if chunk.problems:
            for word in _WORD.findall(chunk.text):
                table.setdefault(word, set()).add(start)
    for problem in analysis.file.problems:
        if problem.code == "SCH001":
            stop = text.find("\n", problem.end) + 1 or len(text)
            for word in _WORD.findall(text, problem.end, min(stop, problem.end + _LINE)):
                table.setdefault(word, set()).add(-1)
    return table


_LINE = 400  # characters of a line that are looked at: all fields may stand on one


@rule
class UnknownBottom(ProblemRule):
    """## What it does
    Reports a bottom that no layer above it produces in an active phase: a misspelt name, a layer that comes too late,
    or a producer that only the other phase has.

    ## Why is this bad?
    Caffe resolves all bottoms before it creates the first layer and aborts with "Unknown bottom blob". Until then it
    reports nothing else, so this error hides all others.

    ## Fix safety
    Unsafe: the nearest blob name is a guess.
    """

    code = "NET002"
    name = "unknown-bottom"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(IMAGE + CONV),)
    BAD = (
        Example(
            IMAGE + CONV.replace('bottom: "data"', 'bottom: "dato"'),
            fixed=IMAGE + CONV,
        ),
        Example(CONV + IMAGE, phase="TEST"),
    )

    def takes(self, analysis: Analysis, problem: Problem) -> bool:
        """Not where the producer could not be read."""
        return not _follows_from_another(analysis, problem)

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Write the near name."""
        reader, near = _node(problem), problem.data.get("near")
        entry = reader.layer.bound.entry("bottom", int(str(problem.data["bottom"])))
        if not isinstance(near, str) or entry is None:
            return None
        return Fix("unsafe", f"Read '{near}' instead", (string_edit(reader.layer, entry, near),))


class _OwnTop(ProblemRule):
    """Rules whose cure is a new name for the top, followed through the readers below."""

    fix_safety = "safe"

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Rename the top."""
        layer = _node(problem).layer
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


@rule
class TestOnlyDependency(ProblemRule):
    """## What it does
    Reports a layer that is part of a phase while the layer that produces its input is not.

    ## Why is this bad?
    Include and exclude rules are applied before anything is connected. In the phase without the producer the bottom
    does not exist and Caffe aborts: the net builds in one phase only.

    ## Fix safety
    Unsafe: the producer's rule is copied to the reader, which takes the reader out of the other phase; perhaps the
    producer was meant to be in both.
    """

    code = "NET020"
    name = "test-only-dependency"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (
        Example(
            LABELLED
            + SCORE
            + LOSS
            + """\
layer {
  name: "accuracy"
  type: "Accuracy"
  bottom: "score"
  bottom: "label"
  top: "accuracy"
  include { phase: TEST }
}
"""
        ),
    )
    BAD = (
        Example(
            LABELLED
            + SCORE
            + LOSS
            + """\
layer {
  name: "prob"
  type: "Softmax"
  bottom: "score"
  top: "prob"
  include { phase: TEST }
}
layer {
  name: "accuracy"
  type: "Accuracy"
  bottom: "prob"
  bottom: "label"
  top: "accuracy"
}
""",
            fixed=LABELLED
            + SCORE
            + LOSS
            + """\
layer {
  name: "prob"
  type: "Softmax"
  bottom: "score"
  top: "prob"
  include { phase: TEST }
}
layer {
  name: "accuracy"
  type: "Accuracy"
  bottom: "prob"
  bottom: "label"
  top: "accuracy"
  include { phase: TEST }
}
""",
        ),
        Example(
            LABELLED
            + SCORE
            + LOSS
            + CONV.replace('top: "conv"', 'top: "conv"\n  include { phase: TEST }')
            + 'layer { name: "quiet" type: "Silence" bottom: "conv" }\n'
        ),
    )

    def takes(self, analysis: Analysis, problem: Problem) -> bool:
        """Not where the producer could not be read."""
        return not _follows_from_another(analysis, problem)

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Copy the producer's include rule when it has exactly one and the reader has none."""
        layer, producer = _node(problem).layer, problem.data.get("producer")
        if not isinstance(producer, Layer):
            return None
        rules = producer.bound.entries.get("include", [])
        last = layer.bound.entry("top") or layer.bound.entry("bottom")
        own_rules = layer.bound.has("include") or layer.bound.has("exclude")
        if len(rules) != 1 or own_rules or producer.bound.has("exclude") or last is None:
            return None
        last = (layer.bound.entries.get("top") or layer.bound.entries["bottom"])[-1]
        text = analysis.tree.text
        start, end = producer.base + rules[0].node.start, producer.base + rules[0].node.end
        if "\n" in text[start:end] or "#" in text[start:end]:
            return None
        edit = insert_after(text, layer.base, last, text[start:end])
        return Fix("unsafe", f"Restrict '{layer.name}' as '{producer.name}' is", (edit,))
