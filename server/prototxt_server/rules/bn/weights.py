"""BN040: batch-norm blobs that another Caffe has written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.batchnorm import blob_count, norm_family, norms
from prototxt_net.finding import Finding
from prototxt_net.net import Node
from prototxt_server.linked.weights import StoredLayer
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.nets import trained

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked


def _stored(*shapes: tuple[int, ...], factor: float | None = None) -> dict[str, StoredLayer]:
    return {"bn1": StoredLayer("BatchNorm", shapes, factor)}


_C, _ONE = (8,), (1,)
_N15 = "batch_norm_param { scale_filler { value: 1 } engine: CAFFE }"


@rule
class WeightsOfAnotherCaffe(Rule):
    """## What it does
    Compares the blobs of each batch normalisation with those that a weights file (`lsp check --weights FILE`) stores
    under its name.

    ## Why is this bad?
    The forks lay them out differently. BVLC: mean, variance and the factor that both are to be divided by. NVIDIA 0.15:
    gamma, beta, mean, variance and a spare one. NVIDIA 0.16 and 0.17: mean, variance, 1, and gamma and beta where they
    are asked for. PSPNet: gamma, beta, mean, variance. SegNet: gamma and beta. With another number of blobs Caffe
    aborts while it loads; with the same number in another order it computes nonsense.

    ## Fix safety
    None: convert the weights, or use the Caffe that they were saved by.
    """

    code = "BN040"
    name = "bn-weights-dialect"
    severity = "warning"
    GOOD = (
        Example(trained(), stored=_stored(_C, _C, _ONE, factor=999.0)),
        Example(trained(), stored={}),
        Example(trained(_N15), dialect="nvidia-0.15", stored=_stored(_C, _C, _C, _C, _ONE)),
    )
    BAD = (
        Example(trained(), stored=_stored(_C, _C, _C, _C, _ONE)),
        Example(trained(_N15), dialect="nvidia-0.15", stored=_stored(_C, _C, _ONE, factor=999.0)),
        Example(trained(_N15), dialect="nvidia-0.15", stored=_stored(_C, _C, _ONE, _C, _C, factor=1.0)),
        Example(trained(), dialect="nvidia-0.16", stored=_stored(_C, _C, _ONE, factor=999.98)),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """Each layer that the file knows, once."""
        if linked.weights is None:
            return
        for net in analysis.nets:
            for node in norms(net):
                stored = linked.weights.layers.get(node.name)
                said = self._said(node, stored, net.dialect) if stored is not None and stored.shapes else ""
                if said:
                    yield self.at(node, f"'{node.name}' in {linked.weights.path}: {said}", "type", phases=(net.phase,))

    @staticmethod
    def _said(node: Node, stored: StoredLayer, dialect: str) -> str:
        expected = blob_count(node, dialect)
        count, writer = len(stored.shapes), _writer(stored)
        if expected is None:
            return ""
        if count != expected:
            return (
                f"{count} blobs, as {writer} writes them, where {dialect} has {expected}; loading aborts. Convert the "
                "weights, or use the Caffe that saved them."
            )
        family = norm_family(node, dialect)
        if count == 5 and family in ("N15", "N16") and (stored.shapes[2] in _SINGLE) != (family == "N16"):
            return f"the five blobs stand in the order of {writer}, not of {dialect}. Convert the weights."
        if family == "N16" and dialect == "nvidia-0.16" and stored.factor not in (None, 0.0, 1.0):
            return (
                f"mean and variance are stored times {stored.factor:g}, as {writer} does; {dialect} does not divide "
                "them by it. Convert the weights."
            )
        return ""


_SINGLE = ((1,), (1, 1, 1, 1))


def _writer(stored: StoredLayer) -> str:
    """Whose Caffe lays the blobs out like that."""
    shapes = stored.shapes
    if len(shapes) == 3:
        return "NVIDIA 0.16 or 0.17" if stored.factor == 1.0 else "BVLC"
    if len(shapes) == 5:
        return "NVIDIA 0.16 or 0.17" if shapes[2] in _SINGLE and shapes[0] not in _SINGLE else "NVIDIA 0.15"
    return {4: "PSPNet", 2: "SegNet"}.get(len(shapes), "another Caffe")
