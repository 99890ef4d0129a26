#!/usr/bin/env bash
# run.sh BUILD_DIR [--paired N] [--rounds N] [--peers a,b] [--workloads W2,W3] [--instructions] [--syscalls] [--recording] [--quick]: a private PostgreSQL with
# TLS in a temporary folder, the benchmarks beside each other on it, tables. `./run bench` calls it after building.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
bin=$(readlink -f "$1")/bin
shift
pg=${LIDO_PGBIN:-/usr/lib/postgresql/15/bin}

for package in postgresql-15 libpq-dev valgrind python3-asyncpg python3-uvloop default-jdk-headless libhikaricp-java \
  libpostgresql-jdbc-java libslf4j-java linux-perf; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
    echo "bench: Debian package $package is not installed; what needs it is left out" >&2
done

as_server() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

dir=$(mktemp -d)
server=
finish() {
  if [ -n "$server" ]; then
    kill -INT "$(head -1 "$dir/data/postmaster.pid" 2>/dev/null || echo "$server")" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf -- "$dir"
}
trap finish EXIT

make_certificates() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lido-bench-ca -keyout ca.key -out ca.crt
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout server.key -out server.csr
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >names
  openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt
}

chmod 755 "$dir"
(cd "$dir" && make_certificates) >/dev/null 2>&1
chmod 600 "$dir/server.key"
if [ "$(id -u)" = 0 ]; then chown -R postgres "$dir"; fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cd "$dir"
as_server "$pg/initdb" -D "$dir/data" -U bench -A trust --no-sync -E UTF8 --locale=C.UTF-8 >/dev/null
cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir'
max_connections = 500
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 256MB
ssl = on
ssl_cert_file = '$dir/server.crt'
ssl_key_file = '$dir/server.key'
jit = off
autovacuum = off
log_min_messages = panic
CONF
as_server "$pg/postgres" -D "$dir/data" >"$dir/log" 2>&1 &
server=$!
for _ in $(seq 200); do "$pg/pg_isready" -q -h "$dir" -p "$port" && break; sleep 0.05; done
"$pg/createdb" -h "$dir" -p "$port" -U bench bench
"$pg/psql" -XAtq -h "$dir" -p "$port" -U bench bench <<'SQL'
create table rows1k as select i as a, i::int8 * 1000000 as b, 'name of row ' || i as c, i / 8.0::float8 as d,
  timestamptz '2026-01-01' + i * interval '1 minute' as e from generate_series(1, 1000) i;
create unlogged table copied (a int4, b int8, c text, d float8, e timestamptz);
SQL

export B_HOST=127.0.0.1 B_PORT=$port B_SOCK=$dir B_USER=bench B_DB=bench B_CA=$dir/ca.crt
/usr/bin/python3 "$here/driver.py" "$bin" "$@"
