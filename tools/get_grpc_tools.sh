#!/usr/bin/env bash
# Puts grpcurl into build/tools when it is not there, through the Go module proxy. Exits 1, saying why,
# when it cannot be had: the tests that want it then say that they skip.
set -euo pipefail
cd "$(dirname "$0")/.."
version=v1.9.3
[ ! -x build/tools/grpcurl ] || exit 0
if command -v grpcurl >/dev/null; then
  mkdir -p build/tools && ln -sf "$(command -v grpcurl)" build/tools/grpcurl
  exit 0
fi
command -v go >/dev/null || { echo "grpcurl: not there, and there is no go to build it"; exit 1; }
mkdir -p build/tools
GOBIN=$PWD/build/tools timeout 240 go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$version" \
  >build/tools/grpcurl.log 2>&1 || { tail -n 3 build/tools/grpcurl.log; exit 1; }
