"""What an entry of a layer type is: arity, in-place verdict, CHECKs, parameter blobs, shape rule, each stated once.

An entry is a class with the decorator `@layer("Type")`; a fork whose layer of the same name differs gets its own
class with `@layer("Type", dialects=("nvidia-0.15",))`. `set_up` reads the layer's fields through the `Context`, calls
`expect` for every CHECK that Caffe makes (wording: both sides of the comparison), declares parameter blobs with
`blob` and output shapes with `top`. After a failed `expect` that Caffe aborts on, an entry raises `Refused` through
`require`, or goes on where the checks are independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Literal, TypeAlias, TypeVar

from prototxt_net.file import LayerDef
from prototxt_net.finding import Problem
from prototxt_net.message import Bound, Entry
from prototxt_net.net import ParamBlob, SetUp
from prototxt_net.shape import INT_MAX, MAX_AXES, Dim, Shape, product, text

InPlace: TypeAlias = Literal[
    "safe",  # forward, gradient and own parameters right
    "refused",  # Caffe aborts at set-up
    "forward-wrong",  # silently wrong outputs
    "gradient-wrong",  # forward right, gradient of the bottom wrong
    "weight-gradient-wrong",  # forward and bottom gradient right, own weight gradient wrong
    "no-backward",  # forward right; the layer has no backward at all
    "unknown",
]


class Refused(Exception):
    """Raised inside `set_up` after a CHECK that makes the rest of the set-up meaningless. Never leaves the floor."""


class Context:
    """One set-up: the layer, the shapes of its bottoms and the dialect; collects what the entry says."""

    __slots__ = ("_blobs", "_macs", "_problems", "_tops", "bottoms", "dialect", "layer")

    def __init__(self, layer: LayerDef, bottoms: tuple[Shape | None, ...], dialect: str) -> None:
        self.layer = layer
        self.bottoms = bottoms
        self.dialect = dialect
        self._tops: list[Shape | None] = []
        self._blobs: list[ParamBlob] = []
        self._problems: list[Problem] = []
        self._macs: Dim | None = 0

    # -- reading ---------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """The layer's name in quotes, as messages begin."""
        return f"'{self.layer.name}'"

    def shown(self, index: int) -> str:
        """A bottom as messages name it: `'fc8' (64x1000)`."""
        names = self.layer.bottoms
        return f"'{names[index]}' ({text(self.bottom(index))})" if index < len(names) else f"bottom[{index}]"

    def param(self, name: str) -> Bound:
        """The layer's message of that name, empty when absent."""
        return self.layer.bound.sub(name)

    def bottom(self, index: int = 0) -> Shape | None:
        """The shape of a bottom; None when unknown or missing."""
        return self.bottoms[index] if index < len(self.bottoms) else None

    # -- checking --------------------------------------------------------------------------------------------------
    def expect(
        self,
        holds: bool | None,
        code: str,
        message: str,
        at: str = "",
        *,
        aborts: bool = True,
        severity: Literal["error", "warning", "info", "hint"] = "error",
        data: dict[str, object] | None = None,
    ) -> bool:
        """Report `message` under rule `code` unless `holds` is True or None (unknown). Returns False when it failed.

        at: dotted path of the field at fault ("convolution_param.group", "bottom.1"); the layer's name when empty or
        not written.
        """
        if holds is None or holds:
            return True
        if self.layer.unread and self._unreadable(at):
            return False  # it only follows from a value that was refused already
        start, end = self.place(at)
        self._problems.append(Problem(code, message, start, end, aborts, severity, (), data or {}))
        return False

    def require(
        self, holds: bool | None, code: str, message: str, at: str = "", *, data: dict[str, object] | None = None
    ) -> None:
        """Like `expect`, but ends the set-up: what follows depends on it. Raises Refused."""
        if not self.expect(holds, code, message, at, data=data):
            raise Refused

    def _unreadable(self, path: str) -> bool:
        """Whether the field, or something in the message that it stands in or is missing from, has no value."""
        name, _, field = path.partition(".")
        inside = self.layer.bound.entries.get(name, ())
        below = [entry for outer in inside if isinstance(outer.value, Bound) for entry in outer.value.walk()]
        alone = field.partition(".")[0]
        written = [entry for entry in below if entry.node.name == alone]
        return not all(entry.ok for entry in (*inside, *(written or below)))

    def place(self, path: str) -> tuple[int, int]:
        """Offsets (relative to the chunk) of the field at a dotted path, or of the nearest thing that is written."""
        bound = self.layer.bound
        while path:
            entry = bound.find(path)
            if entry is not None:
                return _span(entry)
            path = path.rpartition(".")[0]
        for fallback in ("name", "type"):
            entry = bound.entry(fallback)
            if entry is not None:
                return _span(entry)
        return self.layer.node.start, self.layer.node.name_end

    def axis(self, value: int, shape: Shape | None, code: str = "SHP008", at: str = "") -> int | None:
        """The canonical axis (CanonicalAxisIndex): negative values count from the end. None when out of range/unknown.

        Raises Refused when it is known to be out of range.
        """
        if shape is None:
            return None
        rank = len(shape)
        self.require(
            -rank <= value < rank,
            code,
            f"{self.name}: axis {value} does not exist in a {rank}-axis blob ({text(shape)}); Caffe aborts. "
            + (f"Use {-rank} to {rank - 1}." if rank else "Give the blob a shape."),
            at,
            data={"rank": 0},
        )
        return value + rank if value < 0 else value

    # -- declaring -------------------------------------------------------------------------------------------------
    def blob(
        self,
        role: str,
        shape: Shape | None,
        filler: str = "",
        default: float = 0.0,
        statistic: bool = False,
        lr_mult: float | None = None,
        decay_mult: float | None = None,
    ) -> None:
        """Declare the next parameter blob; lr_mult and decay_mult only where this Caffe overrides the file."""
        self._blobs.append(ParamBlob(role, shape, filler, default, statistic, lr_mult, decay_mult))

    def top(self, shape: Shape | None) -> None:
        """Declare the shape of the next top; checks Blob::Reshape's own limits (sizes >= 0, INT_MAX, 32 axes)."""
        self._tops.append(shape if shape is None or self._allocatable(shape) else None)

    def _allocatable(self, shape: Shape) -> bool:
        """Blob::Reshape's CHECKs. A top that fails them is unknown to the layers below, which are not to blame."""
        count = product(shape)
        if len(shape) <= MAX_AXES and not (isinstance(count, int) and count > INT_MAX):
            for dim in shape:
                if isinstance(dim, int) and dim < 0:
                    break
            else:
                return True
        good = self.expect(
            all(not isinstance(dim, int) or dim >= 0 for dim in shape),
            "SHP007",
            f"{self.name}: the output would have the shape {text(shape)}; a size cannot be negative and Caffe aborts. "
            "Correct the sizes that it is made from.",
        )
        good &= self.expect(
            len(shape) <= MAX_AXES,
            "SHP007",
            f"{self.name}: the output has {len(shape)} axes; Caffe allows {MAX_AXES} and aborts. Join some.",
        )
        if good and isinstance(count, int) and count > INT_MAX and not _large_blobs(self.dialect):
            return self.expect(
                False,
                "SHP007",
                f"{self.name}: the output {text(shape)} has {count} elements, more than {INT_MAX}; Caffe aborts with "
                '"blob size exceeds INT_MAX". Use a smaller batch_size, or smaller sizes.',
            )
        return good

    def macs(self, count: Dim | None) -> None:
        """Declare the multiply-accumulate operations of one forward pass."""
        self._macs = count

    def result(self, tops: int) -> SetUp:
        """Everything declared, with unknown shapes for tops that the entry did not reach."""
        shapes: list[Shape | None] = [*self._tops, *([None] * max(0, tops - len(self._tops)))]
        return SetUp(tuple(shapes[:tops]) if tops else (), tuple(self._blobs), self._macs, tuple(self._problems))


