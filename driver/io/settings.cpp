#include "driver/io/settings.hpp"

#include "driver/session/startup_parameters.hpp"
#include "driver/transport/address.hpp"

#include <lido/driver/detail/knobs.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

// The kernel's units. What is set to less than one of them is one.
int in_units(std::chrono::nanoseconds t, std::chrono::nanoseconds unit) noexcept {
  const auto n = (t + unit - std::chrono::nanoseconds(1)) / unit;
  return static_cast<int>(std::min<std::int64_t>(n, std::numeric_limits<int>::max()));
}

transport::tcp_settings tcp_settings_of(const connect_config& c) noexcept {
  return {c.keepalives, in_units(c.keepalives_idle, std::chrono::seconds(1)),
          in_units(c.keepalives_interval, std::chrono::seconds(1)), static_cast<int>(c.keepalives_count),
          in_units(c.tcp_user_timeout, std::chrono::milliseconds(1))};
}

}  // namespace

std::shared_ptr<const session_settings> make_session_settings(connect_config config, std::error_code& ec,
                                                              std::string& context) {
  try {
    validate(config);
  } catch (const error& e) {
    ec = e.code();
    context = e.diag().context;
    return nullptr;
  }
  auto settings = std::make_shared<session_settings>();
  if (config.user.empty()) config.user = session::process_user();  // here, once: it may ask the system's name service
  settings->hosts = hosts_of(config);
  for (std::size_t i = 0; i < settings->hosts.size(); ++i)
    settings->catalogues.push_back(std::make_shared<types::type_catalogue>());
  const bool all_unix = std::ranges::all_of(settings->hosts, is_unix_socket);
  if (config.sslmode != sslmode::disable && !all_unix) {
    settings->tls = transport::tls_context::create(config, ec, context);
    if (!settings->tls) return nullptr;
  }
  settings->bounds.max_message_bytes = config.max_message_bytes;
  settings->tcp = tcp_settings_of(config);
  if (!config.requirepeer.empty()) {
    settings->required_peer = session::id_of_user(config.requirepeer);
    if (!settings->required_peer) {
      ec = errc::invalid_config;
      context = "requirepeer: the system knows no user of that name";
      return nullptr;
    }
  }
  settings->config = std::move(config);
  return settings;
}

std::string describe(const session_peer& where) { return transport::describe(where.value.endpoint); }

std::shared_ptr<const session_settings> with_credentials(const session_settings& base, const connect_config& changed,
                                                         std::error_code& ec, std::string& context) {
  auto settings = std::make_shared<session_settings>(base);
  if (settings->config.database.empty()) settings->config.database = settings->config.user;  // not the new user's
  settings->config.user = changed.user.empty() ? session::process_user() : changed.user;
  settings->config.password = changed.password;
  try {
    validate(settings->config);
  } catch (const error& e) {
    ec = e.code();
    context = e.diag().context;
    return nullptr;
  }
  return settings;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
