# The editor extension and its test in a real VS Code. Included by the top Makefile.

.PHONY: vsix extension-test e2e screenshot

vsix: ## the extension as vscode-extension/prototxt-lsp.vsix
	@./vscode-extension/package.sh

extension-test: ## tests of the extension that need no editor
	@./vscode-extension/install-dependencies.sh
	@cd vscode-extension && npm run --silent typecheck && npm test --silent

e2e: ## drives the extension in a real VS Code (code-server, headless Chromium); pictures in e2e-output/
	@./tests/e2e/run.sh

screenshot: ## makes docs/images/editor.png anew
	@E2E_REQUIRED=1 ./tests/e2e/run.sh screenshot.mjs
