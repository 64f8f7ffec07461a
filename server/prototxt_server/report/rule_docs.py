"""A rule's documentation, made from its class: docstring, facts, examples."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

from prototxt_net.schema.load import DIALECTS
from prototxt_server.report.rule_examples import shown
from prototxt_server.rules import symptoms
from prototxt_server.rules.base import Rule

_FIX = {
    "safe": "`--fix` applies it",
    "unsafe": "`--fix --unsafe-fixes` applies it, because it changes what the net computes",
    "none": "none",
}


_LINK = re.compile(r"\[([^\]]*)\]\(\.\./symptoms\.md#[^)]*\)")


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


def _net(text: str, dialect: str) -> str:
    note = "" if dialect == "bvlc" else f"As {dialect} reads it:\n\n"
    return f"{note}```prototxt\n{text}\n```"


def summary(rule: Rule) -> str:
    """The first sentence of what a rule does, on one line."""
    sections = _sections(rule)
    text = " ".join((sections.get("What it does") or sections[""]).split())
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`])", text, maxsplit=1)[0]


def _dialects(rule: Rule) -> str:
    """Those that the rule speaks about, or those that it does not, whichever are fewer."""
    others = set(DIALECTS) - rule.dialects if rule.dialects else set()
    if len(others) < len(rule.dialects):
        return f"all but {', '.join(sorted(others))}"
    return ", ".join(sorted(rule.dialects)) or "all"


def as_markdown(rule: Rule) -> str:
    """The page of a rule: what it does, why, an example, what to use instead, how safe the fix is."""
    sections = _sections(rule)
    seen = symptoms.of_rule(rule.code)
    if seen:
        sections["Seen as"] = "\n".join(f"- [{symptom.title}](../symptoms.md#{symptom.anchor})" for symptom in seen)
    if rule.BAD and rule.GOOD:
        example = shown(rule)
        beside = "".join(f"\n\nbeside `{name}`:\n\n{_net(text, 'bvlc')}" for name, text in example.files)
        sections.setdefault("Example", _net(example.bad, example.bad_dialect) + beside)
        if example.says:
            said = textwrap.wrap(f"> {example.says}", 120, subsequent_indent="> ", break_on_hyphens=False)
            sections["Example"] += "\n\n" + "\n".join(said)
        sections.setdefault("Use instead", _net(example.good, example.good_dialect))
    off = "" if rule.default_on else " (off unless selected)"
    facts = f"Severity: {rule.severity}{off}. Dialects: {_dialects(rule)}."
    lines = [f"# {rule.name} ({rule.code})", "", f"{facts} Fix: {_FIX[rule.fix_safety]}.", ""]
    order = ("", "What it does", "Why is this bad?", "Seen as", "Example", "Use instead")
    for heading in (*order, *(name for name in sections if name not in order)):
        if sections.get(heading):
            lines += [f"## {heading}", ""] * bool(heading) + [sections[heading], ""]
    return "\n".join(lines).strip() + "\n"


def as_text(rule: Rule) -> str:
    """The page for a terminal: nets are indented instead of fenced."""
    lines = []
    inside = False
    for line in as_markdown(rule).splitlines():
        line = _LINK.sub(r"\1", line)
        if line.startswith("```"):
            inside = not inside
        else:
            lines.append(f"    {line}" if inside and line else line)
    return "\n".join(lines).strip()


def as_dict(rule: Rule) -> dict[str, Any]:
    """The page for programs."""
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity,
        "dialects": sorted(rule.dialects),
        "default_on": rule.default_on,
        "fix": rule.fix_safety,
        "symptoms": [symptom.title for symptom in symptoms.of_rule(rule.code)],
        "explanation": as_markdown(rule),
    }
