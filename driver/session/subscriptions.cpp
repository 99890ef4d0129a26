#include "driver/session/subscriptions.hpp"

#include <utility>

namespace lido::session {

std::string quoted_name(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out += '"';
}

bool subscriptions::leave(std::string_view channel) {
  const auto found = wanted_.find(channel);
  if (found == wanted_.end()) return false;
  wanted_.erase(found);
  return true;
}

std::string subscriptions::listen_to_all() const {
  std::string text;
  for (const std::string& channel : wanted_) text += (text.empty() ? "LISTEN " : "; LISTEN ") + quoted_name(channel);
  return text;
}

// What is dropped is older than all that is left: to be said first. A gap among it has nothing left on its other side.
void subscriptions::drop_oldest() {
  const event& oldest = events_.front();
  bytes_ -= size_of(oldest);
  if (oldest.what == kind::gap) {
    gap_ = true;
  } else {
    ++dropped_;
  }
  events_.pop_front();
}

void subscriptions::received(std::string_view channel, std::string_view payload, int process_id) {
  if (!wanted_.contains(channel)) return;  // one that was on its way when it was no longer wanted
  events_.push_back({kind::notification, std::string(channel), std::string(payload), process_id, 0});
  bytes_ += size_of(events_.back());
  while (!events_.empty() && (events_.size() > max_events_ || bytes_ > max_bytes_)) drop_oldest();
}

void subscriptions::subscribed_again() {
  if (!std::exchange(was_lost_, false)) return;
  if (!events_.empty() && events_.back().what == kind::gap) return;  // nothing came since the last one
  events_.push_back({kind::gap, {}, {}, 0, 0});
  bytes_ += size_of(events_.back());
  while (events_.size() > max_events_ && events_.size() > 1) drop_oldest();
}

std::optional<subscriptions::event> subscriptions::next() {
  if (dropped_ > 0) return event{kind::overflow, {}, {}, 0, std::exchange(dropped_, 0)};
  if (std::exchange(gap_, false)) return event{kind::gap, {}, {}, 0, 0};
  if (events_.empty()) return std::nullopt;
  bytes_ -= size_of(events_.front());
  event first = std::move(events_.front());
  events_.pop_front();
  return first;
}

}  // namespace lido::session
