#!/usr/bin/env bash
# tools/fuzz_one.sh PROGRAM SECONDS: one fuzzer, bounded. Seeds come from the folder corpus/NAME beside
# its source when there is one; what it finds new stays in build/fuzz-corpus/NAME.
set -euo pipefail
program=$1 seconds=$2
name=$(basename "$program")
kept=build/fuzz-corpus/$name
mkdir -p "$kept" build/fuzz-failures
seeds=()
while read -r folder; do seeds+=("$folder"); done < <(find src -type d -path "*/corpus/${name%_fuzz}")
log=build/fuzz-failures/$name.log
if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
  -artifact_prefix="build/fuzz-failures/$name-" "$kept" "${seeds[@]}" >"$log" 2>&1; then
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  printf '%-28s ok, %s runs in %s s\n' "$name" "${runs:-?}" "$seconds"
  rm -f "$log"
else
  tail -n 40 "$log" >&2
  printf '%-28s FAILED, see %s\n' "$name" "$log"
  exit 1
fi
