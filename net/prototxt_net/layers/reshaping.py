"""Layers that change the shape and keep the numbers."""

from __future__ import annotations

from prototxt_net.file import LayerDef
from prototxt_net.layers.base import Context, InPlace, LayerType, layer, whole
from prototxt_net.layers.sizes import at_most, equal_counts, quotient
from prototxt_net.shape import Dim, product, text


@layer("Flatten")
class Flatten(LayerType):
    """Merges axes."""

    in_place = "refused"
    summary = (
        "Merges the axes from `axis` to `end_axis` into one: (N, C, H, W) becomes (N, C*H*W) by default. The memory is "
        "shared."
    )
    formula = "y = x, same memory"

    def set_up(self, s: Context) -> None:
        """shape[:axis] + (product) + shape[end_axis + 1:]."""
        p = s.param("flatten_param")
        shape = s.bottom()
        start = s.axis(whole(p, "axis", 1), shape, at="flatten_param.axis")
        end = s.axis(whole(p, "end_axis", -1), shape, at="flatten_param.end_axis")
        if shape is None or start is None or end is None:
            return
        s.require(
            start <= end + 1,
            "SHP008",
            f"{s.name}: axis {start} lies behind end_axis {end}; Caffe aborts. Swap them.",
            "flatten_param.end_axis" if p.has("end_axis") else "flatten_param.axis",
        )
        s.top((*shape[:start], product(shape[start : end + 1]), *shape[end + 1 :]))


@layer("Reshape")
class Reshape(LayerType):
    """Gives the same numbers another shape."""

    in_place = "refused"
    summary = (
        "Gives the same numbers another shape: 0 copies the size of the bottom's axis, one -1 takes what is left. The "
        "memory is shared."
    )
    formula = "y = x, same memory"

    def set_up(self, s: Context) -> None:
        """shape[:start] + dims + shape[end:]."""
        p = s.param("reshape_param")
        dims = [int(dim) for dim in p.sub("shape").all("dim")]
        at = "reshape_param.shape.dim"
        s.require(
            dims.count(-1) <= 1,
            "SHP016",
            f"{s.name}: the new shape has {dims.count(-1)} sizes -1; Caffe aborts. Keep one: only one can be computed.",
            at,
        )
        shape = s.bottom()
        if shape is None:
            return
        start, end = self._range(s, len(shape))
        new: list[Dim] = list(dims)
        for i, dim in enumerate(dims):
            if dim == 0:
                s.require(
                    start + i < len(shape),
                    "SHP016",
                    f"{s.name}: size 0 number {i} copies axis {start + i}, which {text(shape)} does not have; Caffe "
                    "aborts. Write the size.",
                    at,
                )
                new[i] = shape[start + i]
        if -1 in dims:
            known = (*shape[:start], *(dim for i, dim in enumerate(new) if dims[i] != -1), *shape[end:])
            rest = quotient(shape, known)
            s.require(
                rest is not None,
                "SHP016",
                f"{s.name}: {product(shape)} input elements ({text(shape)}) do not divide by the {product(known)} of "
                f"the other sizes; Caffe aborts. Correct {_list(dims)}.",
                at,
                data={"sizes": ((0, None),)},
            )
            new[dims.index(-1)] = rest if rest is not None else 0
        top = (*shape[:start], *new, *shape[end:])
        s.require(
            equal_counts(shape, top),
            "SHP016",
            f"{s.name}: {product(shape)} input elements ({text(shape)}) do not fit {text(top)}, which has "
            f"{product(top)}; Caffe aborts. Use one -1 for the size to compute.",
            at,
            data={"sizes": ((0, None),)},
        )
        s.top(top)

    def _range(self, s: Context, rank: int) -> tuple[int, int]:
        """The axes that are replaced: from `axis` (-1: behind the last), `num_axes` of them (-1: to the end)."""
        p = s.param("reshape_param")
        axis, num_axes = whole(p, "axis", 0), p.get("num_axes")
        num_axes = -1 if num_axes is None else int(num_axes)
        start = axis if axis >= 0 else rank + axis + 1
        s.require(
            0 <= start <= rank,
            "SHP008",
            f"{s.name}: axis {axis} does not exist in a {rank}-axis blob; Caffe aborts. Use {-rank - 1} to {rank}.",
            "reshape_param.axis",
        )
        end = rank if num_axes == -1 else start + num_axes
        s.require(
            num_axes >= -1 and end <= rank,
            "SHP008",
            f"{s.name}: num_axes {num_axes} from axis {start} does not fit a {rank}-axis blob; Caffe aborts. Use -1, "
            f"or at most {rank - start}.",
            "reshape_param.num_axes",
        )
        return start, end


