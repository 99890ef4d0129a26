// Which addresses a host's name still has, by the look-ups made lately. Sans-io.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

// An address has left the name when `looks` look-ups, one after the other, were without it: a name that spreads a load
// may tell of a few of its addresses at a time.
class host_addresses {
 public:
  explicit host_addresses(std::size_t looks) : looks_(looks) {}

  // What the name has, after this look-up; none: too early to say.
  std::optional<std::vector<std::string>> found(std::vector<std::string> now) {
    found_.push_back(std::move(now));
    if (found_.size() < looks_) return std::nullopt;
    std::vector<std::string> all;
    for (const auto& each : found_) all.insert(all.end(), each.begin(), each.end());
    found_.pop_front();
    return all;
  }

 private:
  std::size_t looks_;
  std::deque<std::vector<std::string>> found_;  // by the last look-ups, one less than it takes
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
