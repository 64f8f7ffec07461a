"""The one pure function: `analyze(source, settings) -> Analysis`. Every adapter calls it and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from prototxt_grammar.tree import Tree
from prototxt_net.file import NetFile
from prototxt_net.finding import Finding
from prototxt_net.net import PhaseNet
from prototxt_net.shape import Shape

if TYPE_CHECKING:
    from prototxt_server.linked.model import Linked


class Settings(NamedTuple):
    """How a file is to be read and which rules speak.

    dialect: "auto" or a name. phase: "auto" (those the file is meant for), "TRAIN", "TEST", "all".
    shapes: shapes of tops that no text can tell, by blob name. select, ignore: code prefixes. custom_layers,
    ignore_fields: layer types, and fields (`field` or `Message.field`), that the user's own Caffe has.
    """

    dialect: str = "auto"
    phase: str = "auto"
    level: int = 0
    stages: tuple[str, ...] = ()
    shapes: tuple[tuple[str, Shape], ...] = ()
    select: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    custom_layers: tuple[str, ...] = ()
    ignore_fields: tuple[str, ...] = ()


class Source(NamedTuple):
    """A text to analyse. path: for messages and cross-file look-ups, "" for an unsaved buffer.

    encoding_problem: why the file's bytes are not plain UTF-8 ("" when they are); the text then holds replacements.
    """

    text: str
    path: str = ""
    encoding_problem: str = ""


@dataclass(slots=True, eq=False)
class Analysis:
    """Everything known about one version of one file. findings: sorted by place.

    linked: the other files that it was judged beside; None where nobody looked for them.
    """

    source: Source
    settings: Settings
    tree: Tree
    file: NetFile
    nets: list[PhaseNet]
    findings: list[Finding]
    dialect_evidence: str = ""
    linked: Linked | None = None
    cache: dict[str, object] = field(default_factory=dict)
