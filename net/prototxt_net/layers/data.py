"""Layers that read or make data. Sizes that stand in a database or a file are symbols named after the blob."""

from __future__ import annotations

from prototxt_net.layers.base import Context, LayerType, layer, whole
from prototxt_net.layers.fillers import check_filler
from prototxt_net.message import Bound
from prototxt_net.shape import Dim, Shape, Sym, text
from prototxt_net.words import count


class Source(LayerType):
    """A layer without bottoms."""

    bottoms = (0, 0)
    source = True
    backward = False


def unknown(s: Context, top: int, size: str) -> Dim:
    """A size of a top that no text tells: `data.H`."""
    return Sym(f"{s.layer.tops[top] if top < len(s.layer.tops) else s.layer.name}.{size}")


def check_transform(s: Context, channels: Dim | None = None) -> None:
    """The CHECKs of DataTransformer that the text alone decides."""
    p = s.param("transform_param")
    means = p.all("mean_value")
    s.expect(
        not (p.has("mean_file") and means),
        "DAT002",
        f"{s.name} has mean_file and mean_value; Caffe aborts. Keep one.",
        "transform_param.mean_value",
    )
    if means and isinstance(channels, int) and len(means) not in (1, channels):
        s.expect(
            False,
            "DAT003",
            f"{s.name} has {count(len(means), 'mean_value')} for {count(channels, 'channel')}; Caffe aborts. Give one, "
            "or one for each channel (BGR).",
            "transform_param.mean_value",
        )


def crop(s: Context, top: int, height: Dim, width: Dim) -> tuple[Dim, Dim]:
    """Height and width after crop_size; DAT009 where the images are known to be smaller."""
    size = whole(s.param("transform_param"), "crop_size", 0)
    if not size:
        return height, width
    s.expect(
        not any(isinstance(known, int) and known < size for known in (height, width)),
        "DAT009",
        f"{s.name}: crop_size {size} exceeds the {height}x{width} images; Caffe aborts. Lower it, or resize the "
        "images.",
        "transform_param.crop_size",
    )
    return size, size


# NVIDIA rewrote the readers of databases in 0.16: what they make of a batch of 0 nobody has seen.
_OWN_READERS = frozenset({"nvidia-0.16", "nvidia-0.17", "jacinto-0.17"})
# Where an ImageData layer checks that its list holds something; older ones read past its end.
_CHECK_THE_LIST = frozenset({"bvlc", "bvlc-1.0", "ssd", "intel"})


def batch(s: Context, message: str, *, prefetches: bool = True) -> Dim:
    """batch_size; DAT007 where it is 0 or missing, and then the size that it ought to have is unknown.

    prefetches: the layer fetches batches ahead, into blobs that must not be empty (measured on BVLC with Data).
    """
    p = s.param(message)
    size = whole(p, "batch_size", 0)
    aborts = prefetches and s.dialect not in _OWN_READERS
    given = "has batch_size 0" if p.has("batch_size") else "has no batch_size, which means 0"
    s.expect(
        size > 0,
        "DAT007",
        f"{s.name} {given}; " + ("Caffe aborts" if aborts else "all blobs are empty") + ". Set it.",
        f"{message}.batch_size",
        aborts=aborts,
        severity="error" if aborts else "warning",
        data={"missing": ("batch_size",)},
    )
    return size if size > 0 or not aborts else unknown(s, 0, "N")


def check_source(s: Context, message: str) -> None:
    """DAT014: what has no name cannot be opened."""
    p = s.param(message)
    what = "names no source" if s.layer.bound.has(message) else f"has no {message}, so neither source nor batch_size"
    s.expect(
        bool(p.get("source")) or "source" not in p.type.fields,
        "DAT014",
        f"{s.name} {what}; Caffe aborts when it opens what has no name. Write `{message} {{ source: ... }}`.",
        f"{message}.source",
        data={"missing": ("source", message)},
    )


@layer("Data")
class Data(Source):
    """Records of a database."""

    tops = (1, 2)
    summary = (
        "Reads images and labels from an LMDB or LevelDB database, in order and for ever, crops, mirrors, subtracts "
        "the mean and scales them (transform_param)."
    )
    formula = "data = (pixel - mean) * scale, (N, C, H, W); label (N)"

    def set_up(self, s: Context) -> None:
        """(batch, C, crop or H, crop or W) and (batch)."""
        check_source(s, "data_param")
        n = batch(s, "data_param") if s.layer.bound.has("data_param") else unknown(s, 0, "N")
        check_transform(s)
        height, width = crop(s, 0, unknown(s, 0, "H"), unknown(s, 0, "W"))
        s.top((n, unknown(s, 0, "C"), height, width))
        s.top((n,))


