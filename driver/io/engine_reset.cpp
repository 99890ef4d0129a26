// What a lease left in its session, undone before the next one (contract I14): what session::leftovers decides,
// performed.
#include "driver/io/engine.hpp"

#include <utility>

namespace lido::io {

using detail::lock;
using detail::session_reset;
using session::dirt;

// What the server's own reports show, whatever it was that changed them.
dirt engine::reported() const {
  if (!protocol_.text_is_safe()) return dirt::unknown;
  if (!protocol_.parameters_moved()) return dirt::none;
  const bool another_role = protocol_.has_moved("session_authorization") || protocol_.has_moved("is_superuser");
  return another_role ? dirt::guc | dirt::role : dirt::guc;
}

// A statement that goes out now.
void engine::note(dirt left) {
  leftovers_.sent(left);
  if (any(left & (dirt::rewinds | dirt::timeouts))) [[unlikely]]
    server_timeout_.rewound();
}

session_reset engine::reset(bool all, time_point deadline, std::function<void(std::error_code, bool)> done) {
  aftermath after;
  session_reset kind = session_reset::none;
  {
    const lock guard(mutex_);
    kind = leftovers_.kind(reported(), all);
    if (kind == session_reset::none || kind == session_reset::impossible) return kind;
    if (link_ != link_state::open || traffic_ != traffic::none || settle_.active()) {
      const std::error_code ec = link_ == link_state::open ? make_error_code(errc::connection_busy) : end_;
      after.calls.emplace_back([done = std::move(done), ec] { done(ec, false); });
    } else {
      if (kind == session_reset::discard_all || any(leftovers_.seen() & dirt::prepared)) cache_.clear();
      job_ = internal_job{leftovers_.statements(reported(), all), deadline, std::move(done), {}, kind};
      launch_internal(after);
    }
  }
  after.run_from_user();
  return kind;
}

// A parameter that still differs now was changed by somebody else, the server's administrator for one.
void engine::was_reset(session_reset how) {
  if (how == session_reset::none) return;
  leftovers_.was_reset(how);
  protocol_.accept_parameters();
}

void engine::keep_state() noexcept {
  const lock guard(mutex_);
  leftovers_.keep();
  protocol_.accept_parameters();
  if (link_ == link_state::open) publish();
}

}  // namespace lido::io
