// LIDO_TEST_CANCEL_CHANNEL = auto, session or request: how the pools of tests cancel that do not care. So the same
// promises are held against both channels.
#pragma once

#include <lido/pool/config.hpp>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace lido::testing {

inline cancel_channel_choice channel_of_tests() {
  const char* const set = std::getenv("LIDO_TEST_CANCEL_CHANNEL");
  const std::string_view wanted = set == nullptr ? std::string_view() : set;
  if (wanted.empty()) return pool_config{}.cancel.channel;
  if (wanted == "auto") return cancel_channel_choice::automatic;
  if (wanted == "session") return cancel_channel_choice::session;
  if (wanted == "request") return cancel_channel_choice::request;
  throw std::runtime_error("LIDO_TEST_CANCEL_CHANNEL is auto, session or request, not " + std::string(wanted));
}

}  // namespace lido::testing
