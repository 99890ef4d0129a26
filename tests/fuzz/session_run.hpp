// A session against whatever bytes a server may send: start-up, then one segment after the other, as the engine drives
// them. The transcript says what the machines made of it, so that two ways of cutting the bytes can be compared.
#pragma once

#include "driver/session/protocol.hpp"
#include "driver/session/startup.hpp"
#include "driver/wire/frame.hpp"

#include <lido/driver/config.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace lido::fuzz {

class session_run {
 public:
  // `mode` chooses what the login wants and whether the statements are extended.
  explicit session_run(unsigned char mode) : mode_(mode) {
    config_.user = "app";
    if (mode % 2 == 0) config_.password = "secret";
    if (mode % 3 == 0) config_.max_protocol_version = protocol_version::v3_2;
    if (mode % 5 == 0)
      config_.require_auth = {auth_method::none, auth_method::password, auth_method::md5, auth_method::scram_sha_256};
    startup_.emplace(config_, session::channel_security::tls_verified,
                     session::login{config_.password, mode % 7 == 0 ? "digest" : "", {}});
    note(static_cast<int>(startup_->begin()));
  }

  void feed(std::string_view bytes) {
    pending_.append(bytes);
    while (!over_) {
      const auto phase = protocol_ ? wire::phase::ready : startup_->phase();
      const auto next = wire::next_frame(pending_, phase, bounds_);
      if (next.status == wire::frame_status::incomplete) return;
      if (next.status == wire::frame_status::violation) return stop('!');
      if (protocol_) {
        on_event(protocol_->on_frame(next.value));
      } else {
        on_action(startup_->on_frame(next.value));
      }
      pending_.erase(0, next.size);
    }
  }

  const std::string& transcript() const { return transcript_; }

 private:
  using action = session::startup::action;

  void note(int what) { transcript_ += static_cast<char>('a' + what); }
  void stop(char why) {
    over_ = true;
    transcript_ += why;
  }

  void on_action(action what) {
    note(static_cast<int>(what));
    switch (what) {
      case action::read:
      case action::write: return;
      case action::derive_key: return on_action(startup_->key_derived(secret(std::string(32, 'k'))));
      case action::fail: return stop('f');
      case action::done: break;
    }
    protocol_.emplace(std::move(startup_->identity().parameters));
    begin();
  }

  void begin() {
    using session::segment;
    constexpr segment order[] = {segment::simple, segment::prepare_and_run, segment::sync};
    protocol_->begin(order[(mode_ + segments_++) % 3]);
    transcript_ += '|';
  }

  void on_event(session::event_kind what) {
    note(static_cast<int>(what));
    switch (what) {
      case session::event_kind::violation:
      case session::event_kind::fatal: return stop('x');
      case session::event_kind::ready:
        if (protocol_->in_doubt() || protocol_->outstanding() != 0) return stop('d');
        return begin();
      default: return;
    }
  }

  unsigned mode_;
  connect_config config_;
  wire::limits bounds_{};
  std::optional<session::startup> startup_;
  std::optional<session::protocol> protocol_;
  unsigned segments_ = 0;
  bool over_ = false;
  std::string pending_;
  std::string transcript_;
};

}  // namespace lido::fuzz
