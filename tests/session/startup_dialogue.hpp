// A startup machine fed with bytes as a connection would: cut into frames by the phase the machine is in.
#pragma once

#include "driver/session/startup.hpp"
#include "driver/wire/frame.hpp"
#include "tests/session/startup_server.hpp"

#include <lido/driver/config.hpp>
#include <lido/driver/error.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace lido::startup_test {

using session::startup;
using action = session::startup::action;

inline connect_config config_with(std::string_view password) {
  connect_config config;
  config.user = "app";
  config.database = "shop";
  config.password = secret(password);
  return config;
}

class dialogue {
 public:
  explicit dialogue(connect_config config, session::channel_security security = session::channel_security::tls_verified)
      : config_(std::move(config)), machine(config_, security), first(machine.begin()) {}
  dialogue(connect_config config, session::channel_security security, std::string digest, std::string why_not = {})
      : config_(std::move(config)),
        machine(config_, security, session::login{config_.password, std::move(digest), std::move(why_not)}),
        first(machine.begin()) {}

  // Feeds whole frames until one asks for more than reading. A header that is refused is a failure with its error.
  action receive(std::string_view bytes) {
    action last = action::read;
    while (!bytes.empty()) {
      const wire::frame_result frame = wire::next_frame(bytes, machine.phase(), {});
      if (frame.status != wire::frame_status::complete) {
        frame_error = frame.error;
        return action::fail;
      }
      last = machine.on_frame(frame.value);
      bytes.remove_prefix(frame.size);
      if (last == action::fail) return last;
    }
    return last;
  }

  std::error_code error() const { return frame_error ? frame_error : machine.error(); }

  // SCRAM up to the client's proof, which the server accepts.
  void prove(scram_server& server) { prove(server, sasl({"SCRAM-SHA-256"})); }
  void prove(scram_server& server, const std::string& request) {
    ASSERT_EQ(receive(request), action::write);
    server.read_initial(machine.output());
    ASSERT_EQ(receive(authentication(11, server.server_first())), action::derive_key);
    ASSERT_EQ(machine.key_derived(derive_salted_password(machine.key_job())), action::write);
    ASSERT_TRUE(server.accepts(machine.output()));
  }

 private:
  connect_config config_;

 public:
  startup machine;
  action first;
  std::error_code frame_error;
};

}  // namespace lido::startup_test
