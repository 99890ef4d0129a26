// The hosts of a pool: what each was last seen to be, which one is the primary, where the next connect should go, and
// whose connections must not be used any more. Time and sightings come in as arguments; answers are sets of hosts.
//
// One primary at a time (F55): connections to two hosts that both claim to be it are never lent side by side. Who is it
// stays it, until it is seen to be something else, a connect that tried it first had to go elsewhere, or another claims
// to be it on a later timeline. A host that claims it on an earlier timeline than was ever seen is an old primary that
// does not know yet: barred until it is seen to follow.
#pragma once

#include "pool/core/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace lido::inline v0::core {

inline constexpr std::size_t most_endpoints = 32;

// A bit for each host.
class endpoint_set {
 public:
  constexpr endpoint_set() = default;
  constexpr explicit endpoint_set(std::uint32_t bits) noexcept : bits_(bits) {}
  constexpr void add(endpoint_id e) noexcept { bits_ |= 1U << e; }
  [[nodiscard]] constexpr bool has(endpoint_id e) const noexcept { return (bits_ >> e & 1U) != 0; }
  [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
  [[nodiscard]] constexpr std::uint32_t bits() const noexcept { return bits_; }
  friend constexpr bool operator==(endpoint_set, endpoint_set) = default;

 private:
  std::uint32_t bits_ = 0;
};

enum class endpoint_role : std::uint8_t { unknown, primary, standby };
enum class endpoint_state : std::uint8_t { unseen, up, down };

// Which servers this pool's connections may be to.
enum class endpoint_wish : std::uint8_t { any, primary, standby };

// What somebody who looked at a host found.
struct sighting {
  endpoint_role role = endpoint_role::unknown;
  std::uint32_t timeline = 0;       // of a primary; 0: not known
  duration lag = duration::zero();  // of a standby: how far what it shows is behind
};

struct endpoint_choice {
  endpoint_id first = no_endpoint;  // to be tried first
  endpoint_set barred;              // not to be tried
};

class endpoints {
 public:
  endpoints(std::size_t hosts, endpoint_wish wish, duration max_lag) noexcept;

  void allow_lag(duration most) noexcept { max_lag_ = most; }

  // For the next connect.
  [[nodiscard]] endpoint_choice choice() const noexcept;

  // Each answers with the hosts whose connections are to be retired, in front of whatever else the event leads to.
  // A connect that went by `asked` ended at `where`.
  endpoint_set connected(endpoint_id where, endpoint_role role, const endpoint_choice& asked) noexcept;
  // A session was told by its server that its role is another now.
  endpoint_set role_changed(endpoint_id where, endpoint_role role) noexcept;
  endpoint_set seen(endpoint_id where, const sighting& what) noexcept;
  void unreachable(endpoint_id where) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] endpoint_id primary() const noexcept { return primary_; }
  [[nodiscard]] endpoint_role role(endpoint_id e) const noexcept { return hosts_[e].role; }
  [[nodiscard]] endpoint_state state(endpoint_id e) const noexcept { return hosts_[e].state; }
  [[nodiscard]] duration lag(endpoint_id e) const noexcept { return hosts_[e].lag; }
  [[nodiscard]] bool barred(endpoint_id e) const noexcept { return choice().barred.has(e); }

 private:
  struct host {
    endpoint_role role = endpoint_role::unknown;
    endpoint_state state = endpoint_state::unseen;
    std::uint32_t timeline = 0;      // as a primary
    duration lag = duration::max();  // not known
  };

  [[nodiscard]] bool outdated(const host& h) const noexcept {
    return h.role == endpoint_role::primary && h.timeline != 0 && h.timeline < newest_timeline_;
  }
  [[nodiscard]] bool unfit(const host& h) const noexcept;
  endpoint_set change(endpoint_id where, endpoint_role role) noexcept;
  endpoint_set claim(endpoint_id where, bool incumbent_failed) noexcept;

  std::array<host, most_endpoints> hosts_{};
  std::size_t size_;
  endpoint_wish wish_;
  duration max_lag_;  // 0: any
  endpoint_id primary_ = no_endpoint;
  std::uint32_t newest_timeline_ = 0;
};

}  // namespace lido::inline v0::core
