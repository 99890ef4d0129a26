// What all connections of one configuration share: the validated configuration, its TLS context, its limits.
#pragma once

#include "driver/transport/dialler.hpp"
#include "driver/transport/tls_context.hpp"
#include "driver/types/type_catalogue.hpp"
#include "driver/wire/limits.hpp"

#include <lido/driver/config.hpp>
#include <lido/driver/detail/session.hpp>

#include <sys/types.h>

#include <memory>
#include <optional>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

struct session_settings {
  connect_config config;
  std::vector<host_entry> hosts;                      // at least one, complete
  std::shared_ptr<const transport::tls_context> tls;  // null when sslmode is disable or all sockets are Unix ones
  wire::limits bounds;
  std::vector<std::shared_ptr<types::type_catalogue>> catalogues;  // by host: who knows that they are one cluster
  transport::tcp_settings tcp;
  std::optional<uid_t> required_peer;  // of a Unix socket
};

struct session_peer {
  transport::peer value;
  std::size_t host = 0;  // of the configuration's
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
