"""BN050, BN051, BN053: eps and moving_average_fraction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.batchnorm import family_of
from prototxt_net.file import Layer, LayerDef
from prototxt_net.finding import Finding, Severity
from prototxt_net.flow import dialects_of
from prototxt_net.message import Bound
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.bn.edits import fix, put
from prototxt_server.rules.bn.nets import trained
from prototxt_server.rules.local import LayerRule

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


def _param(text: str) -> str:
    return trained(f"batch_norm_param {{ {text} }}")


def _message(layer: LayerDef) -> str:
    return "bn_param" if layer.type == "BN" else "batch_norm_param"


def _fields(layer: LayerDef) -> Bound:
    return layer.bound.sub(_message(layer))


def _written(layer: LayerDef, name: str) -> float | None:
    """The number that a batch normalisation's block gives a field, None when it does not."""
    if _message(layer) not in layer.bound.entries:
        return None
    param = _fields(layer)
    return param.get(name) if param.has(name) else None


def _fraction(layer: LayerDef) -> str:
    return "momentum" if layer.type == "BN" else "moving_average_fraction"


_FLOOR = 9.9e-6  # 1e-5, and what float32 makes of it


def _has_floor(layer: LayerDef, dialect: str) -> bool:
    """Whether the layer raises a small eps to 1e-5 (BN051)."""
    own = family_of(layer.type, dialect)
    return own == "N16" or (own == "N15" and _fields(layer).get("engine") != "CAFFE")


@rule
class EpsRange(LayerRule):
    """## What it does
    Reports an `eps` that is negative, 0, or 0.1 and more.

    ## Why is this bad?
    eps is added to the variance under the root. With 0 a constant channel divides by zero, with a negative value the
    root of a small variance is not a number, and a large one swamps the variance, so nothing is normalised. Values in
    use lie between 1e-5 and 1e-3. NVIDIA's layers raise what is too small (BN051).

    ## Fix safety
    Unsafe: results change.
    """

    code = "BN050"
    name = "bn-eps-range"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(_param("eps: 0.001")), Example(trained()))
    BAD = (
        Example(_param("eps: 0"), fixed=_param("eps: 1e-5")),
        Example(_param("eps: 1")),
        Example(_param("eps: -0.001")),
    )

    def suspects(self, layer: LayerDef) -> bool:
        """Written values."""
        eps = _written(layer, "eps")
        return eps is not None and not 0 < eps < 0.1

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """In every dialect."""
        dialect, eps = analysis.file.dialect, _fields(layer.definition).get("eps")
        if family_of(layer.type, dialect) is not None and (eps > 0 or not _has_floor(layer.definition, dialect)):
            if eps >= 0.1:
                why = "it swamps the variance, so the channels are not normalised"
            else:
                why = "channels that are constant " + (
                    "divide by zero" if eps == 0 else "give the root of a negative number"
                )
            path = f"{_message(layer.definition)}.eps"
            yield self.at(
                layer,
                f"'{layer.name}': eps is {eps:g}: {why}. Use 1e-5.",
                path,
                fix=fix("unsafe", "Use 1e-5", put(analysis.file, layer, path, "1e-5")),
            )


@rule
class EpsClamped(LayerRule):
    """## What it does
    Points out an `eps` below the floor of NVIDIA's layers, 1e-5 (1e-4 in version 0.16.1).

    ## Why is this bad?
    The value is silently raised, so results differ from those of a Caffe that uses what is written.

    ## Fix safety
    Safe: it writes the value in force.
    """

    code = "BN051"
    name = "bn-eps-clamped"
    severity = "hint"
    dialects = dialects_of("N15", "N16")
    fix_safety = "safe"
    GOOD = (
        Example(_param("eps: 1e-5"), dialect="nvidia-0.17"),
        Example(_param("eps: 1e-6 engine: CAFFE scale_filler { value: 1 }"), dialect="nvidia-0.15"),
    )
    BAD = (
        Example(_param("eps: 1e-6"), dialect="nvidia-0.17", fixed=_param("eps: 1e-5")),
        Example(_param("eps: 0 scale_bias: true"), dialect="nvidia-0.16"),
    )

    def suspects(self, layer: LayerDef) -> bool:
        """Written values under the floor."""
        eps = _written(layer, "eps")
        return eps is not None and eps < _FLOOR

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """Layers that have the floor."""
        if _has_floor(layer.definition, analysis.file.dialect):
            eps = _fields(layer.definition).get("eps")
            yield self.at(
                layer,
                f"'{layer.name}': eps {eps:g} is silently raised to 1e-5 (version 0.16.1: to 1e-4), so results differ "
                "from BVLC's. Write 1e-5.",
                "batch_norm_param.eps",
                fix=fix("safe", "Write 1e-5", put(analysis.file, layer, "batch_norm_param.eps", "1e-5")),
            )


@rule
class FractionRange(LayerRule):
    """## What it does
    Reports a `moving_average_fraction` (or `momentum` of yjxiong's and PSPNet's BN) that is no fraction, or so small
    that it looks like another framework's momentum.

    ## Why is this bad?
    The number is the weight of the OLD average; 0.999 is the default. Frameworks that name the weight of the new value
    write 0.1 or 0.01 for what is 0.9 or 0.99 here. Below 0 or above 1 what is stored is no average at all. With 1
    BVLC's Caffe takes the plain average of all batches, because it divides by the sum of the weights. NVIDIA's 0.16
    and 0.17 (and 0.15 with `engine: CAFFE`) take the first batch as it is and then never change it; NVIDIA's 0.15 with
    cuDNN and the `BN` of yjxiong and PSPNet stay at the 0 that they start from.

    ## Fix safety
    Unsafe: the stored statistics change.
    """

    code = "BN053"
    name = "bn-maf-range"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(_param("moving_average_fraction: 0.95")), Example(trained()))
    BAD = (
        Example(_param("moving_average_fraction: 0.1"), fixed=_param("moving_average_fraction: 0.9")),
        Example(_param("moving_average_fraction: 1.5")),
        Example(_param("moving_average_fraction: 1")),
    )

    def suspects(self, layer: LayerDef) -> bool:
        """Written values."""
        value = _written(layer, _fraction(layer))
        return value is not None and not 0.5 <= value < 1

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """By family."""
        own = family_of(layer.type, analysis.file.dialect)
        if own is not None:
            field = _fraction(layer.definition)
            value = _fields(layer.definition).get(field)
            severity: Severity = "warning"
            new = ""
            if value < 0 or value > 1:
                why = (
                    "the weight of the old value must lie between 0 and 1, or nothing stored is an average. Write 0.999"
                )
            elif value == 1:
                never = own in ("N15", "N16", "YX")
                severity = "warning" if never else "info"
                why = (
                    "the stored statistics never follow the data. Write a number below 1, such as 0.999"
                    if never
                    else "the stored statistics are the plain average over all batches"
                )
            elif value == 0:
                why = "only the last batch is stored. Write a number near 1, such as 0.999"
            else:
                new = f"{round(1 - value, 9):g}"
                why = f"it is the weight of the OLD value, unlike the momentum of other frameworks. Did you mean {new}?"
            path = f"{_message(layer.definition)}.{field}"
            yield self.at(
                layer,
                f"'{layer.name}' has {field} {value:g}: {why}" + ("" if new else "."),
                path,
                severity=severity,
                fix=fix("unsafe", f"Write {new}", put(analysis.file, layer, path, new)) if new else None,
            )
