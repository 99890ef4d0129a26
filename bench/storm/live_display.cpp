#include "bench/storm/live_display.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <string>

namespace lido::storm {
namespace {

// Asked for each line: people change the size of their windows.
std::size_t columns_of(int descriptor) noexcept {
  winsize size{};
  return ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace

live_display::live_display(int descriptor, bool wanted)
    : descriptor_{descriptor}, on_{wanted && ::isatty(descriptor) == 1} {}

live_display::~live_display() { clear(); }

void live_display::show(std::string_view line) const {
  if (!on_) return;
  const std::string text = "\r\x1b[K" + std::string{cut_to(line, columns_of(descriptor_))};
  // Whether it is seen or not: the next one comes.
  [[maybe_unused]] const auto written = ::write(descriptor_, text.data(), text.size());
}

std::string_view cut_to(std::string_view line, std::size_t columns) noexcept {
  // The last column stays free: some terminals wrap as soon as it is written.
  return columns == 0 ? line : line.substr(0, columns - 1);
}

}  // namespace lido::storm
