"""A rule's documentation, made from its class: docstring, facts, examples."""

from __future__ import annotations

import inspect
from typing import Any

from prototxt_server.rules.base import Example, Rule


def _sections(rule: Rule) -> dict[str, str]:
    """The docstring by heading; text before the first heading under ""."""
    sections: dict[str, list[str]] = {"": []}
    current = ""
    for line in (inspect.getdoc(type(rule)) or "").splitlines():
        if line.startswith("## "):
            current = line[3:].strip()
            sections[current] = []
        else:
            sections[current].append(line)
    return {heading: "\n".join(lines).strip() for heading, lines in sections.items()}


def _examples(title: str, examples: tuple[Example, ...]) -> list[str]:
    if not examples:
        return []
    example = examples[0]
    note = "" if example.dialect == "bvlc" else f" (dialect {example.dialect})"
    return [f"## {title}{note}", "", "```prototxt", example.text.strip("\n"), "```", ""]


def as_markdown(rule: Rule) -> str:
    """The page of a rule: what it does, why, an example, what to use instead, how safe the fix is."""
    sections = _sections(rule)
    dialects = ", ".join(sorted(rule.dialects)) if rule.dialects else "all"
    lines = [f"# {rule.name} ({rule.code})", ""]
    facts = f"Severity: {rule.severity}. Dialects: {dialects}. Fix: {rule.fix_safety}."
    lines += [facts if rule.default_on else facts + " Off by default.", ""]
    if sections[""]:
        lines += [sections[""], ""]
    for heading in ("What it does", "Why is this bad?"):
        if heading in sections:
            lines += [f"## {heading}", "", sections[heading], ""]
    lines += [f"## Example\n\n{sections['Example']}\n"] if sections.get("Example") else _examples("Example", rule.BAD)
    if sections.get("Use instead"):
        lines += ["## Use instead", "", sections["Use instead"], ""]
    else:
        lines += _examples("Use instead", rule.GOOD)
    for heading, text in sections.items():
        if heading not in ("", "What it does", "Why is this bad?", "Example", "Use instead"):
            lines += [f"## {heading}", "", text, ""]
    return "\n".join(lines).strip() + "\n"


def as_text(rule: Rule) -> str:
    """The page for a terminal."""
    return as_markdown(rule).replace("```prototxt\n", "").replace("```", "").strip()


def as_dict(rule: Rule) -> dict[str, Any]:
    """The page for programs."""
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity,
        "dialects": sorted(rule.dialects),
        "default_on": rule.default_on,
        "fix": rule.fix_safety,
        "explanation": as_markdown(rule),
    }
