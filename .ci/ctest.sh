#!/usr/bin/env bash
# ctest.sh BUILD_DIR [CTEST ARGS]: runs the tests. Each that failed is told again at the end, with what it printed (a copy: BUILD_DIR/failures.txt);
# the last line is `N passed, N failed`, counting GoogleTest's tests one by one.
set -uo pipefail
build=$1
shift
# The test with a browser is asked for by its label (`./run nightly`): its package is large.
case " $* " in *browser*) ;; *) set -- -LE '^browser$' "$@" ;; esac
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/.ci/tsan.supp}
if [ -z "${LIDO_TEST_SCALE:-}" ] && grep -qE '^(LIDO_SANITIZE:STRING=.+|CMAKE_CXX_FLAGS:.*coverage)' "$build/CMakeCache.txt"; then
  export LIDO_TEST_SCALE=0.05
fi

log=$build/Testing/Temporary/LastTest.log
rm -f "$log"
# Most of the tests' time is waiting for servers and deadlines.
ctest --test-dir "$build" -j "$(($(nproc) + 2))" --output-on-failure --no-tests=error "$@"
status=$?

# The last lines of each failed test; of a program that ended in the middle of one (a crash, a time-out) or is no GoogleTest, its own.
touch "$log"
awk '
  function tell(what) {
    print "--- " program ": " what
    for (i = (n > 60 ? n - 60 : 0); i < n; i++) print "    " line[i]
  }
  /^[0-9]+\/[0-9]+ Testing: /  { program = $3; n = 0; test = ""; told = 0; next }
  /^\[ RUN      \] /          { test = $4; n = 0; next }
  /^\[       OK \] /          { test = ""; n = 0; next }
  /^\[  FAILED  \] .* ms\)$/  { tell($4); told = 1; test = ""; n = 0; next }
  /^Test Failed\.$/           { if (!told) tell(test == "" ? "failed" : test " did not end"); next }
  /^Output:$/                 { n = 0; next }
  /^(<end of output>|-+)$/    { next }
  { line[n++] = $0 }' "$log" >"$build/failures.txt"
[ ! -s "$build/failures.txt" ] || { printf '\nFailed:\n' && cat "$build/failures.txt"; }

# A program that GoogleTest did not finish (a crash, a time-out) or that is no GoogleTest counts as one test.
awk -v status=$status '
  function flush() {
    if (!open) return
    if (ok && !ran) { passed++ } else if (!ok && !bad) { failed++ }
    passed += ran; failed += bad; open = 0
  }
  /^[0-9]+\/[0-9]+ Testing: /                 { flush(); open = 1; ok = 0; ran = 0; bad = 0; built = 1 }
  /^Command: ""$/                             { built = 0 }
  /^\[  PASSED  \] [0-9]+ tests?\.$/          { ran += $4 }
  /^\[  FAILED  \] [0-9]+ tests?, listed below/ { bad += $4 }
  /^Test Passed\.$/                           { ok = built }
  END {
    flush()
    if (status != 0 && failed == 0) failed = 1
    printf "%d passed, %d failed\n", passed, failed
  }' "$log"
exit $status
