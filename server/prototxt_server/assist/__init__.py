"""What an editor asks about a place in a net: pure functions over an `Analysis`, without any LSP type.

Offsets in and out are offsets into the whole text; `prototxt_server.lsp` turns them into positions.
"""
