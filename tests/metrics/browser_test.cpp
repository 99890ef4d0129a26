// The page in a real browser, while the pool works: what a person would find there.
#include "tests/metrics/storm_world.hpp"
#include "tests/support/files.hpp"
#include "tests/support/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// What tests/metrics/browser.py saw, as its JSON.
std::string look_at(const std::string& url, std::vector<std::string> options) {
  std::vector<std::string> command{"/usr/bin/python3", std::string{LIDO_SOURCE_DIR} + "/tests/metrics/browser.py", url};
  command.insert(command.end(), options.begin(), options.end());
  const auto r = lido::testing::run_process(command, {}, 120s);
  EXPECT_EQ(r.status, 0) << r.errors;
  return r.output;
}

void expect_a_living_page(const std::string& facts) {
  EXPECT_THAT(facts, HasSubstr("\"name\": \"orders\""));
  EXPECT_THAT(facts, HasSubstr("\"ready\": \"ready\""));
  EXPECT_THAT(facts, HasSubstr("\"complaints\": []"));  // its own security policy allows all that it does
  EXPECT_THAT(facts, HasSubstr("\"foreign\": []"));     // nothing is loaded from elsewhere
  EXPECT_THAT(facts, HasSubstr("\"overflow\": 0"));     // no sideways scrolling
  EXPECT_THAT(facts, HasSubstr(" of 8\""));             // in use, of max_size
  EXPECT_THAT(facts, Not(HasSubstr("NaN")));
  EXPECT_THAT(facts, Not(HasSubstr("undefined")));
  for (const char* chart :
       {"Connections by state", "Waiting tasks", "Leases a second", "Acquire: wait for a connection",
        "Hold: lease kept", "Create: new connection", "Slot back after a cancel", "Cancels a second, by outcome",
        "Recoveries a second, by outcome", "Connects a second"}) {
    EXPECT_THAT(facts, HasSubstr("\"label\": \"" + std::string{chart} + ": ")) << "drawn, with its numbers as text";
  }
}

TEST(I23_page, shows_the_running_pool_in_a_real_browser) {
  lido::testing::storm_world world;
  const lido::testing::temporary_folder folder{"lido-page-"};
  const std::string picture = folder.path() / "pools.png";
  const char* const keep = std::getenv("LIDO_KEEP_PICTURE");  // for the docs: the first pool, after a while
  std::vector<std::string> how{"--polls", keep == nullptr ? "4" : "45", "--png", picture};
  if (keep != nullptr) how.insert(how.end(), {"--to", ".pool"});
  const std::string facts = look_at("http://" + world.address() + "/pools", how);
  expect_a_living_page(facts);
  EXPECT_THAT(facts, Not(HasSubstr("\"acquires\": \"0 /s\"")));
  EXPECT_GT(std::filesystem::file_size(picture), 20'000U);
  if (keep != nullptr) std::filesystem::copy(picture, keep);
}

TEST(I23_page, shows_who_holds_what_and_which_hosts_there_are) {
  lido::testing::storm_world world;
  const std::string facts = look_at("http://" + world.address() + "/pools", {"--polls", "4"});
  EXPECT_THAT(facts, HasSubstr("held for |  | state | tag | taken at | backend pid"));
  EXPECT_THAT(facts, HasSubstr("no. 1 | primary, in use as such | up | "));
  EXPECT_THAT(facts, HasSubstr("leased | monthly_report | metrics/storm_world.hpp:"));
}

TEST(I23_page, fits_a_phone_in_the_dark) {
  lido::testing::storm_world world;
  expect_a_living_page(
      look_at("http://" + world.address() + "/pools", {"--polls", "3", "--width", "390", "--height", "844", "--dark"}));
}

}  // namespace
