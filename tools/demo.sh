#!/usr/bin/env bash
# What `./dev run` shows: the server on loopback, real events from this machine's own files, a receipt
# verified offline, the whole log verified from the outside. The server then stays until Ctrl-C, and
# what happens on this machine arrives in its log.
#   tools/demo.sh [--data DIR] [--once] [--no-live]
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
graven=${GRAVEN_BINARY:-build/release/graven}
python=/usr/bin/python3
data=build/run/data once= live=1
while [ $# -gt 0 ]; do
  case $1 in
    --data) data=$2 && shift 2 ;;
    --once) once=1 && shift ;;
    --no-live) live= && shift ;;
    *) echo "run: unknown argument '$1'; see ./dev run --help" >&2 && exit 2 ;;
  esac
done
work=$(dirname "$data")
mkdir -p "$work"
ready=$work/ready.json log=$work/server.log
server= follower=

bold() { if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi; }
show() { printf '$ graven %s\n' "$*"; "$graven" "$@"; }

stop() {
  trap - EXIT INT TERM
  # First who writes: it hands over what it has, and ends.
  if [ -n "$follower" ]; then
    kill -TERM "$follower" 2>/dev/null || true
    wait "$follower" || true
  fi
  [ -n "$server" ] && kill -TERM "$server" 2>/dev/null || exit "${1:-0}"
  local code=0
  wait "$server" || code=$?
  bold "The server has ended (exit code $code)."
  exit "${1:-$code}"
}

# Starts on the default port, or on any other one when that is taken. Sets `server`.
start() {
  local address http
  for address in 127.0.0.1:7465 127.0.0.1:0; do
    http=127.0.0.1:7466
    [ "$address" = 127.0.0.1:7465 ] || http=127.0.0.1:0
    rm -f "$ready"
    # A process group of its own: Ctrl-C is ours to hand on.
    setsid "$graven" serve --data "$data" --listen "$address" --http "$http" --ready-file "$ready" >"$log" 2>&1 &
    server=$!
    for _ in $(seq 300); do
      [ -f "$ready" ] && return 0
      kill -0 "$server" 2>/dev/null || break
      sleep 0.05
    done
    wait "$server" 2>/dev/null || true
    server=
  done
  echo "The server did not start:" >&2
  tail -n 5 "$log" >&2
  exit 3
}

# Live events of this very machine. Sets `follower`.
follow_this_machine() {
  [ -n "$live" ] && [ -z "$once" ] && [ -x "$python" ] || return 0
  setsid "$python" tools/host_events.py --graven "$graven" --server "$address" --parent $$ >>"$log" 2>&1 &
  follower=$!
  bold "6. What happens on this machine goes in live: programs that start and end, without their arguments"
}

import_real_events() {
  local any=
  if [ -s /var/log/dpkg.log ]; then
    any=1
    show import --format dpkg --oversize digest /var/log/dpkg.log
  fi
  if [ -d ../shared/data/cloudtrail ]; then
    any=1
    show import --format cloudtrail --oversize digest ../shared/data/cloudtrail
  fi
  [ -n "$any" ] || echo "(neither /var/log/dpkg.log nor CloudTrail files are here)"
}

# A key as part of a URL.
pin_of() { sed 's/%/%25/g; s/+/%2B/g; s,/,%2F,g; s/=/%3D/g' <<<"$1"; }

trap 'stop 1' EXIT
trap 'stop 0' INT TERM
bold "1. The server"
start
address=$(sed -n 's/.*"grpc": *\["\([^"]*\)".*/\1/p' "$ready")
url=$(sed -n 's/.*"http": *\["\([^"]*\)".*/\1/p' "$ready")
export GRAVEN_SERVER=$address
echo "listens on $address, shows its page on $url, keeps its logs in $data, writes its own log to $log"

bold "2. Real events go in, exactly once: a second run appends only what is new"
import_real_events
show append --actor "$(id -un)" --action graven.first-run --target "host:$(uname -n)" \
  --outcome success

bold "3. The last records"
show tail --last 8

bold "4. A receipt, verified offline with the log's public key and nothing else"
vkey=$("$graven" keys show --data "$data")
show receipt get 0 --output "$work/0.receipt"
show receipt verify "$work/0.receipt" --key "$vkey"

bold "5. The whole log, verified from the outside"
show verify --server "$address" --key "$vkey"

follow_this_machine

bold "Next"
cat <<END
  export GRAVEN_SERVER=$address
  $graven append --actor you --action invoice.approve --target invoice:42 --outcome success
  $graven tail --follow
  $graven logs list
  $graven --help
  grpcurl -plaintext $address list
  $graven rehearse fork --page     # a throw-away copy is attacked, and its page turns red

The page, live, with the log's key pinned:
  $url/#/default/live?pin=$(pin_of "$vkey")
END
if [ -n "$once" ]; then stop; fi
bold "The server runs until Ctrl-C."
code=0
wait "$server" || code=$?
server=
stop "$code"
