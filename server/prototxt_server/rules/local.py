"""Rules whose verdict depends on the text of one layer alone (and on the dialect it is bound to).

Whether a layer deserves a closer look is remembered with the layer, so a keystroke asks one layer again. Only the few
that do are then put into words, with their places in the text as it is now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.file import Layer, LayerDef
from prototxt_net.finding import Finding
from prototxt_server.rules.base import Rule, registered

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


class LayerRule(Rule):
    """Override `suspects` (cheap, pure, remembered) and `check_layer` (called for suspects only)."""

    def suspects(self, layer: LayerDef) -> bool:
        """Whether `check_layer` may have something to say about this layer."""
        raise NotImplementedError

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """The findings of a suspected layer."""
        raise NotImplementedError

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """Findings of all suspected layers, in file order."""
        for layer in _suspected(analysis).get(self.code, ()):
            yield from self.check_layer(layer, analysis)


def _suspected(analysis: Analysis) -> dict[str, list[Layer]]:
    """Layers by the code of the rule that suspects them; made once for an analysis."""
    found = analysis.cache.get("suspected layers")
    if isinstance(found, dict):
        return found
    table: dict[str, list[Layer]] = {}
    rules = [rule for rule in registered() if isinstance(rule, LayerRule)]
    for layer in analysis.file.layers:
        definition = layer.definition
        codes = definition.cache.get("suspects")
        if codes is None:
            codes = tuple(rule.code for rule in rules if rule.suspects(definition))
            definition.cache["suspects"] = codes
        for code in codes:
            table.setdefault(code, []).append(layer)
    analysis.cache["suspected layers"] = table
    return table
