"""`python -m prototxt_server`: the same program as `lsp`."""

from __future__ import annotations

from prototxt_server.cli.main import main

if __name__ == "__main__":
    main()
