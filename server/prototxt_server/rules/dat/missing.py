"""DAT013: data that a net names and that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.finding import Finding
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.dat.common import HEAD, images, lmdb

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked


def _here(text: str, folder: str = "data/") -> str:
    return text.replace('source: "', f'source: "{folder}')


@rule
class DataMissing(Rule):
    """## What it does
    Says, once a net, that data which its layers name (databases, lists, mean files, label maps) is not there, although
    the folder that would hold it is: so it is not just a path of another machine.

    ## Why is this bad?
    Caffe aborts when it opens the data. Often a script has to be run first, which downloads or converts it.

    ## Fix safety
    There is no automatic fix: make the data, or correct the path.
    """

    code = "DAT013"
    name = "data-missing"
    severity = "info"
    GOOD = (
        Example(_here(images()) + HEAD, files={"data/list.txt": "a.jpg 1\n"}),
        Example(_here(lmdb(), "/home/jane/") + HEAD, files={"data/list.txt": ""}),
        Example(_here(lmdb()) + HEAD, files={"data/lmdb/data.mdb": ""}),
    )
    BAD = (
        Example(_here(images()) + HEAD, files={"data/train.txt": "a.jpg 1\n"}),
        Example(
            _here(lmdb('transform_param { mean_file: "data/mean.binaryproto" }')) + HEAD, files={"data/create.sh": ""}
        ),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """The first, with the others beside it."""
        missing = [item for item in linked.missing if 0 <= item.layer < len(analysis.file.layers)]
        if not missing:
            return
        layers = analysis.file.layers
        names = list(dict.fromkeys(item.written for item in missing))
        more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
        verb = "are" if len(names) > 1 else "is"
        yield self.at(
            layers[missing[0].layer],
            f"`{names[0]}`{more} {verb} not there, although the folder is; Caffe aborts when it opens the data. "
            "Make it, or fix the path.",
            missing[0].field,
            related=tuple(related(layers[i.layer], f"`{i.written}`", i.field) for i in missing[1:]),
        )