def _list(dims: list[int]) -> str:
    return "(" + ", ".join(str(dim) for dim in dims) + ")"


@layer("Permute")
class Permute(LayerType):
    """Reorders axes."""

    in_place = "unknown"
    summary = (
        "Reorders the axes: `order` names the input axis for each output axis; axes that are left out follow in their "
        "order."
    )
    formula = "y.shape[i] = x.shape[order[i]]"

    def set_up(self, s: Context) -> None:
        """The bottom's sizes in the new order."""
        order = [int(axis) for axis in s.param("permute_param").all("order")]
        s.require(
            len(set(order)) == len(order),
            "SHP008",
            f"{s.name}: order {_list(order)} names an axis twice; Caffe aborts. Name each axis once.",
            "permute_param.order",
        )
        shape = s.bottom()
        if shape is None:
            return
        s.require(
            all(axis < len(shape) for axis in order),
            "SHP008",
            f"{s.name}: order {_list(order)} names an axis that {text(shape)} does not have; Caffe aborts. Use 0 to "
            f"{len(shape) - 1}.",
            "permute_param.order",
        )
        order += [axis for axis in range(len(shape)) if axis not in order]
        s.top(tuple(shape[axis] for axis in order))


@layer("Crop")
class Crop(LayerType):
    """Cuts a blob to the size of another."""

    bottoms = (2, 2)
    in_place = "gradient-wrong"
    summary = (
        "Cuts bottom[0] to the size of bottom[1] from `axis` on, starting at the offsets. Nothing flows back to "
        "bottom[1]."
    )
    formula = "y = x[..., offset : offset + size of bottom[1]]"

    def set_up(self, s: Context) -> None:
        """bottom[0]'s sizes before the axis, bottom[1]'s from there on."""
        p = s.param("crop_param")
        shape, like = s.bottom(0), s.bottom(1)
        axis = s.axis(whole(p, "axis", 2), shape, at="crop_param.axis")
        if shape is None or axis is None:
            return
        offsets = [int(offset) for offset in p.all("offset")]
        s.require(
            len(offsets) <= 1 or axis + len(offsets) == len(shape),
            "SHP017",
            f"{s.name}: {len(offsets)} offsets for the {len(shape) - axis} axes from axis {axis} on; Caffe aborts. "
            "Give one for all, or one for each.",
            "crop_param.offset",
        )
        if like is None:
            return
        s.require(
            len(like) >= len(shape),
            "SHP017",
            f"{s.name}: crops {text(shape)} like {text(like)}, which has fewer axes; Caffe aborts. Reshape one.",
            "bottom.1",
        )
        if len(offsets) <= 1:
            offsets = (offsets or [0]) * (len(shape) - axis)
        for i, offset in enumerate(offsets, axis):
            size, wanted = shape[i], like[i]
            s.require(
                at_most(wanted, size - offset) if isinstance(size, int) else None,
                "SHP017",
                f"{s.name}: {wanted} from offset {offset} leaves the {size} of axis {i} ({text(shape)} cropped like "
                f"{text(like)}); Caffe aborts. Lower the offset, or pad the input.",
                "crop_param.offset",
                data={"sizes": ((0, i), (1, i))},
            )
        s.top((*shape[:axis], *like[axis : len(shape)]))


@layer("Tile")
class Tile(LayerType):
    """Repeats a blob along an axis."""

    summary = "Repeats the blob `tiles` times along an axis."
    formula = "y = [x, x, ...] along axis"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """Only one tile leaves everything where it is."""
        return "safe" if layer.bound.sub("tile_param").get("tiles") == 1 else "forward-wrong"

    def set_up(self, s: Context) -> None:
        """The size on the axis times tiles."""
        p = s.param("tile_param")
        shape = s.bottom()
        axis = s.axis(whole(p, "axis", 1), shape, at="tile_param.axis")
        tiles = whole(p, "tiles", 0)
        s.require(
            tiles > 0,
            "SHP024",
            f"{s.name}: tiles {'is missing' if not p.has('tiles') else f'{tiles} must be positive'}; Caffe aborts. Set "
            "it.",
            "tile_param.tiles",
        )
        if shape is not None and axis is not None:
            s.top((*shape[:axis], product((shape[axis], tiles)), *shape[axis + 1 :]))


@layer("ShuffleChannel")
class ShuffleChannel(LayerType):
    """Mixes the channels of groups."""

    bottoms = (0, None)
    tops = (0, None)
    summary = "Mixes channels between groups: views them as (group, C/group), transposes and flattens."
    formula = "y[c2 * group + g] = x[g * (C / group) + c2]"
