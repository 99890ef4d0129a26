#!/usr/bin/env bash
# install.sh DIR: PostgreSQL 16, 17 and 18 in DIR/16, DIR/17, DIR/18 (bin, lib, share), exactly those of package-lock.json.
# Nothing of the packages is executed: their only script makes the symbolic links that pg-symlinks.json lists, and so do we.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
target=$1

sum=$(sha256sum "$here/package-lock.json" "$here/install.sh" | cut -d' ' -f1 | tr '\n' ' ')
[ "$(cat "$target/installed" 2>/dev/null || true)" != "$sum" ] || exit 0
[ "$(uname -m)" = x86_64 ] || { echo "PostgreSQL 16 to 18 are there for x86-64 only" >&2; exit 1; }

mkdir -p "$target"
rm -rf "$target/installed" "$target/fetched"
mkdir "$target/fetched"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$target/fetched"
log=$target/npm.log
(cd "$target/fetched" && npm ci --ignore-scripts) >"$log" 2>&1 || { cat "$log" >&2; exit 1; }

for version in 16 17 18; do
  package=$target/fetched/node_modules/postgres-$version
  python3 - "$package" <<'PY'
import json, os, sys
package = os.path.realpath(sys.argv[1])
native = os.path.join(package, "native") + os.sep
for link in json.load(open(native + "pg-symlinks.json")):
    source, target = (os.path.normpath(os.path.join(package, link[end])) for end in ("source", "target"))
    if not (source.startswith(native) and target.startswith(native)):
        sys.exit(f"a link out of the package: {link}")
    if not os.path.lexists(target):
        os.symlink(os.path.relpath(source, os.path.dirname(target)), target)
PY
  rm -rf "${target:?}/$version"
  mv "$package/native" "$target/$version"
done
rm -rf "$target/fetched"
printf '%s' "$sum" >"$target/installed"
