// Channels that somebody listens to, and what came on them and was not taken yet. Sans-io: the owner has the
// connection. What is wanted outlives it: a new one is told of all channels, and whoever takes events hears that some
// may be missing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace lido::session {

// As SQL wants a name: quoted, quotes doubled.
std::string quoted_name(std::string_view name);

class subscriptions {
 public:
  enum class kind : std::uint8_t {
    notification,
    gap,       // there was no connection for a while
    overflow,  // the oldest were dropped, so many
  };
  struct event {
    kind what = kind::notification;
    std::string channel;
    std::string payload;
    int process_id = 0;
    std::uint64_t dropped = 0;
  };

  subscriptions(std::size_t max_events, std::size_t max_bytes) : max_events_(max_events), max_bytes_(max_bytes) {}

  // True when it is new, or no longer wanted.
  bool want(std::string_view channel) { return wanted_.emplace(channel).second; }
  bool leave(std::string_view channel);
  bool wants_any() const noexcept { return !wanted_.empty(); }
  // One message with a LISTEN for each channel; empty: none.
  std::string listen_to_all() const;

  // Beyond its bounds the oldest goes, and is counted.
  void received(std::string_view channel, std::string_view payload, int process_id);
  void connection_lost() noexcept { was_lost_ = wants_any() || was_lost_; }
  // Everything is subscribed again. What was notified in between is lost, if anything was.
  void subscribed_again();
  std::optional<event> next();
  bool any() const noexcept { return gap_ || dropped_ > 0 || !events_.empty(); }
  std::size_t size() const noexcept { return events_.size(); }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  static std::size_t size_of(const event& e) noexcept { return e.channel.size() + e.payload.size() + sizeof(event); }
  void drop_oldest();

  std::set<std::string, std::less<>> wanted_;
  std::deque<event> events_;
  std::size_t max_events_;
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;  // since next() last said so
  bool was_lost_ = false;
  bool gap_ = false;  // one was dropped: to be said before all that is left
};

}  // namespace lido::session
