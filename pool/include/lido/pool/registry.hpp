// All pools of one file, each under the name of its table, and how a change of the file reaches them while they run.
//
//   lido::pool_registry pools{io.get_executor(), {.file = "lido.toml"}};
//   lido::pool& web = pools.at("web");                       // [pool.web]
//   lido::reloader watch{io.get_executor(), pools};          // looks at the file every second
//
// Two pools never share connections. The registry's set of pools is fixed: a table that comes or goes wants a restart.
#pragma once

#include <lido/pool/pool.hpp>

#include <asio/any_io_executor.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lido {
inline namespace v0 {

/// What a reload did, or why it did nothing.
struct reload_result {
  struct pool_changes {
    std::string pool;
    std::vector<knob_change> changes;
  };
  bool ok = false;
  std::string error;                ///< with file and line; empty when ok
  std::vector<pool_changes> pools;  ///< those that changed
};

/// For metrics: lido_config_reload_success and its companions.
struct reload_stats {
  bool last_ok = true;  ///< of the latest attempt; the first reading of the file counts as one
  std::chrono::system_clock::time_point last_success;
  std::uint64_t successes = 0;
  std::uint64_t failures = 0;
  std::uint64_t sink_errors = 0;  ///< exceptions of reloader::options::log and on_reload, contained (contract I27)
};

class pool_registry {
 public:
  /// Reads the file and the environment and makes every pool of it. Throws lido::error (errc::invalid_config) as
  /// pool_config::load() does; then there is no pool at all. A variable LIDO__NAME__... of a pool that is not in the
  /// file is an error. `sources.code` is called for each pool, at every reload again, with its name set.
  pool_registry(asio::any_io_executor executor, config_sources sources);
  pool_registry(std::vector<asio::any_io_executor> executors, config_sources sources);
  pool_registry(const pool_registry&) = delete;
  pool_registry& operator=(const pool_registry&) = delete;
  /// Closes every pool without waiting, as pool's own destructor does.
  ~pool_registry();

  /// The pool of [pool.NAME]; throws lido::error (errc::invalid_config) when there is none. Any thread. The reference
  /// holds as long as the registry.
  [[nodiscard]] pool& at(std::string_view name) const;
  [[nodiscard]] pool* find(std::string_view name) const noexcept;
  [[nodiscard]] std::vector<std::string_view> names() const;

  /// Reads everything again and applies it to all pools, or - when any of it is wrong for any pool - to none, and says
  /// why. Reads files. Any thread; never throws but bad_alloc; two at a time take turns.
  reload_result reload();
  [[nodiscard]] reload_stats reloads() const;
  /// For collectors that must not keep the registry alive.
  [[nodiscard]] std::function<std::optional<reload_stats>()> reloads_source() const;

  /// Closes all pools, each as pool::async_close does. Any thread.
  [[nodiscard]] asio::awaitable<void> async_close(std::chrono::nanoseconds patience = std::chrono::seconds(10));

 private:
  friend class reloader;
  struct impl;
  std::shared_ptr<impl> impl_;
};

/// Reloads a registry when its files change, when asked to by a signal, or when called. Nothing starts a thread: files
/// are looked at (one stat() each, links followed, so that a ConfigMap's switch is seen) and read on the executor.
class reloader {
 public:
  struct options {
    /// How often the files are looked at; 0: never.
    std::chrono::nanoseconds interval = std::chrono::seconds(1);
    /// SIGHUP reloads. Off unless asked for: a library that takes signals surprises (contract I28).
    bool on_sighup = false;
    /// One line for each changed knob and one for each failure; secrets redacted. On the executor; what it throws is
    /// contained and counted (reload_stats::sink_errors).
    std::function<void(std::string_view)> log;
    /// After each attempt; the same rules.
    std::function<void(const reload_result&)> on_reload;
  };

  /// Keeps the io_context busy until stop() or its end. Does not keep the registry alive.
  reloader(asio::any_io_executor executor, pool_registry& pools);
  reloader(asio::any_io_executor executor, pool_registry& pools, options how);
  reloader(const reloader&) = delete;
  reloader& operator=(const reloader&) = delete;
  ~reloader();

  /// Reloads now, on the calling thread, whether or not a file has changed.
  reload_result reload();
  void stop() noexcept;

 private:
  class impl;
  std::shared_ptr<impl> impl_;
};

}  // namespace v0
}  // namespace lido
