#!/usr/bin/env bash
# clang_tidy.sh [--all | --max N]: clang-tidy on the C++ sources that changed since origin/main (or since the last commit), at most N.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/clang
all=false max=40
while [ $# -gt 0 ]; do
  case $1 in
    --all) all=true max=100000 ;;
    --max) max=$2; shift ;;
    *) echo "unknown argument: $1" >&2; exit 2 ;;
  esac
  shift
done

changed() {
  local base
  base=$(git merge-base HEAD origin/main 2>/dev/null) && [ "$base" != "$(git rev-parse HEAD)" ] || base=$(git rev-parse -q --verify HEAD~1) || base=
  if $all || [ -z "$base" ]; then
    git ls-files --cached --others --exclude-standard
  else
    git diff --name-only --diff-filter=d "$base"
    git ls-files --others --exclude-standard
  fi
}

[ -f $build/compile_commands.json ] || cmake --preset clang >/dev/null
# Only what the build compiles; newest first, so that a cap cuts what was least likely touched.
mapfile -t files < <(changed | grep -E '^(driver|pool|metrics|tests|bench)/.*\.cpp$' | sort -u | while read -r file; do
  if [ -f "$file" ] && grep -qF "/$file\"" $build/compile_commands.json; then stat -c '%Y %n' "$file"; fi
done | sort -rn | cut -d' ' -f2- | head -n "$max")
echo "clang-tidy: ${#files[@]} files"
[ ${#files[@]} -gt 0 ] || exit 0
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy-19 -p $build --quiet 2>/dev/null
