"""`make docs`: one page a rule in docs/rules/, their index, and what configuration files take, as page and as schema.

What it writes is committed; tests hold it current.
"""

from __future__ import annotations

import json
from pathlib import Path

from prototxt_server.config_keys import KEYS, json_schema
from prototxt_server.report import rule_docs, symptom_docs
from prototxt_server.rules.base import Rule
from prototxt_server.rules.catalogue import GROUPS, load_all, load_dynamic
from prototxt_server.rules.symptoms import SYMPTOMS

DOCS = Path(__file__).resolve().parent
RULES = DOCS / "rules"

GUIDE = "What the layers compute, store and learn, Caffe by Caffe: [BatchNorm and Scale](../batchnorm.md)."

TITLES = {
    "bn": "BatchNorm and Scale", "frz": "Freezing", "syn": "Text format", "sch": "Schema", "net": "Graph",
    "shp": "Shapes", "ini": "Initialisation", "sol": "Solver", "dat": "Data", "los": "Losses", "sty": "Style",
    "dyn": "One batch", "log": "Training logs", "sup": "Suppression comments",
}  # fmt: skip


def pages() -> dict[str, str]:
    """File name -> content of every page."""
    rules = (*load_all(), *load_dynamic())
    out = {f"{rule.code}.md": rule_docs.as_markdown(rule) for rule in rules}
    for name in [name for name in out if name.startswith(("BN", "FRZ"))]:
        out[name] += f"\n{GUIDE}\n"
    out["README.md"] = _index(rules)
    return out


def _index(rules: tuple[Rule, ...]) -> str:
    lines = [
        "# Rules",
        "",
        f"{len(rules)} rules. `lsp rule CODE` prints the same pages. By what you see: [symptoms](../symptoms.md).",
        "",
    ]
    for group in (*GROUPS, "dyn", "log", "sup"):
        chosen = [rule for rule in rules if rule.code.lower().startswith(group)]
        if not chosen:
            continue
        lines += [
            f"## {TITLES[group]}",
            "",
            *([GUIDE, ""] if group == "bn" else []),
            "| code | name | severity | fix |",
            "|---|---|---|---|",
        ]
        for rule in chosen:
            off = "" if rule.default_on else " (off by default)"
            lines.append(f"| [{rule.code}]({rule.code}.md) | {rule.name} | {rule.severity}{off} | {rule.fix_safety} |")
        lines.append("")
    return "\n".join(lines)


def symptoms() -> str:
    """The index by what people see."""
    rules = (*load_all(), *load_dynamic())
    lines = ["# What you see, and the rules that say why", ""]
    lines += ["`lsp rule --symptom TEXT` searches this page. The likelier rules come first.", ""]
    lines += [f"- [{symptom.title}](#{symptom.anchor})" for symptom in SYMPTOMS]
    return "\n".join(lines) + "\n\n" + "\n\n".join(symptom_docs.as_markdown(s, rules) for s in SYMPTOMS) + "\n"


def configuration(page: str) -> str:
    """The page about configuration files with the table of its keys renewed."""
    begin, end = "<!-- `make docs` writes from here -->\n", "<!-- to here -->\n"
    rows = (f"| `{name}` | {key.doc} |\n" for name, key in KEYS.items())
    before, _, rest = page.partition(begin)
    return "".join((before, begin, "\n| key | what it says |\n|---|---|\n", *rows, "\n", end, rest.partition(end)[2]))


def main() -> None:
    """Write the pages and drop those of rules that no longer exist."""
    RULES.mkdir(exist_ok=True)
    wanted = pages()
    for old in RULES.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, content in wanted.items():
        (RULES / name).write_text(content)
    (DOCS / "symptoms.md").write_text(symptoms())
    page = DOCS / "configuration.md"
    page.write_text(configuration(page.read_text()))
    (DOCS / "prototxt-lsp.schema.json").write_text(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
    print(f"wrote {len(wanted)} pages to docs/rules/, and docs/symptoms.md, configuration.md, prototxt-lsp.schema.json")


if __name__ == "__main__":
    main()
