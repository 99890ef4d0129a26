// What went over the pool's connections: each session counts for itself, without a lock or an atomic operation that
// costs more than a plain one; here it is summed when somebody asks.
#include "pool/member.hpp"
#include "pool/pool_impl.hpp"
#include "pool/stats/from_core.hpp"

#include <algorithm>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

void add(session_usage& to, const session_usage& more) noexcept {
  to.bytes_sent += more.bytes_sent;
  to.bytes_received += more.bytes_received;
  to.statements += more.statements;
  to.notices_dropped += more.notices_dropped;
  to.callback_errors += more.callback_errors;
}

std::int64_t earlier(std::int64_t a, std::int64_t b) noexcept {
  if (a == 0 || b == 0) return std::max(a, b);  // 0 is none
  return std::min(a, b);
}

}  // namespace

void pool_impl::keep_usage(const pool_member& gone) noexcept {
  if (gone.session) add(past_usage_, gone.session->usage());
}

void pool_impl::note_certificates(const certificate_expiry& seen) noexcept { last_certificates_ = seen; }

// By host, when there are several.
void pool_impl::read_endpoints(pool_stats& out) const {
  if (endpoints_.size() < 2) return;
  out.endpoints.resize(endpoints_.size());
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    const auto which = static_cast<core::endpoint_id>(i);
    endpoint_stats& e = out.endpoints[i];
    e.role = stats::to_public(endpoints_.role(which));
    e.state = stats::to_public(endpoints_.state(which), endpoints_.barred(which));
    e.preferred = endpoints_.primary() == which;
    e.lag = endpoints_.lag(which);
  }
  for (const auto& member : members_) {
    if (member && member->session && member->hosts_era == hosts_era_ && member->session->host() < out.endpoints.size())
      ++out.endpoints[member->session->host()].connections;
  }
}

void pool_impl::read_usage(pool_stats& out) const {
  read_endpoints(out);
  session_usage all = past_usage_;
  certificate_expiry ends;
  for (const auto& member : members_) {
    if (!member || !member->session) continue;
    add(all, member->session->usage());
    const certificate_expiry seen = member->session->certificates();
    ends.server = earlier(ends.server, seen.server);
    ends.client = earlier(ends.client, seen.client);
  }
  out.statements = all.statements;
  out.notices_dropped = all.notices_dropped;
  out.sink_errors += all.callback_errors;  // besides those of the pool's own
  out.bytes_sent = all.bytes_sent;
  out.bytes_received = all.bytes_received;
  out.server_certificate_end = ends.server != 0 ? ends.server : last_certificates_.server;
  out.client_certificate_end = ends.client != 0 ? ends.client : last_certificates_.client;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
