// Who has the connections of a pool, since when, from where: pool::holders().
#pragma once

#include <lido/pool/acquire_options.hpp>

#include <chrono>
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>

namespace lido {
inline namespace v0 {

enum class holding : std::uint8_t {
  granted,     ///< set aside for a task whose executor has not got round to it yet
  leased,      ///< a lease has it
  recovering,  ///< its lease ended by a cancel, a deadline or with something left behind; the pool cleans up
};
[[nodiscard]] std::string_view to_string(holding h) noexcept;

struct lease_holder {
  std::uint32_t slot = 0;  ///< which of the pool's connections
  holding state = holding::leased;
  int backend_pid = 0;               ///< as in pg_stat_activity; 0: the server did not say
  std::chrono::nanoseconds held{0};  ///< since it was set aside for this task
  std::string tag;                   ///< empty: none was given
  lido::priority priority = lido::priority::normal;
  std::uint64_t task = 0;      ///< task_scope::id(); 0: none was given
  std::source_location place;  ///< of the acquire; file_name() is "" when it is not known
  bool replica = false;        ///< a connection to a replica; slots of replicas are counted apart

  /// "leased for 4.2 s by checkout at src/shop.cpp:120, backend 4711"
  [[nodiscard]] std::string to_string() const;
};

}  // namespace v0
}  // namespace lido
