#include "pool/tag_table.hpp"

#include <algorithm>

namespace lido::inline v0::stats {

namespace {

// It becomes a label of metrics and a word in log lines (S13).
bool is_label(std::string_view name) noexcept {
  return name.size() <= tag_table::longest &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
}

}  // namespace

tag_table::tag_table(std::size_t most) : most_(most) {
  entries_.reserve(most + 2);
  entries_.push_back(std::make_unique<entry>(""));
  entries_.push_back(std::make_unique<entry>("other"));
}

std::uint16_t tag_table::intern(std::string_view name) noexcept try {
  if (name.empty()) return none;
  const detail::lock guard(mutex_);
  for (std::size_t i = other; i < entries_.size(); ++i) {
    if (entries_[i]->name == name) return static_cast<std::uint16_t>(i);
  }
  return entries_.size() < most_ + 2 && is_label(name) ? add(name) : other;
} catch (...) {  // no memory: it is counted all the same
  return other;
}

std::uint16_t tag_table::add(std::string_view name) {
  entries_.push_back(std::make_unique<entry>(name));
  return static_cast<std::uint16_t>(entries_.size() - 1);
}

std::vector<tag_stats> tag_table::snapshot() const {
  std::vector<tag_stats> all;
  const detail::lock guard(mutex_);
  const auto take = [&all](const entry& e) {
    all.push_back({e.name, e.failures.load(std::memory_order_relaxed), e.wait.snapshot(), e.hold.snapshot()});
  };
  for (std::size_t i = other + std::size_t{1}; i < entries_.size(); ++i) take(*entries_[i]);
  const entry& rest = *entries_[other];
  if (rest.wait.snapshot().count() + rest.failures.load(std::memory_order_relaxed) > 0) take(rest);
  return all;
}

}  // namespace lido::inline v0::stats
