#!/usr/bin/env bash
# hardening_test.sh PROGRAM: the program is position-independent, its relocations are resolved at start and read-only, its stack is protected.
set -euo pipefail
program=$1
has() {
  local what=$1 pattern=$2
  shift 2
  "$@" "$program" | grep "$pattern" >/dev/null || { echo "$program: no $what"; exit 1; }
}
has 'position independence' 'Type: *DYN' readelf -hW
has 'read-only relocations' 'GNU_RELRO' readelf -lW
has 'immediate binding' 'NOW' readelf -dW
has 'stack protector' '__stack_chk_fail' readelf --dyn-syms -W
