"""From what people write about their training to the symptoms of the index."""

from __future__ import annotations

import re

from prototxt_server.rules.symptoms import SYMPTOMS, Symptom


def search(text: str) -> list[Symptom]:
    """The symptoms that share the most words with a description, best first; none without a shared word of weight."""
    wanted = _words(text)
    scored = []
    for symptom in SYMPTOMS:
        best = max(_likeness(wanted, _words(phrase)) for phrase in (symptom.title, *symptom.also))
        every = set().union(*map(_words, (symptom.title, *symptom.also)))
        scored.append((best + _likeness(wanted, every), symptom))
    best_score = max(score for score, _ in scored)
    scored = [(score, symptom) for score, symptom in scored if score >= max(0.3, best_score * 0.6)]
    return [symptom for _, symptom in sorted(scored, key=lambda item: -item[0])]


_EMPTY = re.compile(
    "a|after|all|an|and|are|as|at|by|does|for|from|is|it|its|my|n|not|of|on|only|or|some|than|that|the|to|with"
)


def _words(text: str) -> set[str]:
    found = re.findall(r"[a-z]+|\d+(?:\.\d+)?", text.lower().replace("batchnorm", "batch norm"))
    return {_stem(word) for word in found if not _EMPTY.fullmatch(word)}


def _stem(word: str) -> str:
    """Endings off, so that "training" and "trains" meet; numbers to two places, so that 87.34 and 87.3365 do."""
    if word[0].isdigit():
        return f"{float(word):.1f}"
    for ending in ("ings", "ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _likeness(wanted: set[str], words: set[str]) -> float:
    """The words in common, as a share of both; 0 to 1."""
    return len(wanted & words) / (len(wanted | words) or 1)