@layer("ImageData")
class ImageData(Source):
    """Image files from a list."""

    tops = (2, 2)
    summary = "Reads image files and integer labels from a list of `path label` lines, resizes and transforms them."
    formula = "data = (pixel - mean) * scale, (N, C, H, W); label (N)"

    def set_up(self, s: Context) -> None:
        """(batch, 3 or 1, H, W) and (batch)."""
        p = s.param("image_data_param")
        if s.dialect in _CHECK_THE_LIST:
            check_source(s, "image_data_param")
        n = batch(s, "image_data_param")
        channels = 1 if p.get("is_color") is False else 3
        check_transform(s, channels)
        s.top((n, channels, *crop(s, 0, *resized(s, p))))
        s.top((n,))


def resized(s: Context, p: Bound) -> tuple[Dim, Dim]:
    """new_height x new_width where both are given; DAT008 where only one is."""
    height, width = whole(p, "new_height", 0), whole(p, "new_width", 0)
    s.expect(
        (height > 0) == (width > 0),
        "DAT008",
        f"{s.name} has only one of new_height and new_width; Caffe aborts. Give both, or neither.",
        f"image_data_param.{'new_height' if height else 'new_width'}",
    )
    if height and width:
        return height, width
    return unknown(s, 0, "H"), unknown(s, 0, "W")


@layer("HDF5Data")
class Hdf5Data(Source):
    """Datasets of HDF5 files."""

    tops = (1, None)
    summary = "Reads HDF5 files: each top is the dataset of the same name, batch_size rows at a time."

    def set_up(self, s: Context) -> None:
        """The shapes stand in the files."""
        check_source(s, "hdf5_data_param")
        batch(s, "hdf5_data_param", prefetches=False)
        s.expect(
            not s.layer.bound.has("transform_param"),
            "DAT010",
            f"{s.name}: HDF5Data cannot transform its data; Caffe aborts. Delete transform_param, and transform "
            "before the file is written.",
            "transform_param",
        )
        for _ in s.layer.tops:
            s.top(None)


@layer("HDF5Output")
class Hdf5Output(LayerType):
    """Writes two blobs."""

    bottoms = (2, 2)
    tops = (0, 0)
    backward = False
    summary = "Writes its bottoms into an HDF5 file as the datasets `data` and `label`."

    def set_up(self, s: Context) -> None:
        """No tops."""


@layer("MemoryData")
class MemoryData(Source):
    """Arrays handed over by the program."""

    tops = (2, 2)
    summary = "Serves arrays that the calling program hands over."

    def set_up(self, s: Context) -> None:
        """(batch_size, channels, height, width) and (batch_size)."""
        p = s.param("memory_data_param")
        shape = tuple(whole(p, field, 0) for field in ("batch_size", "channels", "height", "width"))
        s.require(
            0 not in shape,
            "DAT007",
            f"{s.name}: batch_size, channels, height and width must be positive, here {text(shape)}; Caffe aborts. Set "
            "them.",
            "memory_data_param",
        )
        check_transform(s)
        s.top(shape)
        s.top(shape[:1])


@layer("WindowData")
class WindowData(Source):
    """Windows cut out of images, for R-CNN."""

    tops = (2, 2)
    summary = "Cuts object windows and background windows out of images, as R-CNN training needs them."

    def set_up(self, s: Context) -> None:
        """(batch_size, C, crop, crop) and (batch_size)."""
        check_source(s, "window_data_param")
        n = batch(s, "window_data_param")
        size = whole(s.param("transform_param"), "crop_size", 0)
        s.require(
            size > 0 or s.layer.version != 2,
            "DAT009",
            f"{s.name} needs a crop_size in its transform_param; Caffe aborts. Set it.",
            "transform_param",
        )
        check_transform(s)
        side: Dim = size or unknown(s, 0, "H")
        s.top((n, unknown(s, 0, "C"), side, side))
        s.top((n,))


def _shape_of(message: Bound) -> Shape:
    return tuple(int(dim) for dim in message.all("dim"))


