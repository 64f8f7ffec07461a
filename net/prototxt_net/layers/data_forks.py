"""Sources of the forks: boxes, label images, frames."""

from __future__ import annotations

from prototxt_net.layers.base import Context, LayerType, layer, whole
from prototxt_net.layers.data import Source, batch, check_transform, crop, unknown
from prototxt_net.shape import Dim


class _Annotated(Source):
    """SSD's sources: size by resize_param or crop_size."""

    tops = (1, None)

    def set_up(self, s: Context) -> None:
        """(batch, C, H, W) and boxes (1, 1, boxes, 8)."""
        n = batch(s, "data_param", prefetches=s.layer.type == "AnnotatedData")
        check_transform(s)
        resize = s.param("transform_param").sub("resize_param")
        height: Dim = unknown(s, 0, "H")
        width: Dim = unknown(s, 0, "W")
        if resize.get("resize_mode") == "WARP" and resize.get("height") and resize.get("width"):
            height, width = int(resize.get("height")), int(resize.get("width"))
        s.top((n, unknown(s, 0, "C"), *crop(s, 0, height, width)))
        if s.layer.type == "AnnotatedData":
            s.top((1, 1, unknown(s, 1, "boxes"), 8))


@layer("AnnotatedData")
class AnnotatedData(_Annotated):
    """Images with boxes."""

    summary = "Reads images with object boxes from a database, samples crops around them and augments them."
    formula = "label rows: image, class, instance, xmin, ymin, xmax, ymax, difficult"


@layer("VideoData", dialects=("ssd", "nvidia-0.17", "intel", "jacinto-0.17"))
class VideoData(_Annotated):
    """Frames of a camera or a file."""

    summary = "Reads frames from a camera or a video file."


@layer("DenseImageData")
class DenseImageData(Source):
    """Images with label images."""

    tops = (2, 2)
    summary = "Reads pairs of an image and a label image of the same size."

    def set_up(self, s: Context) -> None:
        """(batch, C, H, W) and (batch, 1, H, W)."""
        n = whole(s.param("dense_image_data_param"), "batch_size", 0)
        height, width = crop(s, 0, unknown(s, 0, "H"), unknown(s, 0, "W"))
        s.top((n, unknown(s, 0, "C"), height, width))
        s.top((n, 1, height, width))


@layer("ImageSegData")
class ImageSegData(Source):
    """Images with label images, for DeepLab and PSPNet."""

    tops = (3, 3)
    summary = "Reads pairs of an image and a label image; the third top tells the size of the image."

    def set_up(self, s: Context) -> None:
        """(batch, C, H, W), (batch, 1, H, W), (batch, 1, 1, 2)."""
        n = whole(s.param("image_data_param"), "batch_size", 0)
        height, width = crop(s, 0, unknown(s, 0, "H"), unknown(s, 0, "W"))
        s.top((n, unknown(s, 0, "C"), height, width))
        s.top((n, 1, height, width))
        s.top((n, 1, 1, 2))


@layer("DetectNetTransformation")
class DetectNetTransformation(LayerType):
    """DetectNet's augmentation and ground truth."""

    bottoms = (2, 2)
    tops = (2, 2)
    backward = False
    summary = "Augments images and draws the ground truth of DetectNet: coverage and boxes on a grid."

    def set_up(self, s: Context) -> None:
        """(N, 3, image_size_y, image_size_x) and the grid."""
        p = s.param("detectnet_groundtruth_param")
        images, labels = s.bottom(0), s.bottom(1)
        width, height, stride = (whole(p, field, 0) for field in ("image_size_x", "image_size_y", "stride"))
        s.top((images[0], 3, height, width) if images and width and height else None)
        classes = sorted({whole(item, "dst", 0) for item in p.all("object_class")})
        if labels and stride and classes == list(range(len(classes))):
            # coverage of each class, then eight planes: foreground, four of the box, two of its size, one of the object
            s.top((labels[0], len(classes) + 8, height // stride, width // stride))
