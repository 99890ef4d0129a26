// "host=db.example dbname='my app' password=it\'s": libpq's keyword/value form.
#include "driver/config/split.hpp"

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

class keyword_splitter {
 public:
  explicit keyword_splitter(std::string_view dsn) : dsn_(dsn) {}

  std::vector<dsn_setting> split() {
    std::vector<dsn_setting> out;
    for (skip_blanks(); !at_end(); skip_blanks()) out.push_back(setting());
    return out;
  }

 private:
  dsn_setting setting() {
    dsn_setting s;
    s.position = at_ + 1;
    const std::size_t begin = at_;
    while (!at_end() && dsn_[at_] != '=' && !blank()) ++at_;
    s.key.assign(dsn_.substr(begin, at_ - begin));
    skip_blanks();
    // The word is not shown: it may be the rest of a password with an unquoted blank in it.
    if (at_end() || dsn_[at_] != '=')
      throw_dsn_error(begin, "a key without \"=\" behind it; a value with blanks needs '...'");
    ++at_;
    skip_blanks();
    s.value = value();
    return s;
  }

  secret value() {
    secret_text text(dsn_.size());
    const std::size_t begin = at_;
    const bool quoted = !at_end() && dsn_[at_] == '\'';
    if (quoted) ++at_;
    while (!at_end() && !(quoted ? dsn_[at_] == '\'' : blank())) {
      if (dsn_[at_] == '\\') ++at_;
      if (at_end()) break;  // libpq, too, forgets a backslash with nothing behind it
      text += dsn_[at_++];
    }
    if (quoted && at_end()) throw_dsn_error(begin, "a quote that does not end");
    if (quoted) ++at_;
    return secret(text.view());
  }

  bool at_end() const { return at_ == dsn_.size(); }
  bool blank() const { return blanks.find(dsn_[at_]) != std::string_view::npos; }
  void skip_blanks() {
    while (!at_end() && blank()) ++at_;
  }

  std::string_view dsn_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<dsn_setting> split_keywords(std::string_view dsn) { return keyword_splitter(dsn).split(); }

}  // namespace detail
}  // namespace v0
}  // namespace lido
