"""Which rules speak under `select`, `extend-select` and `ignore`, sorted by how the engine asks them."""

from __future__ import annotations

from functools import lru_cache

from prototxt_server.rules.base import ProblemRule, Rule
from prototxt_server.rules.catalogue import load_all


@lru_cache(maxsize=64)
def active_rules(
    select: tuple[str, ...], extend: tuple[str, ...], ignore: tuple[str, ...]
) -> tuple[tuple[Rule, ...], dict[str, tuple[ProblemRule, ...]]]:
    """The rules that speak under a selection: those with a procedure of their own, and by problem code the others."""
    own: list[Rule] = []
    fed: dict[str, list[ProblemRule]] = {}
    for rule in load_all():
        if not is_selected(rule, select, extend, ignore):
            continue
        if isinstance(rule, ProblemRule):
            fed.setdefault(rule.source_code or rule.code, []).append(rule)
        if type(rule).check_net is not Rule.check_net or type(rule).check_file is not Rule.check_file:
            own.append(rule)
    # A rule that claims some problems of another code goes before that code's own rule.
    ordered = {code: tuple(sorted(rules, key=lambda r: r.code == code)) for code, rules in fed.items()}
    return tuple(own), ordered


@lru_cache(maxsize=64)
def linked_rules(select: tuple[str, ...], extend: tuple[str, ...], ignore: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules about several files that speak under a selection."""
    return tuple(
        rule
        for rule in load_all()
        if type(rule).check_linked is not Rule.check_linked and is_selected(rule, select, extend, ignore)
    )


@lru_cache(maxsize=64)
def active_codes(select: tuple[str, ...], extend: tuple[str, ...], ignore: tuple[str, ...]) -> frozenset[str]:
    """The codes of the rules that speak under a selection, and whose silence does not depend on other files."""
    chosen = (type(rule) for rule in load_all() if is_selected(rule, select, extend, ignore))
    return frozenset(
        rule.code for rule in chosen if rule.check_linked is Rule.check_linked and rule.stands is Rule.stands
    )


def is_selected(rule: Rule, select: tuple[str, ...], extend: tuple[str, ...], ignore: tuple[str, ...]) -> bool:
    """Whether a rule speaks; the longest matching prefix decides between `select` and `ignore`."""
    if not select and not extend and not ignore:
        return rule.default_on

    def longest(prefixes: tuple[str, ...]) -> int:
        return max((len(p) for p in prefixes if rule.code.startswith(p) or rule.name == p), default=0)

    chosen = longest(extend)
    if select:
        chosen = max(chosen, 1 if "ALL" in select else 0, longest(select))
    elif rule.default_on:
        chosen = max(chosen, 1)
    return chosen > longest(ignore)
