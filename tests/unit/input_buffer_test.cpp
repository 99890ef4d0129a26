// How much a session reads at a time: it follows what comes.
#include "driver/io/input_buffer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace lido::io {
namespace {

// One receive, as the engine does it; all but `cut` bytes of it are processed. The room that it had.
std::size_t receive(input_buffer& in, std::size_t available, std::size_t cut = 0) {
  in.make_room();
  const std::size_t room = in.room().size();
  const std::size_t came = std::min(available, room);
  std::memset(in.room().data(), 'x', came);
  in.commit(came);
  in.consume(in.data().size() - cut);
  if (came == room) in.was_filled();
  return room;
}

constexpr std::size_t plenty = 1U << 20;

TEST(input_buffer, a_filled_one_doubles_up_to_64_kib_whether_or_not_a_frame_is_cut) {
  for (const std::size_t cut : {0U, 37U}) {
    input_buffer in;
    EXPECT_EQ(receive(in, plenty, cut), 4096U);
    EXPECT_GT(receive(in, plenty, cut), 8000U);
    EXPECT_GT(receive(in, plenty, cut), 16'000U);
    for (int i = 0; i < 10; ++i) receive(in, plenty, cut);
    const std::size_t room = receive(in, plenty, cut);
    EXPECT_GT(room, 65'000U);
    EXPECT_LE(room, 65'536U);
  }
}

TEST(input_buffer, a_cut_frame_is_kept_when_the_buffer_grows) {
  input_buffer in;
  in.make_room();
  const std::string came = std::string(4000, 'a') + std::string(96, 'b');
  ASSERT_EQ(in.room().size(), came.size());
  std::memcpy(in.room().data(), came.data(), came.size());
  in.commit(came.size());
  in.consume(4000);
  in.was_filled();
  in.make_room();
  EXPECT_EQ(in.data(), std::string(96, 'b'));
}

TEST(input_buffer, a_frame_that_is_larger_than_the_buffer_finds_room) {
  input_buffer in;
  for (int i = 0; i < 100; ++i) receive(in, 4096, in.data().size() + 4096);
  EXPECT_EQ(in.data().size(), 100U * 4096);
}

TEST(input_buffer, small_answers_give_the_memory_back) {
  input_buffer in;
  for (int i = 0; i < 10; ++i) receive(in, plenty);
  ASSERT_GT(receive(in, 100), 60'000U);
  for (int i = 0; i < 100; ++i) receive(in, 100);
  EXPECT_EQ(receive(in, 100), 4096U);
}

TEST(input_buffer, memory_for_one_huge_frame_is_given_back_at_once) {
  input_buffer in;
  for (int i = 0; i < 100; ++i) receive(in, 4096, in.data().size() + 4096);
  in.consume(in.data().size());
  EXPECT_EQ(receive(in, 100), 4096U);
}

}  // namespace
}  // namespace lido::io
