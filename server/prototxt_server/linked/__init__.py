"""The files that belong with a file: the nets of a solver, the solvers of a net, its twin for the other purpose, its
lists of images, its weights.

`paths` says where a written path may lie, `reader` reads (disk, or what an editor holds), `gather` collects what an
analysis would like to see, `model` is what the rules then get. Reading happens here alone: the rules see data.
"""

from prototxt_server.linked.gather import analyze_linked, gather
from prototxt_server.linked.model import Linked
from prototxt_server.linked.reader import DISK, Reader

__all__ = ["DISK", "Linked", "Reader", "analyze_linked", "gather"]
