#!/usr/bin/env bash
# spin.sh [small|full]: checks the models with Spin. Each run that has to hold holds, each mutant fails with its own assertion.
# small: 2 connections and 2 clients, every mutant; about a minute, little memory. full: 2 x 3 too, half an hour, 4 GB.
# A mutant's shortest counterexample must be the one in traces/, which replay_test drives the code with; --update writes them.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
set_name=small update=false
for argument in "$@"; do
  case $argument in
    small | full) set_name=$argument ;;
    --update) update=true ;;
    *) echo "usage: spin.sh [small|full] [--update]" >&2; exit 2 ;;
  esac
done

# set | name | model | switches | what happens: `holds`, or a part of the assertion that fails
runs='
small | pool_2x2            | pool    | -DC=2 -DNO_DEATH                              | holds
small | priorities_1x3      | pool    | -DM=1 -DC=3 -DPRIORITIES -DNO_DEATH           | holds
small | generation_1x2      | pool    | -DM=1 -DC=2 -DG=1 -DNO_CLOSE                  | holds
small | validate_1x2        | pool    | -DM=1 -DC=2 -DVALIDATE                        | holds
small | commit_1x2          | pool    | -DM=1 -DC=2 -DCOMMITS                         | holds
small | patient_2x2         | pool    | -DC=2 -DPATIENT                               | holds
small | no_eof              | pool    | -DC=2 -DMUTANT_NO_EOF                         | about[
small | no_eof_barrier      | pool    | -DC=2 -DMUTANT_NO_EOF -DBARRIER               | about[
small | unknown             | pool    | -DC=2 -DMUTANT_UNKNOWN                        | tainted[
small | unknown_harm        | pool    | -DC=2 -DMUTANT_UNKNOWN -DWITHOUT_I4           | about[
small | early_eof           | pool    | -DC=2 -DMUTANT_EARLY_EOF                      | about[
small | early_eof_barrier   | pool    | -DC=2 -DMUTANT_EARLY_EOF -DBARRIER            | about[
small | leak                | pool    | -DC=2 -DMUTANT_LEAK                           | assertion violated 0
small | no_baton            | pool    | -DC=2 -DMUTANT_NO_BATON                       | assertion violated 0
small | no_budget           | pool    | -DC=2 -DNO_DEATH -DMUTANT_NO_BUDGET           | invalid end state
small | server_count        | pool    | -DC=2 -DSERVER_COUNT=1                        | running_on[
small | overtake            | pool    | -DM=1 -DC=3 -DPRIORITIES -DMUTANT_OVERTAKE    | len(waiters
small | stale               | pool    | -DC=2 -DG=1 -DMUTANT_STALE                    | born[
small | cancelled_commit    | pool    | -DC=2 -DCOMMITS -DMUTANT_CANCEL_COMMIT        | about[
small | control             | control | -DCHECK=2 -DPID_FENCE -DOURS_ONLY             | holds
small | control_one_instant | control | -DCHECK=1                                     | holds
small | control_bare_pid    | control | -DCHECK=0                                     | holder
small | control_two_moments | control | -DCHECK=2                                     | holder
small | control_no_fence    | control | -DCHECK=2 -DOURS_ONLY                         | holder
small | control_fallback    | control | -DCHECK=1 -DFALLBACK                          | holder
small | cache_3_users       | cache   | -DK=1                                         | holds
small | cache_2_connections | cache   | -DM=2 -DT=1 -DU=2                             | holds
small | cache_no_era        | cache   | -DM=2 -DT=1 -DU=2 -DMUTANT_NO_ERA             | born[
small | cache_one_era       | cache   | -DM=2 -DT=1 -DU=2 -DMUTANT_ONE_ERA            | born[
small | cache_no_call       | cache   | -DK=1 -DMUTANT_NO_CALL                        | invalid end state
small | cache_open_early    | cache   | -DT=1 -DK=1 -DMUTANT_OPEN_EARLY               | invalid end state
full  | cache_long          | cache   | -DK=2                                         | holds
full  | cache_2x3           | cache   | -DM=2 -DG=1                                   | holds
full  | pool_2x2_deaths     | pool    | -DC=2                                         | holds
full  | pool_2x3            | pool    | -DC=3                                         | holds
full  | pool_2x3_one_signal | pool    | -DC=3 -DONE_SIGNAL                            | holds
full  | close_ends_2x2      | pool    | -DC=2 -DNO_DEATH -DENDS                       | holds
full  | patient_2x3         | pool    | -DC=3 -DPATIENT                               | holds
full  | server_count_2x2    | pool    | -DC=2 -DSERVER_COUNT=2                        | holds
full  | commit_2x2          | pool    | -DC=2 -DCOMMITS -DNO_DEATH                    | holds
full  | generation_2x2      | pool    | -DC=2 -DG=1 -DNO_CLOSE                        | holds
full  | priorities_2x3      | pool    | -DC=3 -DPRIORITIES -DNO_DEATH                 | holds
full  | validate_2x2        | pool    | -DC=2 -DVALIDATE -DNO_DEATH                   | holds
'

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

verify() { # verify NAME MODEL SWITCHES EXPECTED: in a folder and a process of its own, one line to stdout
  local name=$1 model=$2 switches=$3 expected=$4 started=$SECONDS flags=(-DMEMLIM=6000 -DCOLLAPSE) options=(-m1000000)
  mkdir "$scratch/$name" && cd "$scratch/$name" && cp "$here/$model.pml" . || return 1
  if [[ $switches == *-DENDS* ]]; then options+=(-a); else flags+=(-DSAFETY); fi
  if [ "$expected" = holds ]; then flags+=(-O2); else flags+=(-O0 -DBFS); fi
  # shellcheck disable=SC2086
  spin $switches -a "$model.pml" >spin.log 2>&1 && gcc -w "${flags[@]}" -o pan pan.c >>spin.log 2>&1 || { cat spin.log; return 1; }
  ./pan "${options[@]}" >pan.log 2>&1
  local states errors said verdict=FAILED
  states=$(grep -oE '[0-9.e+]+ states, stored' pan.log | head -n 1 | cut -d' ' -f1)
  errors=$(grep -oE 'errors: [0-9]+' pan.log | cut -d' ' -f2)
  said=$(grep -m 1 '^pan:[0-9]*:' pan.log | sed 's/^pan:[0-9]*: *//; s/ *(at depth.*//')
  if [ "$expected" = holds ]; then
    [ "$errors" = 0 ] && ! grep -qE 'max search depth too small|out of memory|reached -DMEMLIM' pan.log && verdict=ok
    said='holds'
  elif [[ $said == *"$expected"* ]]; then
    verdict=ok
  fi
  printf '%-20s %-7s %10s states %5d s   %s\n' "$name" $verdict "${states:-?}" $((SECONDS - started)) "${said:-no counterexample}"
  [ $verdict = ok ] || { cat pan.log; return 1; }
  if [ "$model" = pool ] && [ "$expected" != holds ]; then
    # shellcheck disable=SC2086
    spin $switches -t -T "$model.pml" | sed -n 's/^@ //p' >trace.txt
    if $update; then
      mkdir -p "$here/traces" && cp trace.txt "$here/traces/$name.txt"
    elif ! diff -u "$here/traces/$name.txt" trace.txt; then
      echo "$name: the counterexample has changed: tests/model/spin.sh --update, and look at what replay_test makes of it"
      return 1
    fi
  fi
}

one_ended() { wait -n || failed=$((failed + 1)); }

started=0
while IFS='|' read -r set name model switches expected; do
  read -r set <<<"$set"
  [ -n "$set" ] || continue
  [ "$set" = small ] || [ $set_name = full ] || continue
  read -r name <<<"$name" && read -r model <<<"$model" && read -r switches <<<"$switches"
  expected=${expected# }
  verify "$name" "$model" "$switches" "${expected%"${expected##*[![:space:]]}"}" &
  started=$((started + 1))
  [ $started -lt 2 ] || { one_ended; started=$((started - 1)); }
done <<<"$runs"
while [ $started -gt 0 ]; do one_ended; started=$((started - 1)); done
[ $failed = 0 ] || echo "$failed runs were not as expected"
[ $failed = 0 ]
