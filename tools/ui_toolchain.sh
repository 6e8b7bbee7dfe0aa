#!/usr/bin/env bash
# Builds the page: ui/dist from ui/.
#   tools/ui_toolchain.sh [build|test|e2e|all|path]
#     build   npm ci and npm run build (the default)
#     test    build, then the unit tests, and the page's size against its budget
#     e2e     build, then the page in Chromium against the real server (GRAVEN_BINARY, or build/release/graven)
#     all     both, after one build
#     path    prints the folder to put first in PATH, so that node and npm are the ones used here
# Debian's own node is too old for Vite. So Debian's npm installs a pinned node and npm into ui/toolchain once, and
# everything after that runs with those. Nothing outside ui/ is written, but for npm's own cache.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../ui"

die() { printf 'ui_toolchain: %s\n' "$*" >&2 && exit 2; }

tools=$PWD/toolchain/node_modules/.bin

# A stamp beside what was installed: a lock file that changed means installing anew, one that did not means no network.
installed() { cmp -s "$1/package-lock.json" "$1/node_modules/.graven-lock"; }
stamp() { cp "$1/package-lock.json" "$1/node_modules/.graven-lock"; }

if ! installed toolchain || ! "$tools/node" --version >/dev/null 2>&1; then
  command -v npm >/dev/null || die "needs npm (Debian: apt-get install npm)"
  # The package "node" fetches its binary in an install script.
  npm ci --prefix toolchain --ignore-scripts=false --no-audit --no-fund --loglevel=error >&2 ||
    die "could not install node and npm into ui/toolchain"
  "$tools/node" --version >/dev/null 2>&1 || (cd toolchain && npm rebuild node --loglevel=error >&2) || true
  "$tools/node" --version >/dev/null 2>&1 || die "the node that was installed does not run"
  stamp toolchain
fi
export PATH=$tools:$PATH

case ${1:-build} in
  path) echo "$tools" && exit 0 ;;
  build | test | e2e | all) ;;
  *) die "unknown argument '$1'" ;;
esac
if ! installed .; then
  npm ci --no-audit --no-fund --loglevel=error >&2 || die "npm ci failed"
  stamp .
fi
npm run --silent build >&2 || die "the page does not build"
case ${1:-build} in
  test | all) npm run --silent format-check >&2 && npm test --silent ;;
esac
case ${1:-build} in
  e2e | all) npm run --silent e2e ;;
esac
