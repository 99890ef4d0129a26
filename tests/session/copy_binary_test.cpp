// Tuples out of the bytes of a binary COPY, however these are cut; and bytes that are none.
#include <lido/driver/detail/copy_rows.hpp>
#include <lido/driver/error.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace lido::detail {
namespace {

std::string u16(unsigned value) { return {static_cast<char>(value >> 8U), static_cast<char>(value & 255U)}; }
std::string u32(unsigned value) { return u16(value >> 16U) + u16(value & 0xffffU); }

const std::string copy_signature{"PGCOPY\n\377\r\n\0", 11};
const std::string header = copy_signature + u32(0) + u32(0);
const std::string first = u16(2) + u32(4) + "abcd" + u32(0xffffffff);  // a value and a NULL
const std::string second = u16(2) + u32(0) + u32(1) + "x";             // an empty one
const std::string end = u16(0xffff);

// Fed in pieces of so many bytes, read as far as there is something after each.
std::vector<std::string> tuples(std::string_view all, std::size_t piece, std::size_t columns = 2) {
  tuple_source from;
  std::vector<std::string> out;
  for (std::size_t at = 0; at < all.size(); at += piece) {
    from.refill().append(all.substr(at, piece));
    for (std::string_view tuple = from.next(columns); !tuple.empty(); tuple = from.next(columns))
      out.emplace_back(tuple);
  }
  from.end();
  return out;
}

std::error_code error_of(std::string_view all, std::size_t columns = 2) {
  std::error_code ec;
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, all.size() + 1}) {
    try {
      tuples(all, piece, columns);
      ADD_FAILURE() << "taken for a COPY, in pieces of " << piece;
    } catch (const error& said) {
      EXPECT_TRUE(!ec || ec == said.code());
      ec = said.code();
    }
  }
  return ec;
}

TEST(tuple_source, C17_tuples_are_the_same_however_the_bytes_are_cut) {
  const std::string all = header + first + second + first + end;
  for (std::size_t piece = 1; piece <= all.size(); ++piece) {
    EXPECT_EQ(tuples(all, piece), (std::vector<std::string>{first, second, first})) << piece;
  }
  EXPECT_TRUE(tuples(header + end, 1).empty());
  EXPECT_EQ(tuples(header + u16(0) + u16(0) + end, 1, 0).size(), 2U) << "rows without columns are rows";
}

TEST(tuple_source, C17_an_extension_of_the_header_is_passed_over_however_it_is_cut) {
  const std::string extended = copy_signature + u32(0xffff) + u32(5) + std::string("\0\1PGC", 5) + first + end;
  for (std::size_t piece = 1; piece <= extended.size(); ++piece)
    EXPECT_EQ(tuples(extended, piece), std::vector<std::string>{first}) << piece;
}

TEST(tuple_source, C17_every_byte_of_the_signature_counts) {
  for (std::size_t i = 0; i < copy_signature.size(); ++i) {
    std::string bad = header;
    bad.append(first).append(end);
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_EQ(error_of(bad), errc::value_out_of_range) << i;
  }
}

TEST(tuple_source, C17_a_copy_cut_anywhere_is_not_whole) {
  const std::string all = header + first + second + end;
  for (std::size_t size = 0; size < all.size(); ++size) {
    EXPECT_EQ(error_of(all.substr(0, size)), errc::value_out_of_range) << size;
  }
}

TEST(tuple_source, C17_what_no_copy_has_is_refused) {
  EXPECT_EQ(error_of(copy_signature + u32(0x10000) + u32(0) + end), errc::value_out_of_range) << "with oids";
  EXPECT_EQ(error_of(copy_signature + u32(0x80000000) + u32(0) + end), errc::value_out_of_range);
  EXPECT_EQ(error_of(copy_signature + u32(0) + u32(0x40000000)), errc::value_out_of_range) << "a header without end";
  EXPECT_EQ(error_of(header + u16(1) + u32(0) + end), errc::value_out_of_range) << "too few fields";
  EXPECT_EQ(error_of(header + u16(1) + u32(0) + u32(0) + end), errc::value_out_of_range)
      << "too few, with bytes behind";
  EXPECT_EQ(error_of(header + u16(3) + u32(0) + u32(0) + u32(0) + end), errc::value_out_of_range) << "too many";
  EXPECT_EQ(error_of(header + u16(0xfffe) + end), errc::value_out_of_range) << "a negative number of them";
  EXPECT_EQ(error_of(header + u16(2) + u32(0xfffffffe) + u32(0) + end), errc::value_out_of_range)
      << "a negative length";
  EXPECT_EQ(error_of(header + u16(2) + u32(0x40000000)), errc::value_out_of_range)
      << "longer than the server makes any";
  tuple_source early;  // at once, and not when no more bytes come
  early.refill().append(header + u16(2) + u32(0xfffffffe));
  EXPECT_THROW(early.next(2), error);
  EXPECT_EQ(error_of(header + first + end + "x"), errc::value_out_of_range) << "bytes behind the end";
  EXPECT_EQ(error_of(header + first + end + first + end), errc::value_out_of_range);
}

}  // namespace
}  // namespace lido::detail