@layer("Input")
class Input(Source):
    """Blobs that the calling program fills."""

    tops = (1, None)
    summary = "Declares blobs of a fixed shape that the calling program fills. Its tops are the inputs of the net."

    def set_up(self, s: Context) -> None:
        """One shape for all tops, or one for each; legacy `input` fields give one for each."""
        legacy = s.layer.cache.get("legacy_shapes")
        tops = len(s.layer.tops)
        if legacy is not None:
            self._set_up_legacy(s, [_shape_of(entry.value) for entry in legacy], tops)
            return
        shapes = [_shape_of(shape) for shape in s.param("input_param").all("shape")]
        s.require(
            len(shapes) in (0, 1, tops),
            "SHP023",
            f"{s.name}: {len(shapes)} shapes for {tops} tops; Caffe aborts. Give one for all, or one for each top.",
            "input_param.shape",
        )
        s.expect(
            bool(shapes),
            "SHP023",
            f"{s.name} has no shape: Caffe loads the net, but a forward aborts unless the program reshapes the blob "
            "first.",
            "input_param",
            aborts=False,
            severity="info",
        )
        for i in range(tops):
            s.top(() if not shapes else shapes[0] if len(shapes) == 1 else shapes[i])

    def _set_up_legacy(self, s: Context, shapes: list[Shape], tops: int) -> None:
        """Too few sizes: today's Caffe reads past the list (undefined, so unknown here); old forks abort."""
        s.require(
            len(shapes) == tops or "input_param" in s.layer.bound.type.fields,
            "SHP023",
            f"{tops} `input` need {tops} `input_shape`, or {4 * tops} `input_dim`; Caffe aborts. Give four sizes for "
            "each input.",
            "top",
        )
        for i in range(tops):
            s.top(shapes[i] if i < len(shapes) else None)


@layer("DummyData")
class DummyData(Source):
    """Constant or random data."""

    tops = (1, None)
    summary = (
        "Fills its tops from data_filler: constants once, random values at every forward. Without a filler they are 0."
    )

    def set_up(self, s: Context) -> None:
        """One shape for all tops, or one for each; or num, channels, height, width likewise."""
        p = s.param("dummy_data_param")
        tops = len(s.layer.tops)
        shapes = self._shapes(s, p, tops)
        fillers = len(p.all("data_filler"))
        s.require(
            fillers in (0, 1, tops),
            "SHP023",
            f"{s.name}: {fillers} data_filler for {tops} tops; Caffe aborts. Give none, one, or one for each top.",
            "dummy_data_param.data_filler",
        )
        for i, shape in enumerate(shapes):
            s.top(shape)
            index = i if fillers > 1 else 0
            written = p.entry("data_filler", index)
            constant = written is None or written.value.get("type") == "constant"
            # random fillers run at the first forward only, so an empty blob does not stop the set-up
            check_filler(s, f"top {i}", shape if constant else None, f"dummy_data_param.data_filler.{index}")

    def _shapes(self, s: Context, p: Bound, tops: int) -> list[Shape]:
        fields = ("num", "channels", "height", "width")
        old = [[int(value) for value in p.all(field)] for field in fields]
        shapes = [_shape_of(shape) for shape in p.all("shape")]
        if any(old):
            s.require(
                not shapes,
                "SHP023",
                f"{s.name} has shape and num, channels, height or width; Caffe aborts. Keep shape.",
                "dummy_data_param.shape",
            )
            for field, values in zip(fields, old, strict=True):
                s.require(
                    len(values) in (1, tops),
                    "SHP023",
                    f"{s.name}: {len(values)} {field} for {tops} tops; Caffe aborts. Give one for all, or one for each "
                    "top.",
                    f"dummy_data_param.{field}",
                )
            return [tuple(values[i] if len(values) > 1 else values[0] for values in old) for i in range(tops)]
        s.require(
            len(shapes) in (1, tops),
            "SHP023",
            f"{s.name}: {len(shapes)} shapes for {tops} tops; Caffe aborts. Give one for all, or one for each top.",
            "dummy_data_param.shape" if shapes else "dummy_data_param",
        )
        return [shapes[i] if len(shapes) > 1 else shapes[0] for i in range(tops)]


@layer("Parameter")
class Parameter(LayerType):
    """A learned blob as a top."""

    bottoms = (0, 0)
    source = True
    summary = "Offers a learned blob of a given shape as its top."

    def set_up(self, s: Context) -> None:
        """Blob and top have parameter_param.shape."""
        shape = _shape_of(s.param("parameter_param").sub("shape"))
        s.blob("parameter", shape)
        s.top(shape)
