// One connect: dial, negotiate, authenticate, under one deadline (contract I5); falls back between plain and TLS where
// sslmode says so, and goes on to the next host as session::host_plan says. Each host is met with nothing left of the
// one before (C8). Performs the actions of transport::dialler and session::startup; what it makes is an engine.
#pragma once

#include "driver/io/input_buffer.hpp"
#include "driver/io/settings.hpp"
#include "driver/session/host_plan.hpp"
#include "driver/session/startup.hpp"
#include "driver/session/target.hpp"
#include "driver/sync.hpp"
#include "driver/transport/dialler.hpp"
#include "driver/transport/helper_task.hpp"

#include <lido/driver/detail/session.hpp>

#include <asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lido::io {

class connector final : public detail::connect_attempt,
                        public detail::deadline_target,
                        public std::enable_shared_from_this<connector> {
 public:
  using handler = std::function<void(detail::connect_result)>;

  connector(asio::any_io_executor executor, std::shared_ptr<const detail::session_settings> settings,
            std::shared_ptr<detail::deadline_queue> deadlines, std::weak_ptr<detail::session_observer> observer,
            handler done, const detail::host_choice& choice,
            std::shared_ptr<const detail::session_peer> beside = nullptr);
  ~connector() override;

  void start();
  void cancel() noexcept override;
  void on_deadline(time_point now) noexcept override;

 private:
  enum class state { dialling, finding_password, starting_up, deriving_key, asking_role, over };
  struct password_found {
    secret password;
    std::string passed_over;  // for a person: what else might have had one
    bool failed = false;      // the provider threw
  };

  // Everything that is waited for belongs to one try of one host: what comes when that is over, is for nobody.
  template <class Step>
  auto of_this_try(Step step) LIDO_REQUIRES(mutex_) {
    return [self = shared_from_this(), number = try_, step](auto&&... arguments) {
      const detail::lock guard(self->mutex_);
      if (self->state_ == state::over || self->try_ != number) return;
      ((*self).*step)(std::forward<decltype(arguments)>(arguments)...);
    };
  }

  void begin_host() LIDO_REQUIRES(mutex_);
  void next_host() LIDO_REQUIRES(mutex_);
  void host_failed(std::error_code ec, diagnostics diag) LIDO_REQUIRES(mutex_);
  void judge_role() LIDO_REQUIRES(mutex_);
  void on_role_answer(session::role_query::step step) LIDO_REQUIRES(mutex_);

  void dial() LIDO_REQUIRES(mutex_);
  void on_dialled(transport::dial_result result) LIDO_REQUIRES(mutex_);
  void find_password(transport::dial_result result) LIDO_REQUIRES(mutex_);
  void on_password(const password_found& found) LIDO_REQUIRES(mutex_);
  void begin_startup(const secret& password) LIDO_REQUIRES(mutex_);
  bool peer_is_required_one() LIDO_REQUIRES(mutex_);
  void perform(session::startup::action action) LIDO_REQUIRES(mutex_);
  void flush() LIDO_REQUIRES(mutex_);
  void on_writable(const std::error_code& ec) LIDO_REQUIRES(mutex_);
  void receive() LIDO_REQUIRES(mutex_);
  void on_received(const std::error_code& ec, std::size_t n) LIDO_REQUIRES(mutex_);
  void process() LIDO_REQUIRES(mutex_);
  void stop_helpers() noexcept LIDO_REQUIRES(mutex_);
  void derive_key() LIDO_REQUIRES(mutex_);
  void on_key(const secret& key) LIDO_REQUIRES(mutex_);
  void attempt_failed(std::error_code ec, diagnostics diag) LIDO_REQUIRES(mutex_);
  bool may_fall_back(std::error_code ec) const LIDO_REQUIRES(mutex_);
  void succeed() LIDO_REQUIRES(mutex_);
  void finish(detail::connect_result result) LIDO_REQUIRES(mutex_);
  std::string where() const LIDO_REQUIRES(mutex_);

  const asio::any_io_executor executor_;
  const std::shared_ptr<const detail::session_settings> settings_;
  const std::shared_ptr<detail::deadline_queue> deadlines_;
  const std::weak_ptr<detail::session_observer> observer_;
  const std::shared_ptr<const detail::session_peer> beside_;  // set: to this server in this way

  detail::mutex mutex_;
  state state_ LIDO_GUARDED_BY(mutex_) = state::dialling;
  handler done_ LIDO_GUARDED_BY(mutex_);
  session::host_plan plan_ LIDO_GUARDED_BY(mutex_);
  unsigned try_ LIDO_GUARDED_BY(mutex_) = 0;
  std::string met_ LIDO_GUARDED_BY(mutex_);          // of several hosts: what each attempt met
  std::error_code failure_ LIDO_GUARDED_BY(mutex_);  // the one to tell of theirs: rather one that may pass
  std::vector<transport::negotiation> attempts_ LIDO_GUARDED_BY(mutex_);  // still to try, the next one last
  std::string earlier_
      LIDO_GUARDED_BY(mutex_);  // what the other way met at this host, before the one that is tried now
  transport::negotiation current_ LIDO_GUARDED_BY(mutex_) = transport::negotiation::tls;
  std::weak_ptr<transport::dialler> dialler_ LIDO_GUARDED_BY(mutex_);  // lives by its own handlers, which hold us
  std::shared_ptr<transport::helper_task<secret>> key_task_ LIDO_GUARDED_BY(mutex_);
  std::shared_ptr<transport::helper_task<password_found>> password_task_ LIDO_GUARDED_BY(mutex_);
  std::string passed_over_ LIDO_GUARDED_BY(mutex_);
  transport::stream stream_ LIDO_GUARDED_BY(mutex_);
  transport::peer peer_ LIDO_GUARDED_BY(mutex_);
  std::optional<session::startup> startup_ LIDO_GUARDED_BY(mutex_);
  std::optional<session::role_query> role_query_ LIDO_GUARDED_BY(mutex_);
  session::standing standing_ LIDO_GUARDED_BY(mutex_);
  input_buffer in_ LIDO_GUARDED_BY(mutex_);
  secret out_ LIDO_GUARDED_BY(mutex_);  // a password may be in it: wiped when it is sent
  std::size_t out_sent_ LIDO_GUARDED_BY(mutex_) = 0;
  time_point deadline_;
  time_point host_deadline_ LIDO_GUARDED_BY(mutex_);  // of the host that is tried now
  detail::deadline_entry deadline_entry_;
};

}  // namespace lido::io
