"""DAT002, DAT003, DAT007 to DAT010 and DAT014: what data layers refuse (found while they are set up)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_net.finding import Fix, Problem
from prototxt_net.net import Node
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.bn.edits import drop, fix, put
from prototxt_server.rules.bn.nets import layer
from prototxt_server.rules.dat.common import HEAD, images, lmdb

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


@rule
class MeanConflict(ProblemRule):
    """## What it does
    Reports a data layer with both `mean_file` and `mean_value`.

    ## Why is this bad?
    Caffe aborts when it sets the layer up: it subtracts one of the two, and will not choose.

    ## Fix safety
    Unsafe: it keeps the values and drops the file.
    """

    code = "DAT002"
    name = "mean-conflict"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(lmdb("transform_param { mean_value: 128 }") + HEAD),)
    BAD = (
        Example(
            lmdb('transform_param { mean_file: "mean.binaryproto" mean_value: 128 }') + HEAD,
            fixed=lmdb("transform_param { mean_value: 128 }") + HEAD,
        ),
        Example(images('transform_param { mean_value: 1 mean_value: 2 mean_value: 3 mean_file: "m" }') + HEAD),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Drop mean_file."""
        if node is None:
            return None
        return fix("unsafe", "Delete mean_file", drop(analysis.file, node, "transform_param.mean_file"))


@rule
class MeanValueCount(ProblemRule):
    """## What it does
    Reports a number of `mean_value`s that is neither 1 nor the number of channels, where that is known.

    ## Why is this bad?
    Caffe aborts at the first image. The order is that of the channels: blue, green, red.

    ## Fix safety
    None: the missing values are unknown.
    """

    code = "DAT003"
    name = "mean-value-count"
    severity = "error"
    GOOD = (Example(images("transform_param { mean_value: 104 mean_value: 117 mean_value: 123 }") + HEAD),)
    BAD = (
        Example(images("transform_param { mean_value: 104 mean_value: 117 }") + HEAD),
        Example(images("transform_param { mean_value: 1 mean_value: 2 }", param="is_color: false ") + HEAD),
    )


@rule
class BatchSize(ProblemRule):
    """## What it does
    Reports a data layer without a `batch_size` (ImageData's default is 1), or with 0.

    ## Why is this bad?
    Caffe aborts: the batches that it fetches ahead would be empty ("Check failed: data_"). HDF5Data fetches nothing
    ahead and accepts it, and every blob of the net is empty: a warning.

    ## Fix safety
    None: the right number depends on the memory.
    """

    code = "DAT007"
    name = "batch-size"
    severity = "error"
    GOOD = (Example(lmdb() + HEAD),)
    BAD = (
        Example(layer("Data", "data", "", "data label", 'data_param { source: "lmdb" }')),
        Example(layer("ImageData", "data", "", "data label", 'image_data_param { source: "list.txt" batch_size: 0 }')),
    )


@rule
class NoSource(ProblemRule):
    """## What it does
    Reports a data layer that does not say what it reads: no `source`, or an empty one.

    ## Why is this bad?
    Caffe aborts when it opens the database or the list. That a source which is named does not exist on this machine is
    another matter, and information (DAT013).

    ## Fix safety
    None: nobody but the author knows what is to be read.
    """

    code = "DAT014"
    name = "no-source"
    severity = "error"
    GOOD = (Example(lmdb() + HEAD),)
    BAD = (
        Example(layer("Data", "data", "", "data label", "data_param { batch_size: 64 backend: LMDB }") + HEAD),
        Example(layer("HDF5Data", "data", "", "data label", 'hdf5_data_param { source: "" batch_size: 8 }') + HEAD),
    )


@rule
class NewSizePair(ProblemRule):
    """## What it does
    Reports an ImageData layer with only one of `new_height` and `new_width`.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    Unsafe: a square is a guess.
    """

    code = "DAT008"
    name = "new-size-pair"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(images(param="new_height: 64 new_width: 64 ") + HEAD),)
    BAD = (
        Example(
            images(param="shuffle: true new_height: 64 ") + HEAD,
            fixed=images(param="shuffle: true new_height: 64 new_width: 64 ") + HEAD,
        ),
        Example(images(param="new_width: 64 new_height: 0 ") + HEAD),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Set the other one to the same size."""
        if node is None:
            return None
        param = node.param("image_data_param")
        have, other = ("new_height", "new_width") if param.get("new_height") else ("new_width", "new_height")
        size = str(param.get(have))
        return fix("unsafe", f"Set {other}: {size}", put(analysis.file, node, f"image_data_param.{other}", size))


@rule
class CropLarger(ProblemRule):
    """## What it does
    Reports a `crop_size` that is larger than the images, where their size is known, or a WindowData layer without one.

    ## Why is this bad?
    Caffe aborts: it cannot cut a larger window out of a smaller image.

    ## Fix safety
    None: lower crop_size, or resize the images.
    """

    code = "DAT009"
    name = "crop-larger"
    severity = "error"
    GOOD = (Example(images("transform_param { crop_size: 56 }", param="new_height: 64 new_width: 64 ") + HEAD),)
    BAD = (
        Example(images("transform_param { crop_size: 65 }", param="new_height: 64 new_width: 64 ") + HEAD),
        Example(images("transform_param { crop_size: 50 }", param="new_height: 40 new_width: 60 ") + HEAD),
    )


@rule
class Hdf5Transform(ProblemRule):
    """## What it does
    Reports a `transform_param` on an HDF5Data layer.

    ## Why is this bad?
    Caffe aborts: "HDF5Data does not transform data". The file must hold the data as the net wants it.

    ## Fix safety
    Unsafe: the transformation is then missing.
    """

    code = "DAT010"
    name = "hdf5-transform"
    severity = "error"
    fix_safety = "unsafe"
    _SOURCE = 'hdf5_data_param { source: "files.txt" batch_size: 8 shuffle: true }'
    GOOD = (Example(layer("HDF5Data", "data", "", "data label", _SOURCE)),)
    BAD = (
        Example(
            layer("HDF5Data", "data", "", "data label", "transform_param { scale: 0.5 }", _SOURCE),
            fixed=layer("HDF5Data", "data", "", "data label", _SOURCE),
        ),
        Example(layer("HDF5Data", "data", "", "data label", _SOURCE, "transform_param { }")),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Delete it."""
        if node is None:
            return None
        return fix("unsafe", "Delete transform_param", drop(analysis.file, node, "transform_param"))
