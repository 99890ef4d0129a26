// What a lease leaves in its session, as far as the text of its statements and the server's reports show it
// (contract I14), and the statements that undo it. Sans-io.
#pragma once

#include <lido/driver/detail/session_reset.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace lido::session {

// A set of bits.
enum class dirt : std::uint16_t {
  none = 0,
  guc = 1U << 0U,        // SET, set_config()
  role = 1U << 1U,       // SET ROLE, SET SESSION AUTHORIZATION
  temp = 1U << 2U,       // temporary tables, views, sequences, functions
  listen = 1U << 3U,     // LISTEN
  advisory = 1U << 4U,   // advisory locks of the session
  cursor = 1U << 5U,     // DECLARE ... WITH HOLD
  prepared = 1U << 6U,   // PREPARE
  sequence = 1U << 7U,   // nextval(), setval(): what currval() and lastval() answer
  unknown = 1U << 8U,    // DO, CALL, text that is run as a statement, a keyword we do not know: DISCARD ALL
  lasting = 1U << 9U,    // LOAD, dblink_connect(), setseed(): what not even DISCARD ALL undoes
  forgets = 1U << 10U,   // DEALLOCATE, DISCARD: prepared statements of our own may be gone. No stain
  timeouts = 1U << 11U,  // statement_timeout is named: the user minds it. No stain
  rewinds = 1U << 12U,   // ROLLBACK, also to a savepoint: a SET from before may be undone. No stain
};

constexpr dirt operator|(dirt a, dirt b) noexcept {
  return static_cast<dirt>(static_cast<std::uint16_t>(a) | static_cast<std::uint16_t>(b));
}
constexpr dirt operator&(dirt a, dirt b) noexcept {
  return static_cast<dirt>(static_cast<std::uint16_t>(a) & static_cast<std::uint16_t>(b));
}
constexpr dirt operator~(dirt a) noexcept { return static_cast<dirt>(~static_cast<std::uint16_t>(a)); }
constexpr dirt& operator|=(dirt& a, dirt b) noexcept { return a = a | b; }
constexpr bool any(dirt d) noexcept { return d != dirt::none; }

inline constexpr dirt stains = static_cast<dirt>((1U << 10U) - 1);

// What running this text may leave behind, whether it succeeds or not: an advisory lock survives the statement's error.
// Reads the whole text once; allocates nothing. See docs/reset.md for what no text shows.
dirt dirt_of(std::string_view sql) noexcept;

using detail::session_reset;

// The state that leases leave behind, one lease after the other.
class leftovers {
 public:
  // A statement goes out.
  void sent(dirt d) noexcept { seen_ |= d; }
  // A command of it ended.
  void ended(std::string_view tag) noexcept {
    if (any(seen_ & dirt::forgets)) [[unlikely]]
      discarded(tag);
  }
  // What was left so far is the pool's own set-up: it stays, and a reset that would undo it is impossible.
  void keep() noexcept;
  void was_reset(session_reset how) noexcept;

  // No transaction is open: what only one of them held is over.
  void transaction_over() noexcept {
    if (!dirty()) seen_ = seen_ & ~dirt::timeouts;
  }

  dirt seen() const noexcept { return seen_; }
  bool dirty() const noexcept { return any(seen_ & stains); }

  // `also`: what is known from elsewhere (a reported parameter that differs). `all`: DISCARD ALL whatever was seen.
  session_reset kind(dirt also, bool all) const noexcept;
  // The simple query for it; empty for none and impossible.
  std::string statements(dirt also, bool all) const;

 private:
  void discarded(std::string_view tag) noexcept;

  dirt seen_ = dirt::none;
  dirt kept_ = dirt::none;
};

}  // namespace lido::session
