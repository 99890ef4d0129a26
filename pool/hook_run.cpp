#include "pool/hook_run.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

// The hook's frame keeps the body, and with it whatever the hook was given, until the hook has really ended.
asio::awaitable<bool> call(hook_body body) { co_return co_await body(); }

std::string words_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

// On a strand: the time-out must not cancel the coroutine while another thread runs it.
class hook_run : public std::enable_shared_from_this<hook_run> {
 public:
  hook_run(const asio::any_io_executor& executor, std::function<void(hook_end, const std::string&)> done)
      : strand_(asio::make_strand(executor)), timer_(strand_), done_(std::move(done)) {}

  void start(std::chrono::nanoseconds patience, hook_body body) {
    asio::post(strand_, [self = shared_from_this(), patience, body = std::move(body)]() mutable {
      self->run(patience, std::move(body));
    });
  }

 private:
  void run(std::chrono::nanoseconds patience, hook_body body) {
    timer_.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(patience));
    timer_.async_wait([self = shared_from_this()](const std::error_code& ec) {
      if (!ec) self->give_up();
    });
    asio::co_spawn(
        strand_, call(std::move(body)),
        asio::bind_cancellation_slot(signal_.slot(), [self = shared_from_this()](std::exception_ptr e, bool yes) {
          if (e) return self->finish(hook_end::failed, words_of(e));
          self->finish(yes ? hook_end::passed : hook_end::vetoed, {});
        }));
  }

  void give_up() {
    finish(hook_end::timed_out, "it took longer than hook_timeout");
    signal_.emit(asio::cancellation_type::terminal);
  }

  void finish(hook_end how, const std::string& words) {
    timer_.cancel();
    if (done_) std::exchange(done_, nullptr)(how, words);
  }

  asio::strand<asio::any_io_executor> strand_;
  asio::steady_timer timer_;
  asio::cancellation_signal signal_;
  std::function<void(hook_end, const std::string&)> done_;
};

}  // namespace

void run_hook(const asio::any_io_executor& executor, std::chrono::nanoseconds patience, hook_body body,
              std::function<void(hook_end, const std::string& words)> done) {
  std::make_shared<hook_run>(executor, std::move(done))->start(patience, std::move(body));
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
