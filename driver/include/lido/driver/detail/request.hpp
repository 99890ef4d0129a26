// A statement with its parameters, encoded and owned: nothing of the caller's is touched once it is built (contract
// I26).
#pragma once

#include <lido/driver/detail/exchange_part.hpp>
#include <lido/driver/detail/recycled.hpp>
#include <lido/driver/value.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

struct pipeline_content;

// Parameters in the layout of Bind: for each an int32 length (-1 is NULL) and that many bytes. Types and formats travel
// beside them. It is passed through several coroutine frames, so it moves as one pointer.
class request {
 public:
  using type_list = short_list<std::uint32_t, 6>;
  using format_list = short_list<bool, 6>;

  request() = default;
  explicit request(std::string_view sql) { own().sql.append(sql); }

  const std::string& sql() const noexcept { return all().sql; }
  const std::string& values() const noexcept { return all().values; }  // length-prefixed values, in order
  const type_list& types() const noexcept { return all().types; }      // type oids, 0 = let the server infer
  const format_list& binary() const noexcept { return all().binary; }
  std::size_t count() const noexcept { return all().types.size(); }
  // errc::not_encodable when a value or the text cannot be sent (NUL in text, too long, more than 65,535 parameters);
  // then nothing is written.
  std::error_code error() const noexcept { return all().error; }

  // For codecs. `append` sizes are in bytes.
  std::string& values() { return own().values; }
  [[gnu::always_inline]] void add_type(std::uint32_t oid, bool binary) {
    own().types.push_back(oid);
    own().binary.push_back(binary);
  }
  // One step of a stream or a COPY; null for everything else.
  exchange_part* part() const noexcept { return all().rare ? all().rare->part.get() : nullptr; }
  void set_part(exchange_part what) { own_rare().part = std::make_unique<exchange_part>(std::move(what)); }
  // Named types: where their numbers belong. Sent before resolve() has filled them in, the request fails.
  bool has_uses() const noexcept { return all().rare && all().rare->uses; }
  type_uses& uses() {
    auto& all = own_rare().uses;
    if (!all) all = std::make_unique<type_uses>();
    return *all;
  }
  const type_uses& all_uses() const noexcept;
  void add_named_type(const type_ref& type);  // right before add_type()
  void set_number(const type_use& use, std::uint32_t number);
  request copy() const;
  // Many statements instead of one; then there is no text here.
  std::shared_ptr<pipeline_content> pipeline() const noexcept { return is_pipeline() ? all().rare->pipeline : nullptr; }
  bool is_pipeline() const noexcept { return all().rare && all().rare->pipeline; }
  void carry(std::shared_ptr<pipeline_content> many) { own_rare().pipeline = std::move(many); }
  void fail(std::error_code ec) {
    if (!own().error) own().error = ec;
  }

 private:
  // What nearly no request has, out of the way of those that all have.
  struct rarity {
    std::unique_ptr<exchange_part> part;
    std::unique_ptr<type_uses> uses;  // null: all types have their numbers
    std::shared_ptr<pipeline_content> pipeline;
  };
  struct content {
    std::string sql;
    std::string values;
    type_list types;
    format_list binary;
    std::error_code error;
    std::unique_ptr<rarity> rare;
  };

  const content& all() const noexcept {
    if (content_) [[likely]]
      return *content_;
    return nothing();
  }
  static const content& nothing() noexcept;
  // Nine calls a query, most of them with a content: only the first one is a call.
  [[gnu::always_inline]] content& own() {
    if (!content_) [[unlikely]]
      begin();
    return *content_;
  }
  rarity& own_rare() {
    if (!own().rare) own().rare = std::make_unique<rarity>();
    return *own().rare;
  }
  [[gnu::noinline, gnu::hot]] void begin() { content_ = make_recycled<content>(); }

  recycled_ptr<content> content_;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
