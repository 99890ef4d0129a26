// The fields of ErrorResponse and NoticeResponse: server text, kept within bounds.
#include "driver/wire/backend.hpp"
#include "driver/wire/byte_reader.hpp"
#include "driver/wire/limits.hpp"

#include <algorithm>
#include <cstddef>

namespace lido::wire {
namespace {

constexpr std::size_t max_name_bytes = 512;  // identifiers, numbers, the SQLSTATE
constexpr std::size_t name_fields = 12;
constexpr std::size_t max_text_bytes =
    max_diagnostic_bytes - name_fields * max_name_bytes;  // message, detail, hint, context together

// The first `most` bytes, without the start of a character whose rest is cut off.
std::string_view capped(std::string_view text, std::size_t most) noexcept {
  if (text.size() <= most) return text;
  std::size_t end = most;
  for (int back = 0; back < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U; ++back) --end;
  return text.substr(0, end);
}

std::string* name_field(diagnostics& out, char code) noexcept {
  switch (code) {
    case 'C': return &out.sqlstate;
    case 'P': return &out.position;
    case 's': return &out.schema;
    case 't': return &out.table;
    case 'c': return &out.column;
    case 'd': return &out.datatype;
    case 'n': return &out.constraint;
    case 'p': return &out.internal_position;
    case 'F': return &out.file;
    case 'L': return &out.line;
    case 'R': return &out.routine;
    default: return nullptr;
  }
}

std::string* text_field(diagnostics& out, char code) noexcept {
  switch (code) {
    case 'M': return &out.message;
    case 'D': return &out.detail;
    case 'H': return &out.hint;
    case 'W': return &out.where;
    case 'q': return &out.internal_query;
    default: return nullptr;
  }
}

class field_store {
 public:
  explicit field_store(diagnostics& out) noexcept : out_(out) {}

  void add(char code, std::string_view text) {
    if (code == 'V' && severity_.empty()) {
      severity_ = text;
    } else if (code == 'S' && localised_severity_.empty()) {
      localised_severity_ = text;
    } else if (std::string* const name = name_field(out_, code); name != nullptr && name->empty()) {
      *name = capped(text, max_name_bytes);
    } else if (std::string* const long_text = text_field(out_, code); long_text != nullptr && long_text->empty()) {
      *long_text = capped(text, text_budget_);
      text_budget_ -= long_text->size();
    }
  }

  void finish() {
    // S is in the server's language; it serves only where V is missing.
    out_.severity = capped(severity_.empty() ? localised_severity_ : severity_, max_name_bytes);
    out_.sqlstate = sqlstate_kept() ? "00000" : sqlstate_of(make_sqlstate(out_.sqlstate));
  }

 private:
  // 00000 is what a plain NOTICE carries; on an error it would read as success.
  bool sqlstate_kept() const noexcept {
    const std::string& severity = out_.severity;
    return out_.sqlstate == "00000" && (severity == "NOTICE" || severity == "WARNING" || severity == "INFO" ||
                                        severity == "LOG" || severity == "DEBUG");
  }

  diagnostics& out_;
  std::string_view severity_;
  std::string_view localised_severity_;
  std::size_t text_budget_ = max_text_bytes;
};

}  // namespace

std::optional<diagnostics> parse_diagnostics(std::string_view body) {
  diagnostics out;
  field_store fields{out};
  byte_reader in{body};
  while (in.remaining() > 0) {
    const char code = static_cast<char>(in.u8());
    if (code == '\0') break;
    fields.add(code, in.text());
  }
  if (!in.complete()) return std::nullopt;
  fields.finish();
  return out;
}

}  // namespace lido::wire
