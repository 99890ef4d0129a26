#include "pool/config/config_builder.hpp"

namespace lido {
inline namespace v0 {

pool_config pool_config::from_dsn(std::string_view dsn) {
  detail::config_builder builder;
  builder.set_dsn(dsn, {}, "DSN");
  return std::move(builder).finish();
}

}  // namespace v0
}  // namespace lido
