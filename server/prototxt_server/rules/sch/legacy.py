"""SCH004, SCH005, SCH006: blocks of the older forms, V0 and V1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_grammar.tree import Field
from prototxt_net import marks
from prototxt_net.file import NetFile
from prototxt_net.finding import Finding, Fix
from prototxt_net.words import count
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.example_nets import IMAGE
from prototxt_server.rules.sch.convert import v1_to_v2
from prototxt_server.rules.sch.convert_v0 import v0_to_v2

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_V1 = """\
layers {
  name: "conv"
  type: CONVOLUTION
  bottom: "data"
  top: "conv"
  blobs_lr: 1
  blobs_lr: 2
  convolution_param { num_output: 4 kernel_size: 3 }
}
"""
TODAY = """\
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  param { lr_mult: 1 }
  param { lr_mult: 2 }
  convolution_param { num_output: 4 kernel_size: 3 }
}
"""
INPUT = 'input: "data"\ninput_dim: 2\ninput_dim: 3\ninput_dim: 8\ninput_dim: 8\n'
OLDEST = """\
layers {
  layer { name: "conv" type: "conv" num_output: 4 kernelsize: 3 }
  bottom: "data"
  top: "conv"
}
"""
_V0_FIXED = """\
layer {
  name: "conv"
  type: "Convolution"
  convolution_param {
    num_output: 4
    kernel_size: 3
  }
  bottom: "data"
  top: "conv"
}
"""


def _blocks(analysis: Analysis) -> tuple[list[tuple[int, Field]], bool]:
    """The `layers` fields of the file, and whether it has `layer` fields too."""
    old = [(base, item) for base, item in analysis.tree.fields() if item.name == "layers"]
    return old, bool(old) and any(item.name == "layer" for _, item in analysis.tree.fields())


def is_oldest(analysis: Analysis) -> bool:
    """Whether a block is of the V0 form, in which Caffe reads the whole file then."""
    return any(layer.definition.version == 0 for layer in analysis.file.layers)


def is_old(analysis: Analysis) -> bool:
    """Whether the file has `layers` blocks, of whichever form."""
    return bool(analysis.file.marked(marks.old_style))


def _convert(analysis: Analysis) -> Fix | None:
    edits = v1_to_v2(analysis.tree)
    return Fix("safe", "Convert the `layers` blocks", edits) if edits else None


@rule
class V1Layers(Rule):
    """The old form of layers.

    ## What it does
    Reports a file that writes its layers as `layers { type: ENUM }`, once, at the first of them.

    ## Why is this bad?
    Caffe converts it on every load. The old form has no new layer types, and its rates, decays and data transformations
    stand in other places, so what one reads about Caffe today does not fit it.

    ## Fix safety
    Safe: every block is rewritten as Caffe itself converts it.
    """

    code = "SCH004"
    name = "v1-layers"
    severity = "warning"
    fix_safety = "safe"
    GOOD = (Example(IMAGE + TODAY),)
    BAD = (
        Example(INPUT + _V1, fixed=INPUT + TODAY),
        Example(INPUT + 'layers { name: "relu" type: RELU bottom: "data" top: "data" }\n'),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding."""
        if not is_old(analysis) or not reads_v2(analysis.file):
            return
        old, mixed = _blocks(analysis)
        if mixed or is_oldest(analysis):
            return
        base, item = old[0]
        message = (
            f"`layers` is the old (V1) form, here in {count(len(old), 'block')}; Caffe converts it on every load. "
            "Convert "
            'it once to `layer { type: "..." }`.'
        )
        yield self.in_file(analysis.file, message, base + item.start, base + item.name_end, fix=_convert(analysis))


@rule
class V0Layers(Rule):
    """The oldest form of layers.

    ## What it does
    Reports a file that writes its layers as `layers { layer { ... } }`, once, at the first of them.

    ## Why is this bad?
    Caffe converts it on every load, twice, and drops what is not on its list: `input_shape`, for example.

    ## Fix safety
    Safe: every block is rewritten as Caffe itself converts it.
    """

    code = "SCH005"
    name = "v0-layers"
    severity = "warning"
    fix_safety = "safe"
    GOOD = (Example(IMAGE + TODAY),)
    BAD = (
        Example(INPUT + OLDEST, fixed=INPUT + _V0_FIXED),
        Example(
            INPUT
            + 'layers { bottom: "data" top: "p" layer { name: "p" type: "pool" pool: MAX kernelsize: 2 stride: 2 } }\n'
        ),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding."""
        if not is_oldest(analysis) or not reads_v2(analysis.file):
            return
        base, item = _blocks(analysis)[0][0]
        message = (
            "`layers { layer { ... } }` is the oldest (V0) form; Caffe converts it on every load and drops the "
            "fields that are not on its list. Convert it once."
        )
        edits = v0_to_v2(analysis.file)
        fix = Fix("safe", "Convert the `layers` blocks", edits) if edits else None
        yield self.in_file(analysis.file, message, base + item.start, base + item.name_end, fix=fix)


@rule
class MixedLayerLayers(Rule):
    """Old and new layers in one file.

    ## What it does
    Reports a file with both `layer` and `layers` blocks.

    ## Why is this bad?
    Caffe refuses to convert such a file and aborts.

    ## Fix safety
    Safe: the `layers` blocks are rewritten as Caffe itself converts them.
    """

    code = "SCH006"
    name = "mixed-layer-layers"
    severity = "error"
    fix_safety = "safe"
    GOOD = (Example(IMAGE + TODAY), Example(INPUT + _V1))
    BAD = (
        Example(IMAGE + _V1, fixed=IMAGE + TODAY),
        Example(IMAGE + 'layers { name: "relu" type: RELU bottom: "data" top: "data" }\n'),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding."""
        if not is_old(analysis):
            return
        old, mixed = _blocks(analysis)
        if mixed:
            base, item = old[0]
            message = (
                "the file has both `layer` and `layers` blocks: Caffe refuses to convert it and aborts. Convert the "
                "`layers` blocks."
            )
            yield self.in_file(
                analysis.file, message, base + item.start, base + item.name_end, aborts=True, fix=_convert(analysis)
            )


def reads_v2(file: NetFile) -> bool:
    """Whether this Caffe knows `layer { type: "..." }` at all: the oldest do not."""
    return "layer" in file.schema.messages["NetParameter"].fields
