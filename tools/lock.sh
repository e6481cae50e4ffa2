#!/usr/bin/env bash
# Writes requirements/*.txt anew: exact versions with the hash of every file of
# each release, for all platforms and Python versions. `uv` resolves it and is
# needed for nothing else: `pip install uv`, then `tools/lock.sh [--upgrade]`.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
  uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
    --no-annotate --no-emit-index-url --no-emit-find-links --quiet "$@"
}

compile pyproject.toml -o requirements/runtime.txt "$@"
compile pyproject.toml --group dev -c requirements/runtime.txt -o requirements/dev.txt "$@"
