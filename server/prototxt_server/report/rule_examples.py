"""The parts of a rule's examples that a reader has to see: the blocks at fault, and the same blocks put right.

Examples are whole nets, because they are tests too. A page shows of them what the finding and its fix touch; blocks
left out show as a comment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prototxt_grammar import parse
from prototxt_grammar.edits import Edit, apply_edits_reporting
from prototxt_net.finding import Finding
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.linked import analyze_linked
from prototxt_server.linked.model import Named
from prototxt_server.linked.reader import Given
from prototxt_server.linked.weights import StoredWeights
from prototxt_server.rules.base import Example, Rule

_SHORT = 14  # lines; what is no longer is shown whole
_LEFT_OUT = "# ..."
_RELATED = 2  # places that a finding points to, at most, that are shown as well
_MANY = 8  # blocks; of a longer example the first ones are enough


@dataclass(slots=True, frozen=True)
class Shown:
    """bad, good: net texts. bad_dialect, good_dialect: how they are read. says: the finding in words ("" unknown).

    files: the files beside the bad one, by name.
    """

    bad: str
    bad_dialect: str
    good: str
    good_dialect: str
    says: str = ""
    files: tuple[tuple[str, str], ...] = ()


def shown(rule: Rule) -> Shown:
    """What the page of a rule shows of its first examples. Raises IndexError for a rule without examples."""
    bad, good = rule.BAD[0], rule.GOOD[0]
    finding = _finding(rule, bad)
    touched = [] if finding is None else _touched(finding)
    says = "" if finding is None else f"{finding.severity}: {finding.message}"
    if finding is not None and finding.fix is not None:
        after, dialect = apply_edits_reporting(bad.text, finding.fix.edits), bad.dialect
        better, changed = after.text, _moved(after.edits)
    else:
        # Nothing says how to put it right: what sets the two nets apart shows it, when they are two of a kind.
        better, dialect, changed = good.text, good.dialect, _unlike(good.text, bad.text)
        unlike = _unlike(bad.text, good.text)
        if not touched or len(unlike) <= len(_blocks(bad.text)) // 2:
            touched += unlike
    kept = {_block(bad.text, span) for span in _blocks(bad.text) if _overlaps(span, touched)}
    same = [span for span in _blocks(better) if _block(better, span) in kept]
    files = tuple((name, _excerpt(text, _pointed_at(finding, name))) for name, text in bad.files.items())
    return Shown(_excerpt(bad.text, touched), bad.dialect, _excerpt(better, [*changed, *same]), dialect, says, files)


def _touched(finding: Finding) -> list[tuple[int, int]]:
    """Where a finding and its fix are, and what it points to, unless that is much."""
    related = [(r.start, r.end) for r in finding.related if not r.filename]
    edits = [(edit.start, edit.end) for edit in finding.fix.edits] if finding.fix else []
    return [(finding.start, finding.end), *edits, *(related if len(related) <= _RELATED else [])]


def _pointed_at(finding: Finding | None, filename: str) -> list[tuple[int, int]]:
    """The places of another file that a finding points to."""
    return [(r.start, r.end) for r in finding.related if r.filename == filename] if finding else []


def _moved(edits: tuple[Edit, ...]) -> list[tuple[int, int]]:
    """Where the contents of applied edits stand in the new text."""
    places = []
    shift = 0
    for edit in edits:
        places.append((edit.start + shift, edit.start + shift + len(edit.content)))
        shift += len(edit.content) - (edit.end - edit.start)
    return places


def read_example(rule: Rule, example: Example) -> Analysis:
    """The analysis of an example, its rule on, beside the files that the example comes with."""
    settings = Settings(
        example.dialect, example.phase, shapes=tuple(example.shapes.items()), extend_select=(rule.code,)
    )
    source = Source(example.text, example.filename)
    if not example.files and example.stored is None:
        return analyze(source, settings)
    stored = StoredWeights("weights.caffemodel", example.stored) if example.stored is not None else None
    return analyze_linked(source, settings, Given(example.files.items()), named=Named(weights=stored))


def _finding(rule: Rule, example: Example) -> Finding | None:
    found = read_example(rule, example).findings
    return next((finding for finding in found if finding.code == rule.code), None)


def _blocks(text: str) -> list[tuple[int, int]]:
    """The top-level fields, each from the start of its line to the end of its last line."""
    spans: list[tuple[int, int]] = []
    for base, field in parse(text).fields():
        start = text.rfind("\n", 0, base + field.start) + 1
        end = text.find("\n", base + field.end)
        end = len(text) if end < 0 else end
        if spans and start < spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])  # several on a line
        else:
            spans.append((start, end))
    return spans


def _block(text: str, span: tuple[int, int]) -> str:
    return text[span[0] : span[1]].strip()


def _unlike(text: str, other: str) -> list[tuple[int, int]]:
    """The blocks of a text that the other does not have."""
    known = {_block(other, span) for span in _blocks(other)}
    return [span for span in _blocks(text) if _block(text, span) not in known]


def _overlaps(span: tuple[int, int], places: Iterable[tuple[int, int]]) -> bool:
    return any(start <= span[1] and span[0] <= end for start, end in places)


def _excerpt(text: str, places: list[tuple[int, int]]) -> str:
    blocks = _blocks(text)
    kept = [_overlaps(span, places) for span in blocks]
    if text.count("\n") <= _SHORT or not any(kept) or (all(kept) and len(blocks) <= _MANY):
        return _visible(text.strip("\n"))
    lines: list[str] = []
    left = _MANY
    for span, keep in zip(blocks, kept, strict=True):
        if keep and left:
            left -= 1
            lines.append(_block(text, span))
        elif lines[-1:] != [_LEFT_OUT]:
            lines.append(_LEFT_OUT)
    return _visible("\n".join(lines))


def _visible(text: str) -> str:
    return text.replace("\ufeff", "<U+FEFF>").replace("\0", "<NUL>")
