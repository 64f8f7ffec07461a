# The editor extension and its test in a real VS Code. Included by the top Makefile, whose STAMP is the set up .venv.

.PHONY: vsix extension-test e2e screenshot

vsix: $(STAMP)
	@./vscode-extension/package.sh

# What of the extension can be tested without an editor.
extension-test:
	@start=$$SECONDS; echo "== extension: types and unit tests" && ./vscode-extension/install-dependencies.sh && cd vscode-extension && \
	npm run --silent typecheck && npm test --silent && echo "== extension tested in $$((SECONDS - start)) s"

# A real VS Code (code-server) in headless Chromium; pictures of every step in e2e-output/. Where it cannot be set up it
# says why and passes; with E2E_REQUIRED=1 it fails.
e2e: $(STAMP)
	@./tests/e2e/run.sh || { code=$$?; test $$code -eq 77; }

screenshot: $(STAMP)
	@E2E_REQUIRED=1 ./tests/e2e/run.sh screenshot.mjs && \
	$(BIN)/python -c 'from PIL import Image; name = "docs/images/editor.png"; Image.open(name).quantize(256, Image.Quantize.MAXCOVERAGE).save(name, optimize=True)'
