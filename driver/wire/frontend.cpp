#include "driver/wire/frontend.hpp"

#include "driver/wire/byte_order.hpp"
#include "driver/wire/limits.hpp"

#include <cstdlib>
#include <cstring>

namespace lido::wire {
namespace {

constexpr std::uint32_t ssl_request_code = 80877103;
constexpr std::uint32_t cancel_request_code = 80877102;
constexpr std::uint16_t binary_format = 1;

// Room for one message at the end of a buffer, filled from front to back. The size is computed before and checked to
// have been used up.
class message {
 public:
  // `size` counts the length field and the body, not the type byte.
  message(std::string& out, std::size_t size) : message(out, size, 0, 0) { put_u32(static_cast<std::uint32_t>(size)); }
  // `more`: bytes that follow the message, room for which is made at once.
  message(std::string& out, char type, std::size_t size, std::size_t more = 0) : message(out, size, 1 + more, 0) {
    *at_++ = type;
    put_u32(static_cast<std::uint32_t>(size));
  }

  void put_u16(std::uint16_t value) noexcept { at_ = store_u16(at_, value); }
  void put_u32(std::uint32_t value) noexcept { at_ = store_u32(at_, value); }
  void put_char(char value) noexcept { *at_++ = value; }
  void put_bytes(std::string_view bytes) noexcept {
    if (bytes.empty()) return;  // memcpy takes no null pointer, not even for nothing
    std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  void put_text(std::string_view text) noexcept {
    put_bytes(text);
    *at_++ = '\0';
  }

 private:
  // A length that wraps would let data be read as messages (C14). Callers have refused such requests long before;
  // should one have failed to, stopping here is the only safe answer.
  message(std::string& out, std::size_t size, std::size_t beside, int /*tag*/) {
    if (size > max_outgoing_message) std::abort();
    const std::size_t old_size = out.size();
    out.resize(old_size + beside + size);
    at_ = out.data() + old_size;
  }

  char* at_ = nullptr;
};

void append_text_message(std::string& out, char type, std::string_view text) {
  message to{out, type, 4 + text.size() + 1};
  to.put_text(text);
}

// 'D' and 'C' name a statement ('S') or a portal ('P').
void append_target_message(std::string& out, char type, char kind, std::string_view name) {
  message to{out, type, 4 + 1 + name.size() + 1};
  to.put_char(kind);
  to.put_text(name);
}

// Format codes of Bind: none (all text), one for all, or one each.
std::size_t format_count(const detail::request::format_list& binary) noexcept {
  if (binary.empty()) return 0;
  const bool first = binary[0];
  for (std::size_t i = 1; i < binary.size(); ++i) {
    if (binary[i] != first) return binary.size();
  }
  return first ? 1 : 0;
}

}  // namespace

void append_ssl_request(std::string& out) {
  message to{out, 8};
  to.put_u32(ssl_request_code);
}

void append_startup(std::string& out, std::span<const std::pair<std::string_view, std::string_view>> parameters,
                    std::uint32_t version) {
  std::size_t size = 4 + 4 + 1;
  for (const auto& [name, value] : parameters) size += name.size() + value.size() + 2;
  message to{out, size};
  to.put_u32(version);
  for (const auto& [name, value] : parameters) {
    to.put_text(name);
    to.put_text(value);
  }
  to.put_char('\0');
}

void append_password(std::string& out, std::string_view password) { append_text_message(out, 'p', password); }

void append_sasl_initial(std::string& out, std::string_view mechanism, std::string_view data) {
  message to{out, 'p', 4 + mechanism.size() + 1 + 4 + data.size()};
  to.put_text(mechanism);
  to.put_u32(static_cast<std::uint32_t>(data.size()));
  to.put_bytes(data);
}

void append_sasl_response(std::string& out, std::string_view data) {
  message to{out, 'p', 4 + data.size()};
  to.put_bytes(data);
}

void append_query(std::string& out, std::string_view sql) { append_text_message(out, 'Q', sql); }

void append_parse(std::string& out, std::string_view name, const detail::request& statement) {
  if (statement.count() > max_parameters) std::abort();  // the count is 16 bits wide: as for lengths (C14)
  message to{out, 'P', 4 + name.size() + 1 + statement.sql().size() + 1 + 2 + 4 * statement.count()};
  to.put_text(name);
  to.put_text(statement.sql());
  to.put_u16(static_cast<std::uint16_t>(statement.count()));
  for (const std::uint32_t oid : statement.types()) to.put_u32(oid);
}

namespace {

constexpr std::string_view execute_all{"E\0\0\0\x09\0\0\0\0\0", 10};
constexpr std::string_view sync{"S\0\0\0\x04", 5};
constexpr std::string_view execute_all_and_sync{"E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04", 15};

[[gnu::hot]] message put_bind(std::string& out, std::string_view statement_name, const detail::request& arguments,
                              std::size_t more) {
  if (arguments.count() > max_parameters) std::abort();
  const std::size_t formats = format_count(arguments.binary());
  message to{out, 'B', 4 + 1 + statement_name.size() + 1 + 2 + 2 * formats + 2 + arguments.values().size() + 4, more};
  to.put_char('\0');  // the unnamed portal
  to.put_text(statement_name);
  to.put_u16(static_cast<std::uint16_t>(formats));
  for (std::size_t i = 0; i < formats; ++i) to.put_u16(arguments.binary()[i] ? binary_format : 0);
  to.put_u16(static_cast<std::uint16_t>(arguments.count()));
  to.put_bytes(arguments.values());
  to.put_u16(1);  // one format code, for all columns
  to.put_u16(binary_format);
  return to;
}

}  // namespace

void append_bind(std::string& out, std::string_view statement_name, const detail::request& arguments) {
  put_bind(out, statement_name, arguments, 0);
}

void append_run(std::string& out, std::string_view statement_name, const detail::request& arguments) {
  put_bind(out, statement_name, arguments, execute_all_and_sync.size()).put_bytes(execute_all_and_sync);
}

std::string bind_front(std::string_view statement_name, const detail::request& types) {
  if (types.count() > max_parameters) std::abort();
  const std::size_t formats = format_count(types.binary());
  std::string out(1 + statement_name.size() + 1 + 2 + 2 * formats + 2, '\0');
  char* at = out.data() + 1;  // behind the unnamed portal
  if (!statement_name.empty()) std::memcpy(at, statement_name.data(), statement_name.size());
  at = store_u16(at + statement_name.size() + 1, static_cast<std::uint16_t>(formats));
  for (std::size_t i = 0; i < formats; ++i) at = store_u16(at, types.binary()[i] ? binary_format : 0);
  store_u16(at, static_cast<std::uint16_t>(types.count()));
  return out;
}

void append_describe_statement(std::string& out, std::string_view name) { append_target_message(out, 'D', 'S', name); }

void append_describe_portal(std::string& out) { append_target_message(out, 'D', 'P', {}); }

void append_execute(std::string& out) { out += execute_all; }

void append_execute_some(std::string& out, std::uint32_t most_rows) {
  message to{out, 'E', 4 + 1 + 4};
  to.put_char('\0');
  to.put_u32(most_rows);
}

void append_flush(std::string& out) { message{out, 'H', 4}; }

void append_close_statement(std::string& out, std::string_view name) { append_target_message(out, 'C', 'S', name); }

void append_sync(std::string& out) { out += sync; }

void append_copy_done(std::string& out) { message{out, 'c', 4}; }

void append_copy_fail(std::string& out, std::string_view reason) { append_text_message(out, 'f', reason); }

void append_terminate(std::string& out) { message{out, 'X', 4}; }

void append_cancel_request(std::string& out, std::uint32_t process_id, std::string_view secret) {
  message to{out, 12 + secret.size()};
  to.put_u32(cancel_request_code);
  to.put_u32(process_id);
  to.put_bytes(secret);
}

}  // namespace lido::wire
