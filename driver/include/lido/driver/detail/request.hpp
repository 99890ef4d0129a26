// A statement with its parameters, encoded and owned: nothing of the caller's is touched once it is built (contract I26).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

// Parameters in the layout of Bind: for each an int32 length (-1 is NULL) and that many bytes. Types and formats travel beside them.
class request {
 public:
  request() = default;
  explicit request(std::string_view sql) : sql_(sql) {}

  const std::string& sql() const noexcept { return sql_; }
  const std::string& values() const noexcept { return values_; }            // length-prefixed values, in order
  const std::vector<std::uint32_t>& types() const noexcept { return types_; }  // type oids, 0 = let the server infer
  const std::vector<bool>& binary() const noexcept { return binary_; }
  std::size_t count() const noexcept { return types_.size(); }
  // errc::not_encodable when a value or the text cannot be sent (NUL in text, too long, more than 65,535 parameters); then nothing is written.
  std::error_code error() const noexcept { return error_; }

  // For codecs. `append` sizes are in bytes.
  std::string& values() noexcept { return values_; }
  void add_type(std::uint32_t oid, bool binary) {
    types_.push_back(oid);
    binary_.push_back(binary);
  }
  void fail(std::error_code ec) noexcept {
    if (!error_) error_ = ec;
  }

 private:
  std::string sql_;
  std::string values_;
  std::vector<std::uint32_t> types_;
  std::vector<bool> binary_;
  std::error_code error_;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