def _large_blobs(dialect: str) -> bool:
    """Whether more than INT_MAX elements may be fine: 64-bit sizes, or a batch_size that several devices share."""
    return dialect.startswith(("nvidia", "jacinto", "intel")) or "opencl" in dialect


def whole(message: Bound, field: str, default: int) -> int:
    """The integer in force of a field; `default` in a dialect that does not have the field."""
    value = message.get(field)
    return default if value is None else int(value)


def _span(entry: Entry) -> tuple[int, int]:
    if isinstance(entry.value, Bound):
        return entry.node.start, entry.node.name_end
    return entry.node.start, entry.end


class LayerType:
    """An entry. Subclasses state facts as class attributes and implement `set_up`.

    bottoms, tops: (minimum, maximum), maximum None when unbounded. equal: as many tops as bottoms.
    auto_top: missing tops are made automatically (losses). loss: default loss_weight 1 on top 0.
    in_place: verdict for working in place; a callable where it depends on the fields.
    reads_top: backward reads the layer's own top. linear: an affine map per element or channel without parameters
    that change the sign pattern. elementwise: each output element depends on one input element.
    backward: False when no backward exists.
    """

    type: ClassVar[str] = ""
    dialects: ClassVar[tuple[str, ...]] = ()
    bottoms: ClassVar[tuple[int, int | None]] = (1, 1)
    tops: ClassVar[tuple[int, int | None]] = (1, 1)
    equal: ClassVar[bool] = False
    auto_top: ClassVar[bool] = False
    loss: ClassVar[bool] = False
    source: ClassVar[bool] = False
    in_place: ClassVar[InPlace] = "unknown"
    reads_top: ClassVar[bool] = False
    backward: ClassVar[bool] = True
    summary: ClassVar[str] = ""
    formula: ClassVar[str] = ""

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """What working in place does for this very layer (fields may decide)."""
        return self.in_place

    def backward_reads_top(self, layer: LayerDef) -> bool:
        """Whether the backward of this very layer needs its top's values (fields may decide)."""
        return self.reads_top

    def bottom_count(self, layer: LayerDef) -> tuple[int, int | None]:
        """(minimum, maximum) number of bottoms; fields may decide (expose_hidden)."""
        return self.bottoms

    def top_count(self, layer: LayerDef) -> tuple[int, int | None]:
        """(minimum, maximum) number of tops; fields may decide."""
        return self.tops

    def set_up(self, s: Context) -> None:
        """Check, declare parameter blobs and top shapes. The default keeps bottom[0]'s shape."""
        s.top(s.bottom())


_ENTRIES: dict[tuple[str, str], LayerType] = {}
E_ = TypeVar("E_", bound=type[LayerType])


def layer(type_: str, *, dialects: Iterable[str] = ()) -> Callable[[E_], E_]:
    """Register an entry for a layer type, for all dialects or for the named ones only (these come first)."""

    def register(cls: E_) -> E_:
        # One class may serve several types (and dialects): each registration gets an instance that knows its name.
        for dialect in tuple(dialects) or ("",):
            entry = cls()
            _ENTRIES[type_, dialect] = entry
        return cls

    return register


def entry_of(type_: str, dialect: str) -> LayerType | None:
    """The entry for a layer type in a dialect; None when nobody has described it (then nothing is claimed)."""
    return _ENTRIES.get((type_, dialect)) or _ENTRIES.get((type_, ""))
