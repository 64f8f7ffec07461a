"""NET: how layers are connected, in every active phase."""
