#!/usr/bin/env bash
# Names the C++ files that are not formatted as .clang-format says, and fails if there are any. `format.sh --fix` formats them.
set -uo pipefail
cd "$(dirname "$0")/.."
export mode=check
[ "${1:-}" = --fix ] && mode=fix

format_all() {
  [ $mode = fix ] && exec clang-format-19 -i "$@"
  local said
  said=$(clang-format-19 --dry-run --Werror "$@" 2>&1) && return
  sed -nE 's/^([^ :]+):[0-9]+:[0-9]+: error: code should be clang-formatted.*/\1: not formatted (.ci\/format.sh --fix)/p' <<<"$said" | sort -u
  return 1
}
export -f format_all

find driver pool metrics tests bench docs cmake \( -name '*.cpp' -o -name '*.hpp' \) -print0 2>/dev/null | sort -z |
  xargs -0 --no-run-if-empty -n 64 -P "$(nproc)" bash -c 'format_all "$@"' _ || exit 1
