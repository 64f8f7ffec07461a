"""Floor 1: protobuf text format <-> lossless tree. Knows nothing of Caffe."""

from .edits import Edit, apply_edits
from .line_index import LineIndex
from .parse import parse
from .tree import Chunk, Field, ListValue, Message, Scalar, SyntaxProblem, Tree

__all__ = [
    "Chunk",
    "Edit",
    "Field",
    "LineIndex",
    "ListValue",
    "Message",
    "Scalar",
    "SyntaxProblem",
    "Tree",
    "apply_edits",
    "parse",
]
