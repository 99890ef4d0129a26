// What a registry and its reloader share.
#pragma once

#include <lido/pool/registry.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

struct pool_registry::impl {
  struct entry {
    std::unique_ptr<pool> object;
    std::shared_ptr<detail::pool_impl> inner;
    std::shared_ptr<detail::pool_impl> replicas;  // null: none
  };

  reload_result reload();
  std::vector<reload_result::pool_changes> change_all(std::vector<std::pair<std::string, pool_config>> next);
  // Whether one of the files is another one than when it was last read.
  bool files_changed();
  // One of the reloader's callbacks threw.
  void sink_failed() noexcept {
    const std::lock_guard guard(noted);
    ++numbers.sink_errors;
  }
  std::string stamps_of_files();
  static std::vector<std::string> files_of(const std::vector<std::pair<std::string, pool_config>>& configs);

  config_sources sources;
  std::map<std::string, entry, std::less<>> pools;  // never changes
  std::mutex reloading;                             // over one reload
  mutable std::mutex noted;                         // the rest, held for moments
  std::vector<std::string> files;
  std::string seen;
  reload_stats numbers;
};

}  // namespace v0
}  // namespace lido
