#!/usr/bin/env bash
# clang_tidy.sh [--all | --max N]: clang-tidy on the C++ sources that changed since origin/main (on it: lately), at most N. The static analyzer,
# half of its time, looks at the tests only with --all.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/clang  # a file at a time, which the builds of the other gates are not
all=false max=40
while [ $# -gt 0 ]; do
  case $1 in
    --all) all=true max=100000 ;;
    --max) max=$2; shift ;;
    *) echo "unknown argument: $1" >&2; exit 2 ;;
  esac
  shift
done

# What changed, newest first: what is not committed, then what the commits since the base touched. The base is where this branch left
# origin/main; on main itself the last tag or the last 20 commits, whichever is nearer: a push of several commits is looked at as a whole.
changed() {
  if $all; then git ls-files --cached --others --exclude-standard && return; fi
  local base recent tag
  git diff --name-only --diff-filter=d HEAD
  git ls-files --others --exclude-standard
  base=$(git merge-base HEAD origin/main 2>/dev/null || true)
  if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then
    recent=$(git rev-list --first-parent --max-count=21 HEAD | tail -n 1)
    tag=$(git describe --tags --abbrev=0 HEAD~1 2>/dev/null || true)
    base=$recent
    if [ -n "$tag" ] && git merge-base --is-ancestor "$recent" "$tag"; then base=$tag; fi
  fi
  # A history of one commit, or of a shallow clone, has no base: then all that there is.
  if [ "$base" = "$(git rev-parse HEAD)" ]; then git ls-files; else git log --first-parent -m --format= --name-only "$base..HEAD"; fi
}

[ -f $build/compile_commands.json ] || cmake --preset clang >/dev/null
ninja -C $build lido_test_pch pool_mutant_sources >/dev/null  # what the sources include that is made
# Only what the build compiles, each once; a cap cuts what was touched longest ago.
mapfile -t files < <(changed | grep -E '^(driver|pool|metrics|tests|bench)/.*\.cpp$' | awk '!seen[$0]++' | while read -r file; do
  if [ -f "$file" ] && grep -qF "/$file\"" $build/compile_commands.json; then printf '%s\n' "$file"; fi
done | head -n "$max")
echo "clang-tidy: ${#files[@]} files"
[ ${#files[@]} -gt 0 ] || exit 0
look() { # look CHECKS: at the files on standard input
  xargs -r -n 1 -P "$(nproc)" clang-tidy-19 -p $build --quiet --checks="$1" 2>/dev/null
}
if $all; then printf '%s\n' "${files[@]}" | look ''; exit; fi
status=0
printf '%s\n' "${files[@]}" | { grep -E '^(driver|pool|metrics)/' || true; } | look '' || status=1
printf '%s\n' "${files[@]}" | { grep -vE '^(driver|pool|metrics)/' || true; } | look '-clang-analyzer-*' || status=1
exit $status
