"""BN031: gamma that starts at 0 because the file writes no filler for it."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_net.batchnorm import (
    behind_frozen_layer,
    beta_starts_at_zero,
    gamma_filler,
    gamma_starts_at_zero,
    norm_family,
    norms,
)
from prototxt_net.finding import Finding, Fix, Severity
from prototxt_net.flow import dialects_of, kind
from prototxt_net.net import Node, PhaseNet
from prototxt_net.zeros import fate
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.bn.edits import fix, put
from prototxt_server.rules.bn.nets import bn, conv, data, image, ip, layer, loss, relu, scale, trained
from prototxt_server.rules.initial import InitialValueRule

_ONE = '{ type: "constant" value: 1 }'
_CAFFE = "batch_norm_param { engine: CAFFE }"


def _filled(*more: str) -> str:
    fields = " ".join((*more, f"scale_filler {_ONE}"))
    return f"batch_norm_param {{ {fields} }}"


@rule
class GammaZeroDefault(InitialValueRule):
    """## What it does
    Reports a batch normalisation with gamma of its own (NVIDIA 0.14 and 0.15, SegNet's `BN`, yjxiong's and PSPNet's
    `BN`) that does not say what gamma starts at, or says 0.

    ## Why is this bad?
    These Caffes hand an absent filler to the filler factory, whose default is the constant 0. The layer outputs exactly
    0 whatever its input is, a ReLU behind it blocks all gradients, and no layer that leads only to it can ever learn:
    after 200 steps gamma is still 0 (measured). With a beta that does not start at 0, or without a ReLU, gamma gets a
    gradient and leaves 0 (a warning).

    ## In other Caffes
    The same file trains in BVLC's, SSD's and Intel's Caffe: BVLC's and SSD's BatchNorm has no gamma, Intel's starts at
    1. In NVIDIA's 0.16 and 0.17 gamma exists with `scale_bias: true` or a filler; an absent filler means 1 there, an
    empty one 0. A Scale layer goes by the same rule as they do: without `filler` 1, with an empty one 0 (BN022).

    ## Fix safety
    Unsafe: it restores the usual start, which changes the initial values.
    """

    code = "BN031"
    name = "bn-gamma-zero-default"
    severity = "error"
    dialects = dialects_of("N15", "N16", "SG", "YX")
    fix_safety = "unsafe"
    GOOD = (
        Example(trained(_filled("engine: CAFFE")), dialect="nvidia-0.15"),
        Example(trained("batch_norm_param { scale_bias: true }"), dialect="nvidia-0.17"),
        Example(trained()),
    )
    BAD = (
        Example(trained(_CAFFE), dialect="nvidia-0.15", fixed=trained(_filled("engine: CAFFE"))),
        Example(
            trained("batch_norm_param { engine: CAFFE scale_filler { } }"),
            dialect="nvidia-0.15",
            fixed=trained("batch_norm_param { engine: CAFFE scale_filler { value: 1 } }"),
        ),
        Example(
            data()
            + conv("conv1", "data")
            + bn("bn1", "conv1", top="bn1", type_="BN")
            + relu("relu1", "bn1")
            + ip("fc", "bn1")
            + loss("fc"),
            dialect="segnet",
            fixed=data()
            + conv("conv1", "data")
            + bn("bn1", "conv1", f"bn_param {{ scale_filler {_ONE} }}", top="bn1", type_="BN")
            + relu("relu1", "bn1")
            + ip("fc", "bn1")
            + loss("fc"),
        ),
        Example(
            image() + conv("conv1", "data") + bn("bn1", "conv1", "bn_param { engine: CAFFE }", type_="BN"),
            dialect="pspnet",
        ),
        Example(trained("batch_norm_param { scale_filler { } }"), dialect="nvidia-0.16"),
        Example(
            data()
            + conv("conv1", "data")
            + conv("conv2", "conv1")
            + bn("bn2", "conv2", _CAFFE)
            + scale("scale2", "conv2")
            + layer("Eltwise", "sum", "conv1 conv2", "sum")
            + ip("fc", "sum")
            + loss("fc"),
            dialect="nvidia-0.15",
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Error where the zero provably stays; hint where weights are loaded."""
        for node in norms(net):
            if not gamma_starts_at_zero(node, net.dialect) or node.layer.bound.has("blobs"):
                continue
            beta = beta_starts_at_zero(node, net.dialect)
            what = "exactly 0" if beta else "only beta"
            severity, then = self._verdict(net, node, beta)
            path = gamma_filler(node, net.dialect)
            field = path.partition(".")[2]
            written = node.layer.bound.find(path) is not None
            why = (
                f"`{field}` gives no value, which means 0"
                if written
                else f"no `{field}` is given, and its default is 0"
            )
            yield self.at(
                node,
                f"'{node.name}': gamma starts at 0 in {net.dialect} ({why}), so the layer outputs {what} whatever its "
                f"input is{then} Write `{field} {_ONE}`.",
                path if written else "",
                severity=severity,
                fix=self._fix(net, node, path, written),
            )

    @staticmethod
    def _verdict(net: PhaseNet, node: Node, beta_is_zero: bool) -> tuple[Severity, str]:
        purpose = kind(net)
        if purpose in ("deploy", "features") or behind_frozen_layer(net, node):
            return "hint", " until weights are loaded."
        end = fate(net, node.tops[0]) if node.tops and beta_is_zero else "alive"
        if end == "added":
            return "hint", ": the branch that it ends starts switched off, which may be meant."
        if end == "dead":
            return (
                "error",
                ". The ReLU behind it blocks all gradients: gamma stays 0, and what leads only here never learns.",
            )
        return "warning", ", until gamma has moved."

    @staticmethod
    def _fix(net: PhaseNet, node: Node, path: str, written: bool) -> Fix | None:
        if norm_family(node, net.dialect) == "N16" or written:
            edit = put(net.file, node, f"{path}.value", "1")
        else:
            edit = put(net.file, node, path, _ONE)
        return fix("unsafe", "Start gamma at 1", edit)
