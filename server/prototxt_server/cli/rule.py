"""`lsp rule`: the documentation of rules."""

from __future__ import annotations

import json

import click

from prototxt_server.cli.common import fail
from prototxt_server.report import rule_docs
from prototxt_server.rules.catalogue import load_all, load_dynamic


@click.command("rule", epilog="Example: lsp rule BN031")
@click.argument("codes", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All rules.")
@click.option("--format", "format_", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def command(codes: tuple[str, ...], every: bool, format_: str) -> None:
    """What a rule means, why it matters, an example and its fix. CODES are codes, names or prefixes."""
    rules = (*load_all(), *load_dynamic())
    chosen = list(rules) if every else []
    for code in codes:
        found = [r for r in rules if r.code.startswith(code.upper()) or r.name == code.lower()]
        if not found:
            fail(f"no rule is called {code!r}; `lsp rule` lists them")
        chosen += [r for r in found if r not in chosen]
    if not chosen:
        width = max(len(r.name) for r in rules)
        for r in rules:
            off = "" if r.default_on else "  (off by default)"
            click.echo(f"{r.code}  {r.name:<{width}}  {r.severity}{off}")
        return
    if format_ == "json":
        click.echo(json.dumps([rule_docs.as_dict(r) for r in chosen], indent=2, ensure_ascii=False))
    elif format_ == "markdown":
        click.echo("\n\n".join(rule_docs.as_markdown(r) for r in chosen))
    else:
        click.echo("\n\n".join(rule_docs.as_text(r) for r in chosen))
