// Certificates that are rotated while the pool runs: a new connection goes by the files as they are when it is made,
// not as they were when the pool was. Connections that are open live on with what they have.
#include "pool/pool_impl.hpp"

#include <exception>

namespace lido {
inline namespace v0 {
namespace detail {

// A look at each file's stamp beside a TLS handshake; without such files, nothing. Files that cannot be used - half
// written, a key that does not fit yet - are asked again by the next connect; this one goes by those before.
std::shared_ptr<const session_settings> pool_impl::settings_for_connect() {
  std::shared_ptr<const pool_config> config;
  std::shared_ptr<const session_settings> settings;
  std::string known;
  {
    const lock guard(mutex_);
    config = config_;
    settings = settings_;
    known = tls_stamps_of_connects_;
  }
  std::string now = stamps_of_tls_files(config->connect);  // before they are read: what changes meanwhile is news again
  if (now == known) return settings;
  try {
    auto fresh = settings_for(*config);
    const lock guard(mutex_);
    if (config_ != config) return settings_;
    settings_ = fresh;
    tls_stamps_of_connects_.swap(now);
    return fresh;
  } catch (const std::exception& e) {
    sink_.line(
        stats::topic::tls_files,
        "pool " + name_ + ": the TLS files have changed and cannot be used, those before them still serve: " + e.what(),
        std::chrono::steady_clock::now());
    return settings;
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
