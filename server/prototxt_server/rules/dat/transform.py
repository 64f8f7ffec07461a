"""DAT001, DAT004 to DAT006 and DAT011: how images are scaled, cropped, mirrored and shuffled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net import marks
from prototxt_net.file import Layer, LayerDef
from prototxt_net.finding import Finding, Fix
from prototxt_net.flow import trainable
from prototxt_net.message import Bound
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.edits import drop, fix, put
from prototxt_server.rules.bn.nets import bn, conv, ip, layer, loss
from prototxt_server.rules.dat.common import HEAD, IMAGE_SOURCES, PARAMS, TEST, TRAIN, images, lmdb
from prototxt_server.rules.local import LayerRule

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_RECEIVE_PIXELS = frozenset({"Convolution", "InnerProduct", "Pooling"})


@rule
class UnscaledInput(Rule):
    """## What it does
    Says that images enter a net as they are, 0 to 255, with neither a mean nor a scale.

    ## Why is this bad?
    The first layer's outputs, and with them all activations, start two orders of magnitude larger than fillers such as
    msra and xavier assume; the loss may saturate at 87.3365. (Subtracting a mean is enough for most recipes.)

    ## Fix safety
    None: the mean belongs to the data.
    """

    code = "DAT001"
    name = "unscaled-input"
    severity = "info"
    GOOD = (
        Example(lmdb("transform_param { scale: 0.00390625 }") + HEAD),
        Example(lmdb() + bn("bn0", "data") + HEAD),
    )
    BAD = (
        Example(lmdb() + HEAD),
        Example(
            images("transform_param { mirror: true crop_size: 32 }") + conv("c", "data") + ip("f", "c") + loss("f")
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Data and ImageData in TRAIN whose images go straight into a layer with weights or into pooling."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        for node in net.of_type(*IMAGE_SOURCES):
            param = node.param("transform_param")
            own = node.param(PARAMS[node.type])
            if any(param.has(name) for name in ("mean_file", "mean_value", "scale")) or own.has("scale"):
                continue
            if not node.tops or len(node.tops) < 2:
                continue
            readers = [reader.type for reader, _ in node.tops[0].readers]
            if not readers or not all(type_ in _RECEIVE_PIXELS for type_ in readers):
                continue
            yield self.at(
                node,
                f"'{node.name}': images enter as 0 to 255 with neither mean nor scale, so activations start two "
                "orders of magnitude too large. Add mean_value, and scale if the recipe has one.",
                "transform_param",
            )


_COMPARED = ("scale", "mean_file", "mean_value", "crop_size")


@rule
class TrainTestTransform(Rule):
    """## What it does
    Reports data layers of TRAIN and TEST that scale, centre or crop differently.

    ## Why is this bad?
    The net is tested on other inputs than it was trained on. (mirror and other random changes belong to TRAIN alone.)

    ## Fix safety
    Unsafe: TRAIN's value is copied, which may be the wrong one.
    """

    code = "DAT004"
    name = "train-test-transform"
    severity = "warning"
    fix_safety = "unsafe"
    _A = lmdb(TRAIN, "transform_param { scale: 0.00390625 mirror: true }")
    GOOD = (Example(_A + lmdb(TEST, "transform_param { scale: 0.00390625 }") + HEAD),)
    BAD = (
        Example(
            _A + lmdb(TEST, "transform_param { scale: 0.0039215 }") + HEAD,
            fixed=_A + lmdb(TEST, "transform_param { scale: 0.00390625 }") + HEAD,
        ),
        Example(_A + lmdb(TEST) + HEAD),
        Example(
            lmdb(TRAIN, "transform_param { mean_value: 104 mean_value: 117 mean_value: 123 }")
            + lmdb(TEST, "transform_param { mean_value: 128 }")
            + HEAD
        ),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """The only image source of each phase, if both make the same blob."""
        nets = {net.phase: net for net in analysis.nets}
        if len(nets) != 2:
            return
        sources = [self._source(nets["TRAIN"]), self._source(nets["TEST"])]
        if sources[0] is None or sources[1] is None or sources[0].layer.index == sources[1].layer.index:
            return
        train, test = sources[0], sources[1]
        if train.layer.tops[:1] != test.layer.tops[:1]:
            return
        for field in _COMPARED:
            a, b = self._said(train, field), self._said(test, field)
            if a == b or (field == "crop_size" and self._same_size(train, test)):
                continue
            yield self.at(
                test,
                f"'{test.name}': TRAIN uses {self._words(field, a)}, TEST {self._words(field, b)}: the net is tested "
                f"on differently prepared data. Make {field} equal.",
                f"transform_param.{field}",
                related=(related(train, "the TRAIN layer", f"transform_param.{field}"),),
                phases=("TEST",),
                fix=self._fix(analysis, test, field, a),
            )

    @staticmethod
    def _source(net: PhaseNet) -> Node | None:
        found = list(net.of_type(*IMAGE_SOURCES))
        return found[0] if len(found) == 1 else None

    @staticmethod
    def _same_size(a: Node, b: Node) -> bool:
        """Whether both make images of the same known size, one by cropping and one by resizing."""
        sizes = [node.tops[0].shape[2:] for node in (a, b) if node.tops and node.tops[0].shape is not None]
        return len(sizes) == 2 and sizes[0] == sizes[1] and all(isinstance(dim, int) for dim in sizes[0])

    @staticmethod
    def _said(node: Node, field: str) -> tuple[object, ...]:
        param: Bound = node.param("transform_param")
        return tuple(param.all(field)) or ((1.0,) if field == "scale" else ())

    @staticmethod
    def _words(field: str, said: tuple[object, ...]) -> str:
        values = ", ".join(f"{v:g}" if isinstance(v, float | int) else f'"{v}"' for v in said)
        return f"{field} {values}" if said else f"no {field}"

    @staticmethod
    def _fix(analysis: Analysis, test: Node, field: str, wanted: tuple[object, ...]) -> Fix | None:
        path = f"transform_param.{field}"
        if (
            len(wanted) != 1
            or len(test.param("transform_param").all(field)) > 1
            or not isinstance(wanted[0], float | int)
        ):
            return None
        return fix("unsafe", f"Use {field} {wanted[0]:.9g}", put(analysis.file, test, path, f"{wanted[0]:.9g}"))


@rule
class MirrorInTest(Rule):
    """## What it does
    Reports `mirror: true` on a data layer that is part of TEST only.

    ## Why is this bad?
    The coin is flipped in both phases: test images are mirrored at random, and results vary from run to run.

    ## Fix safety
    Unsafe: results change, which is the point.
    """

    code = "DAT005"
    name = "mirror-in-test"
    severity = "warning"
    fix_safety = "unsafe"
    _TRAIN = lmdb(TRAIN, "transform_param { scale: 0.1 mirror: true }")
    GOOD = (Example(_TRAIN + lmdb(TEST, "transform_param { scale: 0.1 mirror: false }") + HEAD),)
    BAD = (
        Example(
            _TRAIN + lmdb(TEST, "transform_param { scale: 0.1 mirror: true }") + HEAD,
            fixed=_TRAIN + lmdb(TEST, "transform_param { scale: 0.1 }") + HEAD,
        ),
        Example(lmdb(TEST, "transform_param {\n  mirror: 1\n  scale: 0.5\n}") + HEAD, phase="TEST"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Layers whose include rules say TEST."""
        if net.phase != "TEST":
            return
        for node in net.marked(marks.source):
            rules = node.layer.definition.bound.entries.get("include", ())
            if not rules or not all(rule_.value.get("phase") == "TEST" for rule_ in rules):
                continue
            if not all(rule_.value.has("phase") for rule_ in rules) or not node.param("transform_param").get("mirror"):
                continue
            yield self.at(
                node,
                f"'{node.name}': mirror flips images at random in TEST too, so results vary between runs. Remove it.",
                "transform_param.mirror",
                fix=fix("unsafe", "Delete mirror", drop(net.file, node, "transform_param.mirror")),
            )


