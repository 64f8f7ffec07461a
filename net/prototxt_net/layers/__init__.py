"""One declaration a layer type, small families to a file. Importing this package registers them all."""

from prototxt_net.layers.base import Context, LayerType, Refused, entry_of, layer

__all__ = ["Context", "LayerType", "Refused", "entry_of", "layer"]
