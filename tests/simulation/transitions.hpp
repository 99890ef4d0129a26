// Which (state, event, state) were taken, and which may be: an illegal one ends the simulation, a legal one never taken
// fails it.
#pragma once

#include "tests/simulation/events.hpp"

#include <array>
#include <cstdint>
#include <iosfwd>
#include <string>

namespace simulation {

class transition_table {
 public:
  void take(view from, event e, view to) { ++counts_[cell(from, e, to)]; }
  void merge(const transition_table& other);

  [[nodiscard]] static bool legal(view from, event e, view to);
  // The legal ones that were never taken, one a line.
  [[nodiscard]] std::string missing() const;
  // One row an event: from>to with its count.
  void print(std::ostream& out) const;
  // How many direct ones there are, each of which has to be taken.
  [[nodiscard]] static std::size_t required();

 private:
  static constexpr std::size_t cell(view from, event e, view to) {
    return (static_cast<std::size_t>(e) * view_count + static_cast<std::size_t>(from)) * view_count +
           static_cast<std::size_t>(to);
  }
  [[nodiscard]] std::uint64_t at(view from, event e, view to) const { return counts_[cell(from, e, to)]; }

  std::array<std::uint64_t, event_count * view_count * view_count> counts_{};
};

}  // namespace simulation
