#include "driver/io/settings.hpp"

#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

std::shared_ptr<const session_settings> make_session_settings(connect_config config, std::error_code& ec, std::string& context) {
  auto settings = std::make_shared<session_settings>();
  const bool wants_tls = config.sslmode != sslmode::disable && !config.host.starts_with('/');
  if (wants_tls) {
    const bool verifies = config.sslmode >= sslmode::verify_ca || (config.sslmode == sslmode::require && !config.sslrootcert.empty());
    if (!verifies && !config.allow_unverified_tls) {
      ec = errc::invalid_config;
      context = "this sslmode would encrypt towards anybody: set sslrootcert, or use sslmode=verify-full, or say allow_unverified_tls";
      return nullptr;
    }
    settings->tls = transport::tls_context::create(config, ec, context);
    if (!settings->tls) return nullptr;
  }
  settings->bounds.max_message_bytes = config.max_message_bytes;
  settings->config = std::move(config);
  return settings;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
