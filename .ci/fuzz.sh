#!/usr/bin/env bash
# fuzz.sh [SECONDS] [NAME...]: every fuzzer of tests/fuzz (or those) for that long each, 10 s if not said, two at once on each processor.
# Starts from the seeds in tests/fuzz/corpus and from what earlier runs found (build/corpus); a finding is left in build/findings. The last line is
# `N fuzzers, N failed`.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
seconds=${1:-10}
[ $# -eq 0 ] || shift
mkdir -p build
[ -f build/asan/build.ninja ] || cmake --preset asan >build/asan.configure.log 2>&1 || { cat build/asan.configure.log; exit 1; }
ninja -C build/asan -j "$(nproc)" fuzzers >&2 || exit 1

one() { # one PROGRAM: a word on each, the log only of a failed one
  local program=$1 name log
  name=$(basename "${program%_fuzz}")
  log=build/findings/$name.log
  mkdir -p "build/corpus/$name"
  if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 -max_len=4096 -print_final_stats=1 -artifact_prefix="build/findings/$name-" \
    "build/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
    printf '%-24s %s runs\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
    rm -f "$log"
  else
    printf '%-24s FAILED\n' "$name"
    tail -n 60 "$log"
    return 1
  fi
}
export -f one
export seconds
mkdir -p build/findings

programs=()
for program in build/asan/tests/fuzz/*_fuzz; do
  name=$(basename "${program%_fuzz}")
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  programs+=("$program")
done
results=$(mktemp)
printf '%s\n' "${programs[@]}" | xargs -P "$((2 * $(nproc)))" -I{} bash -c 'one {}; echo "$?" >>'"$results"
failed=$(grep -vc '^0$' "$results")
rm -f "$results"
printf '%d fuzzers, %d failed\n' "${#programs[@]}" "$failed"
[ "$failed" = 0 ] && [ "${#programs[@]}" -gt 0 ]
