#include <lido/driver/detail/initiate.hpp>
#include <lido/driver/detail/operation.hpp>

#include <asio/system_executor.hpp>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

// Not to be taken for an acquire that came too late: this one had its connection.
std::string exceeded(op_kind kind, bool was_sent) {
  std::string text = kind == op_kind::begin                              ? "BEGIN"
                     : kind == op_kind::commit                           ? "COMMIT"
                     : kind == op_kind::rollback                         ? "ROLLBACK"
                     : kind == op_kind::query || kind == op_kind::simple ? "query"
                     : kind == op_kind::describe                         ? "describing a statement"
                                                                         : "stream or COPY";
  text += " exceeded its deadline";
  text += was_sent ? ": it was sent, and is being cancelled on the server" : ": it was not sent yet";
  return text;
}

}  // namespace

asio::any_io_executor session_handle::executor_of_none() { return asio::system_executor(); }

op_outcome op_outcome::failed(std::error_code ec, bool outcome_known) {
  op_outcome out;
  out.error = ec;
  out.diag = std::make_unique<diagnostics>();
  out.diag->outcome_known = outcome_known;
  return out;
}

void operation::cancel(asio::cancellation_type type) noexcept {
  using asio::cancellation_type;
  if ((type & cancellation_type::terminal) != cancellation_type::none) {
    finish_early(op_latch::cancelled);
    return;
  }
  // total and partial: gone without trace while unsent; partial is also honoured in flight (contract, table of types)
  op_latch expected = op_latch::unsent;
  if (latch_.compare_exchange_strong(expected, op_latch::cancelled, std::memory_order_acq_rel)) {
    leave();
  } else if ((type & cancellation_type::partial) != cancellation_type::none)
    owner_->soft_cancel(*this);
}

void operation::finish_early(op_latch how) noexcept {
  if (win(how)) leave();
}

void operation::leave() noexcept {
  const op_ptr keep{this};  // the posted handler may run, and drop its reference, before abandon() is done
  const auto owner = owner_;
  post();
  owner->abandon(*this);
}

op_outcome operation::take_outcome() {
  const op_latch how = latch();
  if (how == op_latch::completed) return std::move(outcome);
  // the session may still be writing to `outcome`: it is not touched here
  if (kind == op_kind::commit && was_sent_) return op_outcome::failed(errc::outcome_unknown, false);
  if (how == op_latch::timed_out) {
    op_outcome late = op_outcome::failed(errc::timeout, !was_sent_);
    late.diag->context = exceeded(kind, was_sent_);
    return late;
  }
  return op_outcome::failed(asio::error::operation_aborted, !was_sent_);
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
