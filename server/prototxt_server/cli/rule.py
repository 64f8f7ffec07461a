"""`lsp rule`: the documentation of rules."""

from __future__ import annotations

import json

import click

from prototxt_server.cli.common import fail, say
from prototxt_server.report import rule_docs
from prototxt_server.rules.base import Rule
from prototxt_server.rules.catalogue import load_all, load_dynamic


@click.command("rule", epilog="Example: lsp rule BN031")
@click.argument("codes", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All rules.")
@click.option("--symptom", metavar="TEXT", help="The rules behind what you see, for example 'loss stuck at 87.3365'.")
@click.option("--format", "format_", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def command(codes: tuple[str, ...], every: bool, symptom: str | None, format_: str) -> None:
    """What a rule means, why it matters, an example and its fix. CODES are codes, names or prefixes."""
    rules = (*load_all(), *load_dynamic())
    if symptom is not None:
        _say_symptoms(symptom, rules, format_)
        return
    chosen = list(rules) if every else []
    for code in codes:
        found = [r for r in rules if r.code.startswith(code.upper()) or r.name == code.lower()]
        if not found:
            from difflib import get_close_matches

            near = get_close_matches(code.lower(), [n for r in rules for n in (r.code.lower(), r.name)], 3, 0.7)
            hint = "did you mean " + " or ".join(n if "-" in n else n.upper() for n in near) + "?" if near else ""
            fail(f"no rule is called {code!r}; {hint or '`lsp rule` lists them'}")
        chosen += [r for r in found if r not in chosen]
    if not chosen:
        width = max(len(r.name) for r in rules)
        for r in rules:
            off = "" if r.default_on else "  (off by default)"
            say(f"{r.code}  {r.name:<{width}}  {r.severity}{off}")
        return
    if format_ == "json":
        say(json.dumps([rule_docs.as_dict(r) for r in chosen], indent=2, ensure_ascii=False))
    elif format_ == "markdown":
        say("\n\n".join(rule_docs.as_markdown(r) for r in chosen))
    else:
        say("\n\n".join(rule_docs.as_text(r) for r in chosen))


def _say_symptoms(text: str, rules: tuple[Rule, ...], format_: str) -> None:
    from prototxt_server.report import symptom_docs
    from prototxt_server.rules.symptom_search import search
    from prototxt_server.rules.symptoms import SYMPTOMS

    found = search(text)[:3]
    if not found:
        known = "; ".join(symptom.title for symptom in SYMPTOMS)
        fail(f"no symptom is like {text!r}; there are: {known}")
    if format_ == "json":
        say(json.dumps([symptom_docs.as_dict(s, rules) for s in found], indent=2, ensure_ascii=False))
    else:
        show = symptom_docs.as_markdown if format_ == "markdown" else symptom_docs.as_text
        say("\n\n".join(show(s, rules) for s in found))
