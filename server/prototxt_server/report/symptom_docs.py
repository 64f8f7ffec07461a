"""A symptom with its rules, for docs/symptoms.md and `lsp rule --symptom`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

from prototxt_server.report.rule_docs import summary
from prototxt_server.rules.base import Rule
from prototxt_server.rules.symptoms import Symptom


def rules_of(symptom: Symptom, rules: Iterable[Rule]) -> list[tuple[str, list[Rule]]]:
    """Each code of the symptom with its rule, or each prefix with all its rules, in the symptom's order."""
    every = list(rules)
    return [(code, [rule for rule in every if rule.code.startswith(code)]) for code in symptom.codes]


def as_markdown(symptom: Symptom, rules: Iterable[Rule], folder: str = "rules/") -> str:
    """A section of docs/symptoms.md. folder: where the pages of the rules are."""
    also = "; ".join(f"*{phrase}*" for phrase in symptom.also)
    lines = [f"## {symptom.title}", "", f"Also: {also}.", "", symptom.cause, ""]
    for code, found in rules_of(symptom, rules):
        if len(found) == 1:
            lines.append(f"- [{code}]({folder}{code}.md) {found[0].name}: {summary(found[0])}")
        else:
            lines.append(f"- {code}: {len(found)} rules, see [the index]({folder}README.md)")
    return "\n".join(lines)


def as_text(symptom: Symptom, rules: Iterable[Rule]) -> str:
    """The same for a terminal."""
    lines = [symptom.title, "", *textwrap.wrap(symptom.cause, 100), ""]
    for code, found in rules_of(symptom, rules):
        text = f"{found[0].name}: {summary(found[0])}" if len(found) == 1 else f"{len(found)} rules (`lsp rule {code}`)"
        lines += textwrap.wrap(f"{code:<6}  {text}", 100, initial_indent="  ", subsequent_indent=" " * 10)
    return "\n".join(lines)


def as_dict(symptom: Symptom, rules: Iterable[Rule]) -> dict[str, Any]:
    """The same for programs."""
    codes = [rule.code for _, found in rules_of(symptom, rules) for rule in found]
    return {"title": symptom.title, "also": list(symptom.also), "cause": symptom.cause, "codes": codes}
