#!/bin/sh
# Lints with golangci-lint, which is not part of the module.
set -eu
cd "$(dirname "$0")/../.."
if ! command -v golangci-lint >/dev/null 2>&1; then
	echo "golangci-lint is not installed: go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@latest" >&2
	exit 1
fi
golangci-lint run ./...
