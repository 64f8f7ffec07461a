"""NET002, NET020: bottoms that no layer above makes (the graph has found these)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prototxt_net.file import Layer
from prototxt_net.finding import Fix, Problem
from prototxt_net.net import Node
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.editing import insert_after, string_edit
from prototxt_server.rules.example_nets import CONV, IMAGE, LABELLED, LOSS, SCORE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


def node_of(problem: Problem) -> Node:
    """The layer that a problem of the graph is about."""
    node = problem.data["node"]
    assert isinstance(node, Node)
    return node


def _follows_from_another(analysis: Analysis, problem: Problem) -> bool:
    """Whether the missing blob stands in text that could not be read: in a broken block, or behind a misspelt field.

    Caffe stops at that first; once it is corrected, the blob is there.
    """
    reader = node_of(problem)
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
        reader, near = node_of(problem), problem.data.get("near")
        entry = reader.layer.bound.entry("bottom", int(str(problem.data["bottom"])))
        if not isinstance(near, str) or entry is None:
            return None
        return Fix("unsafe", f"Read '{near}' instead", (string_edit(reader.layer, entry, near),))


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
        layer, producer = node_of(problem).layer, problem.data.get("producer")
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