@rule
class NoShuffle(Rule):
    """## What it does
    Says that an ImageData or HDF5Data layer of a training net reads its list in file order.

    ## Why is this bad?
    A list that is sorted by class gives batches of one class, which training, and BatchNorm above all, cannot use. If
    the list was shuffled when it was written, all is well.

    ## Fix safety
    Unsafe: the order of the images changes.
    """

    code = "DAT006"
    name = "no-shuffle"
    severity = "info"
    fix_safety = "unsafe"
    _SCALED = "transform_param { scale: 0.1 }"
    GOOD = (Example(images(_SCALED) + HEAD), Example(lmdb(_SCALED) + HEAD))
    BAD = (
        Example(
            images(_SCALED, param="") + HEAD, fixed=images(_SCALED).replace("shuffle: true}", "shuffle: true }") + HEAD
        ),
        Example(layer("HDF5Data", "data", "", "data label", 'hdf5_data_param { source: "f" batch_size: 8 }') + HEAD),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """TRAIN nets with a loss."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        for node in net.of_type("ImageData", "HDF5Data"):
            name = PARAMS[node.type]
            param = node.param(name)
            if param.get("shuffle") or not param.has("source"):
                continue
            yield self.at(
                node,
                f"'{node.name}' reads its list in file order in every epoch; a list that is sorted by class gives "
                "batches of one class. Add shuffle: true.",
                name,
                fix=fix("unsafe", "Add shuffle: true", put(net.file, node, f"{name}.shuffle", "true")),
            )


_ONE_256TH = 0.00390625


@rule
class Scale255(LayerRule):
    """## What it does
    Points out a `scale` of 0.00390625 whose comment says 1/255.

    ## Why is this bad?
    0.00390625 is 1/256; 1/255 is 0.00392157. It is harmless as long as TRAIN, TEST and deploy use the same.

    ## Fix safety
    Unsafe: inputs change by 0.4 percent.
    """

    code = "DAT011"
    name = "scale-255"
    severity = "hint"
    fix_safety = "unsafe"
    GOOD = (Example(lmdb("transform_param {\n  scale: 0.00390625  # 1/256\n}") + HEAD),)
    BAD = (
        Example(
            lmdb("transform_param {\n  scale: 0.00390625  # 1/255\n}") + HEAD,
            fixed=lmdb("transform_param {\n  scale: 0.00392157  # 1/255\n}") + HEAD,
        ),
        Example(images("transform_param {\n  # divide by 255\n  scale: 0.00390625\n}") + HEAD),
    )

    def suspects(self, layer: LayerDef) -> bool:
        """The value."""
        entry = layer.bound.find("transform_param.scale")
        return entry is not None and abs(entry.value - _ONE_256TH) < 1e-9

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """The comment behind the value or on the line above."""
        entry = layer.bound.find("transform_param.scale")
        if entry is None or not _says_255(analysis.source.text, layer.base + entry.start, layer.base + entry.end):
            return
        yield self.at(
            layer,
            f"'{layer.name}': 0.00390625 is 1/256; 1/255 is 0.00392157. Harmless if TRAIN, TEST and deploy use the "
            "same.",
            "transform_param.scale",
            fix=fix("unsafe", "Use 0.00392157", put(analysis.file, layer, "transform_param.scale", "0.00392157")),
        )


def _says_255(text: str, start: int, end: int) -> bool:
    line_start = text.rfind("\n", 0, start) + 1
    above = text[text.rfind("\n", 0, max(0, line_start - 1)) + 1 : line_start].strip()
    line_end = text.find("\n", end)
    behind = text[end : line_end if line_end >= 0 else len(text)].partition("#")[2]
    return "255" in behind or (above.startswith("#") and "255" in above)
