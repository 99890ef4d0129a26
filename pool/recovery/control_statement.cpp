#include "pool/recovery/control_statement.hpp"

namespace lido::inline v0::recovery {

// Everything is qualified, operators too: the role's search_path is not ours to trust. Run by itself it is a
// transaction of its own: pg_stat_activity is a snapshot of the moment when a transaction first looks at it.
const std::string_view control_statement =
    "/* lido: control session */ "
    "select t.n, "
    "(extract(epoch from a.backend_start) operator(pg_catalog.*) 1000000)::pg_catalog.int8, "
    "case when t.kill and a.pid is not null then pg_catalog.pg_cancel_backend(a.pid) end, "
    "pg_catalog.pg_backend_pid(), "
    "(extract(epoch from pg_catalog.pg_postmaster_start_time()) operator(pg_catalog.*) 1000000)::pg_catalog.int8 "
    "from unnest(($1::pg_catalog.text)::pg_catalog.int4[], ($2::pg_catalog.text)::pg_catalog.int8[], "
    "($3::pg_catalog.text)::pg_catalog.inet[], ($4::pg_catalog.text)::pg_catalog.int4[], "
    "($5::pg_catalog.text)::pg_catalog.bool[]) with ordinality as t(pid, started, address, port, kill, n) "
    "left join pg_catalog.pg_stat_activity a "
    "on a.pid operator(pg_catalog.=) t.pid "
    "and a.usename operator(pg_catalog.=) session_user "
    "and a.client_port operator(pg_catalog.=) t.port "
    "and case when t.address is null then a.client_addr is null "
    "else a.client_addr operator(pg_catalog.=) t.address end "
    "and case when t.started is null then true else t.started operator(pg_catalog.=) "
    "(extract(epoch from a.backend_start) operator(pg_catalog.*) 1000000)::pg_catalog.int8 end "
    "order by t.n";

control_arguments arguments_of(const std::vector<control_channel::row>& rows) {
  control_arguments all{"{", "{", "{", "{", "{"};
  const auto add = [](std::string& to, const std::string& what) {
    if (to.size() > 1) to += ',';
    to += what;
  };
  for (const control_channel::row& r : rows) {
    const backend& b = r.target;
    add(all.pids, std::to_string(b.pid));
    add(all.started, b.started ? std::to_string(*b.started) : "NULL");
    add(all.addresses, b.end.is_unix() ? "NULL" : b.end.address);
    add(all.ports, std::to_string(b.end.port));
    add(all.kills, r.kind == control_channel::row_kind::cancel ? "t" : "f");
  }
  for (std::string* one : {&all.pids, &all.started, &all.addresses, &all.ports, &all.kills}) *one += '}';
  return all;
}

// Two backends that match one row of ours do not exist: pids are unique. If the server says otherwise the numbers do
// not fit, and its answer is none.
control_channel::reply reply_of(const result<control_row>& answer, std::size_t asked) {
  control_channel::reply out;
  if (answer.size() != asked) return out;
  std::int64_t expected = 0;
  for (const auto& [n, started, signalled, self, server] : answer) {
    if (n != ++expected) return {};
    out.self = self;
    out.server = server;
    out.rows.push_back({started, signalled.value_or(false)});
  }
  return out;
}

}  // namespace lido::inline v0::recovery
