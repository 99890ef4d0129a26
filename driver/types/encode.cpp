#include <lido/driver/encode.hpp>
#include <lido/driver/error.hpp>

#include <cstring>

namespace lido {
inline namespace v0 {
namespace detail {

const request::content& request::nothing() noexcept {
  static const content empty;
  return empty;
}

const type_uses& request::all_uses() const noexcept {
  static const type_uses none;
  return has_uses() ? *all().rare->uses : none;
}

void request::add_named_type(const type_ref& type) {
  type_use use;
  use.what = type;
  use.parameter = true;
  use.where = count();
  uses().push_back(use);
}

void request::set_number(const type_use& use, std::uint32_t number) {
  if (use.parameter) {
    own().types.set(use.where, number);
  } else {
    const std::uint32_t wire = big_endian(number);
    std::memcpy(own().values.data() + use.where, &wire, sizeof wire);
  }
}

request request::copy() const {
  request out(sql());
  out.values() = values();
  for (std::size_t i = 0; i < count(); ++i) out.add_type(types()[i], binary()[i]);
  if (has_uses()) out.uses() = *all().rare->uses;
  if (error()) out.fail(error());
  return out;
}

request begin_request(std::string_view sql) {
  // A NUL would end the statement on the wire and make the rest the next message's fields (C33).
  if (sql.size() > max_request_bytes || sql.find('\0') != std::string_view::npos) {
    request refused;
    refused.fail(errc::not_encodable);
    return refused;
  }
  return request(sql);
}

std::size_t begin_value(request& out) {
  const std::size_t where = out.values().size();
  value_writer(out.values()).put(std::int32_t{0});
  return where;
}

void end_value(request& out, std::size_t where, bool encoded) {
  std::string& values = out.values();
  const std::size_t begin = where + sizeof(std::int32_t);
  // Shorter than `begin`: the length itself found no room. That everything fits one message is the connection's to
  // check.
  if (!encoded || values.size() < begin) {
    out.fail(errc::not_encodable);
    return;
  }
  const auto length = big_endian(static_cast<std::int32_t>(values.size() - begin));
  std::memcpy(values.data() + where, &length, sizeof length);
}

void add_null(request& out) {
  value_writer writer(out.values());
  writer.put(std::int32_t{-1});
  if (!writer.ok()) out.fail(errc::not_encodable);
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
