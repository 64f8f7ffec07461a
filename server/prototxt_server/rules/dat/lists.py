"""DAT012: the labels in lists of images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.finding import Finding
from prototxt_net.net import Node
from prototxt_server.linked.lists import ImageList
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.nets import ip, loss
from prototxt_server.rules.dat.common import HEAD, images
from prototxt_server.rules.los.labels import classes_of

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked


def _list(*lines: str) -> dict[str, str]:
    return {"list.txt": "\n".join(lines) + "\n"}


@rule
class LabelFiles(Rule):
    """## What it does
    Looks at the labels in the list of an ImageData layer: one below 0, or one that the scores of the loss have no place
    for, is an error; text that is no whole number is a warning.

    ## Why is this bad?
    Release builds of Caffe do not check labels: such a one reads and writes foreign memory, and loss and gradients are
    wrong without an error. Text becomes 0, as does the part of a number behind a dot, so those images join class 0.

    ## Fix safety
    There is no automatic fix: correct the list, or num_output.
    """

    code = "DAT012"
    name = "label-files"
    severity = "error"
    GOOD = (
        Example(images() + HEAD, files=_list("a.jpg 0", "b.jpg 9")),
        Example(images() + ip("fc", "data") + loss("fc", "loss_param { ignore_label: 255 }"), files=_list("a.jpg 255")),
        Example(images() + HEAD),
    )
    BAD = (
        Example(images() + HEAD, files=_list("a.jpg 3", "b.jpg 10")),
        Example(images() + HEAD, files=_list("a.jpg -1")),
        Example(images() + HEAD, files=_list("a.jpg 0", "b c.jpg cat")),
        Example(images() + HEAD, files=_list("a.jpg 0.5", "b.jpg 1")),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """The lists that were found."""
        lists = dict(linked.lists)
        if not lists:
            return
        for net in analysis.nets:
            for node in net.of_type("ImageData"):
                images_ = lists.get(str(node.param("image_data_param").get("source")))
                if images_ is not None:
                    yield from self._text(node, images_, net.phase)
                    yield from self._range(node, images_, net.phase)

    def _text(self, node: Node, found: ImageList, phase: str) -> Iterable[Finding]:
        if found.odd is not None:
            line, word = found.odd
            yield self.at(
                node,
                f"{found.path}:{line}: label `{word}` is no whole number; Caffe reads as much of it as is one, and 0 "
                "where nothing is. Number the classes from 0.",
                "image_data_param.source",
                severity="warning",
                phases=(phase,),
            )

    def _range(self, node: Node, found: ImageList, phase: str) -> Iterable[Finding]:
        for reader, index in node.tops[1].readers if len(node.tops) > 1 else ():
            classes = classes_of(reader) if reader.type == "SoftmaxWithLoss" and index == 1 else None
            if classes is None:
                continue
            param = reader.param("loss_param")
            ignored = param.get("ignore_label") if param.has("ignore_label") else None
            bad = {label: line for label, line in found.labels.items() if not 0 <= label < classes and label != ignored}
            if bad:
                label, line = min(bad.items(), key=lambda item: item[1])
                yield self.at(
                    node,
                    f"{found.path}:{line}: label {label} is outside 0..{classes - 1}; the loss '{reader.name}' reads "
                    "and writes foreign memory. Correct the list, or num_output.",
                    "image_data_param.source",
                    related=(related(reader, f"{classes} classes", "bottom"),),
                    phases=(phase,),
                )
                return
