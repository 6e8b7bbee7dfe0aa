#!/usr/bin/env bash
# Puts grpcurl and grpc-health-probe into build/tools when they are not there, through the Go module
# proxy. Exits 1, saying why, when one cannot be had: the tests that want it then say that they skip.
set -euo pipefail
cd "$(dirname "$0")/.."

# get NAME MODULE@VERSION
get() {
  [ ! -x "build/tools/$1" ] || return 0
  mkdir -p build/tools
  if command -v "$1" >/dev/null; then
    ln -sf "$(command -v "$1")" "build/tools/$1"
    return 0
  fi
  command -v go >/dev/null || { echo "$1: not there, and there is no go to build it"; return 1; }
  GOBIN=$PWD/build/tools timeout 240 go install "$2" >"build/tools/$1.log" 2>&1 ||
    { tail -n 3 "build/tools/$1.log"; return 1; }
}

code=0
get grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3 || code=1
get grpc-health-probe github.com/grpc-ecosystem/grpc-health-probe@v0.4.62 || code=1
exit "$code"
