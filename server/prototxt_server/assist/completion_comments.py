"""What may stand in a comment for this program: `# lsp: ignore[CODE]`, `ignore-file[CODE]`, `dialect=NAME`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prototxt_net.schema.load import DIALECTS
from prototxt_server.analysis import Analysis
from prototxt_server.assist.proposal import Item
from prototxt_server.rules.base import Rule

_CODE = re.compile(r"#[ \t]*lsp:[ \t]*ignore(?:-file)?[ \t]*\[(?:[^\]\n]*[, \t])?([\w-]*)\Z")
_DIALECT = re.compile(r"#[ \t]*lsp:[ \t]*dialect[ \t]*=[ \t]*([\w.+-]*)\Z")
_WORD = re.compile(r"#[ \t]*lsp:[ \t]*([\w-]*)\Z")
_WORDS = {
    "ignore": ("ignore[$1] ${2:reason}", "silences rules for the line, or for the layer or block below"),
    "ignore-file": ("ignore-file[$1] ${2:reason}", "silences rules for the whole file"),
    "dialect": ("dialect=$0", "says which Caffe the file is for"),
}


def in_comment(analysis: Analysis, comment: str, offset: int) -> Iterator[Item]:
    """Proposals for the end of `comment`, which ends at the offset."""
    code = _CODE.search(comment)
    dialect = _DIALECT.search(comment)
    word = _WORD.search(comment)
    if code is not None:
        yield from _codes(analysis, offset - len(code[1]))
    elif dialect is not None:
        for name in DIALECTS:
            yield Item(name, "word", "Caffe", name, offset - len(dialect[1]))
    elif word is not None:
        space = "" if comment[: word.start(1)].endswith((" ", "\t")) else " "
        for label, (text, detail) in _WORDS.items():
            yield Item(label, "word", detail, space + text, offset - len(word[1]), more=True)


def _codes(analysis: Analysis, start: int) -> Iterator[Item]:
    """All rules; first those that have something to say here."""
    said = {finding.code for finding in analysis.findings}
    for rule in _all():
        order = 0 if rule.code in said else 5
        yield Item(rule.code, "rule", rule.name, rule.code, start, order, doc_key=("rule", "", rule.code))


def rule_of(code: str) -> Rule | None:
    """The rule of a code, those of the forward pass included."""
    return next((rule for rule in _all() if rule.code == code), None)


def _all() -> tuple[Rule, ...]:
    from prototxt_server.rules.catalogue import load_all, load_dynamic  # a server needs the dynamic ones late or never

    return (*load_all(), *load_dynamic())
