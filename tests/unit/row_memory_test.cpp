// The memory of large results, which a thread keeps for the next one.
#include <lido/driver/detail/raw_result.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <thread>

namespace lido::detail {
namespace {

// Rows that can be told apart, so that a lost one shows.
std::string rows_of(std::size_t bytes) {
  std::string rows;
  for (char next = 'a'; rows.size() < bytes; next = next == 'z' ? 'a' : static_cast<char>(next + 1))
    rows.append(100, next);
  return rows;
}
void fill(raw_result& result, std::size_t bytes) {
  const std::string rows = rows_of(bytes);
  for (std::size_t at = 0; at < rows.size(); at += 100) append_rows(result.bytes, rows.data() + at, 100);
}

// Where its rows were.
const char* read_a_large_result() {
  raw_result large;
  fill(large, 100'000);
  return large.bytes.data();
}

// A thread of its own has kept nothing yet.
template <class Work>
void in_a_new_thread(Work work) {
  std::thread(work).join();
}

TEST(row_memory, the_next_large_result_of_a_thread_gets_the_memory_of_the_last_one) {
  in_a_new_thread([] {
    const char* const place = read_a_large_result();
    raw_result second;
    fill(second, 10'000);
    EXPECT_EQ(second.bytes.data(), place);
    EXPECT_EQ(second.bytes, rows_of(10'000)) << "and no byte of it";
  });
}

TEST(row_memory, small_results_leave_it_alone) {
  in_a_new_thread([] {
    const char* const place = read_a_large_result();
    raw_result small;
    fill(small, 1'000);
    EXPECT_NE(small.bytes.data(), place);
    EXPECT_LT(small.bytes.capacity(), least_kept_rows);
  });
}

TEST(row_memory, no_more_than_256_kib_are_kept) {
  in_a_new_thread([] {
    {
      raw_result huge;
      fill(huge, 4U << 20);
    }
    raw_result next;
    fill(next, 10'000);
    EXPECT_LE(next.bytes.capacity(), most_kept_rows);
  });
}

TEST(row_memory, two_results_at_once_have_memory_of_their_own) {
  in_a_new_thread([] {
    read_a_large_result();
    raw_result one;
    raw_result other;
    fill(one, 50'000);
    fill(other, 50'000);
    EXPECT_NE(one.bytes.data(), other.bytes.data());
    EXPECT_EQ(one.bytes, other.bytes);
  });
}

TEST(row_memory, a_result_may_outlive_its_thread) {
  raw_result result;
  in_a_new_thread([&result] { fill(result, 100'000); });
  EXPECT_EQ(result.bytes.size(), 100'000U);
}

// Of static storage: destroyed behind the main thread's spare memory.
raw_result& outliving() {
  static raw_result result;
  return result;
}
TEST(row_memory, a_result_of_static_storage_may_be_destroyed_last) {
  fill(outliving(), 100'000);
  EXPECT_GE(outliving().bytes.capacity(), least_kept_rows);
}

}  // namespace
}  // namespace lido::detail
