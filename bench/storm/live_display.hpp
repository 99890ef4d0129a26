// One line of a terminal, drawn again and again.
#pragma once

#include <cstddef>
#include <string_view>

namespace lido::storm {

class live_display {
 public:
  /// Draws on that descriptor when it is a terminal and somebody wants it.
  live_display(int descriptor, bool wanted);
  ~live_display();
  live_display(const live_display&) = delete;
  live_display& operator=(const live_display&) = delete;

  void show(std::string_view line) const;
  void clear() const { show({}); }

 private:
  int descriptor_;
  bool on_;
};

/// As much of it as a terminal of so many columns shows in one row: a longer one would wrap, and only its last row be
/// drawn over. 0 columns: a terminal that does not say.
[[nodiscard]] std::string_view cut_to(std::string_view line, std::size_t columns) noexcept;

}  // namespace lido::storm
