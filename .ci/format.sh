#!/usr/bin/env bash
# Names the C++ files that are not formatted as .clang-format says, and fails if there are any. `format.sh --fix` formats them.
set -uo pipefail
cd "$(dirname "$0")/.."
export mode=check
[ "${1:-}" = --fix ] && mode=fix

format_one() {
  if [ $mode = fix ]; then
    clang-format-19 -i "$1"
  elif ! clang-format-19 --dry-run --Werror "$1" 2>/dev/null; then
    echo "$1: not formatted (.ci/format.sh --fix)"
    return 1
  fi
}
export -f format_one

find driver pool metrics tests bench docs cmake \( -name '*.cpp' -o -name '*.hpp' \) -print0 2>/dev/null | sort -z |
  xargs -0 --no-run-if-empty -n 1 -P "$(nproc)" bash -c 'format_one "$1"' _ || exit 1
