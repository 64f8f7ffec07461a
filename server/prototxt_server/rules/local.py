"""Rules whose verdict depends on the text of one layer alone (and on the dialect it is bound to).

Whether a layer deserves a closer look is remembered with the layer, so a keystroke asks one layer again. Only the few
that do are then put into words, with their places in the text as it is now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.file import Layer, LayerDef
from prototxt_net.finding import Finding
from prototxt_net.marks import mark
from prototxt_server.rules.base import Rule

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


class LayerRule(Rule):
    """Override `suspects` (cheap, pure, remembered) and `check_layer` (called for suspects only)."""

    def __init__(self) -> None:
        self._suspected = mark(self.suspects)

    def suspects(self, layer: LayerDef) -> bool:
        """Whether `check_layer` may have something to say about this layer."""
        raise NotImplementedError

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """The findings of a suspected layer."""
        raise NotImplementedError

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """Findings of all suspected layers, in file order."""
        for layer in analysis.file.marked(self._suspected):
            yield from self.check_layer(layer, analysis)
