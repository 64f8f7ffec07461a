"""The overlays: how each fork's schema differs from BVLC's, a JSON file each, written by net/tools/make_overlays.py."""

import os
from functools import cache
from typing import TypedDict

FOLDER = os.path.join(os.path.dirname(__file__), "overlays")

DIALECTS: tuple[str, ...] = (
    # The trunk first: most files are written for it, and what it reads needs no other reason.
    "bvlc",
    # Forks whose nets are met often, newest and widest first inside a family.
    "nvidia-0.17",
    "nvidia-0.16",
    "nvidia-0.15",
    "ssd",
    "intel",
    "segnet",
    "pspnet",
    "deeplab-v2",
    "py-faster-rcnn",
    "faster-rcnn",
    "fast-rcnn",
    "rfcn",
    "pvanet",
    "flownet2",
    "yjxiong-tsn",
    "mobilenet-yolo",
    "rtpose",
    "openvino-toolbox",
    "segnet-cudnn5",
    # The trunk's own earlier releases and branches: for files that use what it has dropped since.
    "bvlc-1.0",
    "bvlc-windows",
    "bvlc-opencl",
    "bvlc-rc2",
    "bvlc-v0.9999",
    "bvlc-v0.99",
    # Forks of one project or paper each.
    "openpose-caffe",
    "openpose-train-zhec",
    "c3d-1.1",
    "c3d-1.0",
    "happynear-windows",
    "sphereface",
    "caffe-face",
    "parsenet-fcn",
    "hed",
    "microsoft",
    "caffe-augmentation",
    "hli2020",
    # Near copies and collections of others: they read most files and so say least about where a file comes from.
    "chuanqi-ssd",
    "nvidia-0.14",
    "jacinto-0.17",
    "naibaf7-opencl",
    "synopsys",
)
"""Every dialect, in the order in which they are preferred when a file gives no better reason."""


class Removed(TypedDict):
    """What BVLC has and a fork has not; fields by message."""

    messages: list[str]
    enums: list[str]
    fields: dict[str, list[str]]


class LayerTypes(TypedDict):
    """How a fork's registry of layer types differs from BVLC's; known: somebody listed it."""

    known: bool
    added: list[str]
    removed: list[str]


class Overlay(TypedDict):
    """One overlay file."""

    dialect: str
    source: str
    """Repository, branch and commit of the caffe.proto that was compared."""
    remove: Removed
    enums: dict[str, dict[str, int]]
    """Each enum that is new or different, whole."""
    messages: dict[str, list[str]]
    """Each new message, and the new or different fields of the others, in the form of declaration.py."""
    layer_types: LayerTypes


@cache
def read(dialect: str) -> Overlay:
    """The overlay of a dialect other than "bvlc". Raises FileNotFoundError when there is none."""
    import json  # not needed for a BVLC net

    with open(os.path.join(FOLDER, f"{dialect}.json"), "rb") as file:
        overlay: Overlay = json.load(file)
    return overlay
