"""Writes prototxt text: one method for each kind of layer that the papers' tables name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

Style: TypeAlias = Literal["train_val", "deploy"]
Source: TypeAlias = Literal["lmdb", "dummy"]


class Word(str):
    """An enum value or another word that stands without quotes."""

    __slots__ = ()


def render(fields: Mapping[str, Any], indent: str = "  ") -> str:
    """Fields as lines; a mapping is a message, a list repeats its field."""
    lines = []
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Mapping):
                inner = render(one, indent + "  ")
                short = f"{indent}{name} {{ {' '.join(inner.split())} }}\n"
                lines.append(short if len(short) <= 100 else f"{indent}{name} {{\n{inner}{indent}}}\n")
            elif one is not None:
                lines.append(f"{indent}{name}: {_scalar(one)}\n")
    return "".join(lines)


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not isinstance(value, Word):
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


CONSTANT_ZERO = {"type": "constant", "value": 0}


class Net:
    """A net being written. Methods take the names of blobs and give back the name of their top.

    batch, size: of the input, size x size. width: what all numbers of channels except those of the classes are
    multiplied with, so that a net of the same structure fits a small machine. trained: whether fillers, rates and
    losses are written.
    """

    def __init__(
        self, name: str, style: Style, source: Source, batch: int, size: int, width: float, classes: int
    ) -> None:
        self.trained = style == "train_val"
        self.source: Source = source
        self.batch, self.size, self.width, self.classes = batch, size, width, classes
        self._parts = [f'name: "{name}"\n']

    @property
    def text(self) -> str:
        """What has been written so far."""
        return "".join(self._parts)

    def wide(self, channels: int, multiple: int = 1) -> int:
        """A number of channels times the width, at least `multiple` and divisible by it."""
        return max(1, round(channels * self.width / multiple)) * multiple

    def layer(
        self, type_: str, name: str, bottoms: Sequence[str], tops: Sequence[str], phase: str = "", **fields: Any
    ) -> str:
        """One layer of any type; the name of its first top."""
        head = {"name": name, "type": type_, "bottom": list(bottoms), "top": list(tops)}
        rule = {"include": {"phase": Word(phase)}} if phase else {}
        self._parts.append(f"layer {{\n{render({**head, **rule, **fields})}}}\n")
        return tops[0] if tops else ""

    # -- where data comes from -----------------------------------------------------------------------------------------
    def images(self, channels: int = 3, label: Sequence[int] | None = None, labelled: bool = True) -> str:
        """The net's input `data`, and in the trained style, where `labelled`, `label` (one class for each image)."""
        shape = {"dim": [self.batch, channels, self.size, self.size]}
        if not self.trained:
            return self.layer("Input", "data", [], ["data"], input_param={"shape": shape})
        tops = ["data", "label"] if labelled else ["data"]
        if self.source == "dummy":
            shapes = [shape, {"dim": list(label or [self.batch])}]
            fillers = [{"type": "gaussian", "std": 1}, {"type": "constant", "value": 1}]
            count = len(tops)
            param = {"shape": shapes[:count], "data_filler": fillers[:count]}
            return self.layer("DummyData", "data", [], tops, dummy_data_param=param)
        for phase in ("TRAIN", "TEST"):
            self.layer(
                "Data", "data", [], tops, phase,
                transform_param=self.transform(channels, phase),
                data_param=self.database(f"{phase.lower()}_lmdb"),
            )  # fmt: skip
        return "data"

    def transform(self, channels: int, phase: str) -> dict[str, Any]:
        """Crop and mean of a data layer; mirrored in training."""
        mean = {"mean_value": [104, 117, 123]} if channels == 3 else {"scale": 0.00390625}
        return ({"mirror": True} if phase == "TRAIN" else {}) | {"crop_size": self.size} | mean

    def database(self, source: str) -> dict[str, Any]:
        """The data_param of a data layer."""
        return {"source": source, "batch_size": self.batch, "backend": Word("LMDB")}

    # -- layers with weights -------------------------------------------------------------------------------------------
    def _rates(self, bias: bool, decay: float = 1.0) -> dict[str, Any]:
        if not self.trained:
            return {}
        weight = {"lr_mult": 1, "decay_mult": decay}
        return {"param": [weight, {"lr_mult": 2, "decay_mult": 0}] if bias else [weight]}

    def _fillers(self, bias: bool, filler: str | Mapping[str, Any]) -> dict[str, Any]:
        if not self.trained:
            return {}
        weight = {"type": filler} if isinstance(filler, str) else filler
        return {"weight_filler": weight} | ({"bias_filler": CONSTANT_ZERO} if bias else {})

    def conv(
        self,
        bottom: str,
        name: str,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        pad: int = 0,
        group: int = 1,
        dilation: int = 1,
        bias: bool = True,
        filler: str | Mapping[str, Any] = "xavier",
    ) -> str:
        """A convolution onto exactly `channels` maps: call `wide` where the width counts."""
        param = {
            "num_output": channels,
            "bias_term": None if bias else False,
            "pad": pad or None,
            "kernel_size": kernel,
            "group": group if group > 1 else None,
            "stride": stride if stride > 1 else None,
            "dilation": dilation if dilation > 1 else None,
            **self._fillers(bias, filler),
        }
        return self.layer("Convolution", name, [bottom], [name], **self._rates(bias), convolution_param=param)

    def upsample(self, bottom: str, name: str, factor: int) -> str:
        """A fixed bilinear interpolation of the class maps: a deconvolution with as many groups as channels."""
        param = {
            "num_output": self.classes,
            "bias_term": False,
            "kernel_size": 2 * factor,
            "group": self.classes,
            "stride": factor,
            "weight_filler": {"type": "bilinear"},
        }
        rate = {"lr_mult": 0, "decay_mult": 0}
        return self.layer("Deconvolution", name, [bottom], [name], param=rate, convolution_param=param)

    def full(self, bottom: str, name: str, outputs: int, filler: str | Mapping[str, Any] = "xavier") -> str:
        """A fully connected layer."""
        param = {"num_output": outputs, **self._fillers(True, filler)}
        return self.layer("InnerProduct", name, [bottom], [name], **self._rates(True), inner_product_param=param)

    def norm(self, bottom: str, name: str) -> str:
        """BatchNorm and the Scale with its gamma and beta, both in place, as BVLC Caffe wants them.

        `name` holds a `{}` for "bn" and "scale".
        """
        self.layer("BatchNorm", name.format("bn"), [bottom], [bottom])
        return self.layer("Scale", name.format("scale"), [bottom], [bottom], scale_param={"bias_term": True})

    def norm_aside(self, bottom: str, name: str) -> str:
        """The same onto a top of its own, where others read `bottom` as it is."""
        top = name.format("bn")
        self.layer("BatchNorm", top, [bottom], [top])
        return self.layer("Scale", name.format("scale"), [top], [top], scale_param={"bias_term": True})

    # -- layers without --------------------------------------------------------------------------------------------
    def relu(self, blob: str, name: str = "") -> str:
        """ReLU in place."""
        return self.layer("ReLU", name or f"{blob}_relu", [blob], [blob])

    def pool(self, bottom: str, name: str, kernel: int, stride: int = 1, pad: int = 0, method: str = "MAX") -> str:
        """A pooling; kernel 0 is the mean over the whole map."""
        size = {"kernel_size": kernel, "stride": stride, "pad": pad or None} if kernel else {"global_pooling": True}
        param = {"pool": Word(method), **size}
        return self.layer("Pooling", name, [bottom], [name], pooling_param=param)

    def lrn(self, bottom: str, name: str) -> str:
        """Local response normalisation across 5 channels."""
        param = {"local_size": 5, "alpha": 0.0001, "beta": 0.75}
        return self.layer("LRN", name, [bottom], [name], lrn_param=param)

    def dropout(self, blob: str, name: str, ratio: float = 0.5) -> str:
        """Dropout in place."""
        return self.layer("Dropout", name, [blob], [blob], dropout_param={"dropout_ratio": ratio})

    def concat(self, name: str, bottoms: Sequence[str], axis: int = 1) -> str:
        """Join blobs along an axis."""
        param = {"axis": axis} if axis != 1 else None
        return self.layer("Concat", name, bottoms, [name], concat_param=param)

    def add(self, name: str, *bottoms: str) -> str:
        """The sum of blobs."""
        return self.layer("Eltwise", name, bottoms, [name], eltwise_param={"operation": Word("SUM")})

    # -- the end -----------------------------------------------------------------------------------------------------
    def classify(self, scores: str, label: str = "label") -> None:
        """Loss and accuracy when it is trained, probabilities when it is used."""
        if not self.trained:
            self.layer("Softmax", "prob", [scores], ["prob"])
            return
        self.layer("SoftmaxWithLoss", "loss", [scores, label], ["loss"])
        for k in (1, 5):
            top = f"accuracy_top{k}"
            param = {} if k == 1 else {"accuracy_param": {"top_k": k}}
            if k < self.classes:
                self.layer("Accuracy", top, [scores, label], [top], "TEST", **param)
