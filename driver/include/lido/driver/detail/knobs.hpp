// Knobs by name: one table drives the TOML file, the environment, the DSN, the listing of what is in force, and the
// reference page with its JSON schema; for connections here and for pools on top. An error names the place, the knob
// and what it expects; what was given is never shown, since it may be a password or a piece of one.
//
// A row is made with knob_rows.hpp.
#pragma once

#include <lido/driver/config.hpp>
#include <lido/driver/knob_class.hpp>
#include <lido/driver/secret.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

enum class knob_kind : std::uint8_t { text, file, flag, count, bytes, ratio, duration, choice, list };

// What a row says of a knob, whatever struct the knob is in.
struct knob_info {
  std::string_view name;
  knob_kind kind = knob_kind::text;
  knob_class applies = knob_class::rolling;
  std::string_view doc;
  std::string_view expects;                   // completes "expects ..."
  std::string_view example;                   // for documentation where the default shows too little
  std::span<const std::string_view> choices;  // kinds choice and list
  double least = 0;                           // bounds, inclusive; of a duration in nanoseconds
  double most = std::numeric_limits<double>::infinity();
  std::string_view env;  // libpq's environment variable of the same meaning
  bool secret = false;   // never shown; may come out of a file (NAME_file, VARIABLE_FILE)
};

template <class Config>
struct knob : knob_info {
  bool (*set)(Config& config, std::string_view text) = nullptr;  // false: not what it expects
  std::string (*get)(const Config& config) = nullptr;            // what set() understands
  double (*number)(const Config& config) = nullptr;              // what the bounds are about; null: nothing

  constexpr bool in_bounds(const Config& c) const {
    if (number == nullptr) return true;
    const double n = number(c);
    return n >= least && n <= most;  // false for NaN
  }
  std::string standard() const { return get(Config{}); }  // the default

  constexpr knob from_env(std::string_view variable) const {
    knob k = *this;
    k.env = variable;
    return k;
  }
  constexpr knob such_as(std::string_view text) const {
    knob k = *this;
    k.example = text;
    return k;
  }
  constexpr knob one_of(std::span<const std::string_view> texts) const {
    knob k = *this;
    k.choices = texts;
    return k;
  }
  constexpr knob kept_secret() const {
    knob k = *this;
    k.secret = true;
    return k;
  }
};

std::span<const knob<connect_config>> connect_knobs() noexcept;
/// Why a parameter of libpq is not here; empty for a name that libpq does not know either.
std::string_view why_not_supported(std::string_view libpq_name) noexcept;
/// Whether a parameter of libpq has no meaning here whatever it says: it is taken and forgotten.
bool has_no_effect(std::string_view libpq_name) noexcept;

/// "500ms", "30s", "1h30m"; a plain number only where it has a unit of old (libpq's seconds).
bool duration_from_text(std::string_view text, std::chrono::nanoseconds& out);
bool seconds_or_duration_from_text(std::string_view text, std::chrono::nanoseconds& out);
/// "16MiB", "64KiB", "1GiB", "1000": bytes.
bool bytes_from_text(std::string_view text, std::size_t& out);
bool count_from_text(std::string_view text, std::size_t& out);
bool ratio_from_text(std::string_view text, double& out);
bool flag_from_text(std::string_view text, bool& out);
/// The other way: the shortest text that reads back as the same.
std::string text_of_duration(std::chrono::nanoseconds t);
std::string text_of_bytes(std::size_t n);
std::string text_of_ratio(double r);

/// The known name that is at most two edits away; empty if there is none.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known);

[[noreturn]] void throw_invalid_config(std::string context);
[[noreturn]] void throw_bad_value(std::string_view where, std::string_view key, std::string_view expects);
/// "must be from 1 to 100000", "must be above 0 and at most 24h".
std::string bounds_in_words(const knob_info& knob);
/// Shows the key only when it is nearly a known one: anything else may be a piece of a password with an unescaped
/// character before it.
[[noreturn]] void throw_unknown_key(std::string_view where, std::string_view key, std::string_view nearest);

/// Sets one knob; false when the table has none of that name.
template <class Config>
bool set_knob(std::span<const knob<Config>> table, Config& config, std::string_view key, std::string_view value,
              std::string_view where, std::string_view prefix = {}) {
  for (const auto& k : table) {
    if (k.name != key) continue;
    // NUL ends a string in the start-up message and makes the rest another parameter (C33).
    if (value.find('\0') != std::string_view::npos || !k.set(config, value)) {
      throw_bad_value(where, std::string(prefix) + std::string(key), k.expects);
    }
    if (!k.in_bounds(config))
      throw_invalid_config(std::string(where) + ": " + std::string(prefix) + std::string(key) + " " +
                           bounds_in_words(k));
    return true;
  }
  return false;
}

/// Throws for the first knob that is out of its bounds.
template <class Config>
void check_bounds(std::span<const knob<Config>> table, const Config& config) {
  for (const auto& k : table) {
    if (!k.in_bounds(config)) throw_invalid_config(std::string(k.name) + " " + bounds_in_words(k));
  }
}

template <class Config>
void add_names(std::span<const knob<Config>> table, std::vector<std::string_view>& out) {
  for (const auto& k : table) out.push_back(k.name);
}

/// One `key = value` of a DSN, or of another place with the same keys. Values are secrets until somebody knows better.
struct dsn_setting {
  std::string key;
  secret value;
  std::size_t position = 0;  // of the key, from 1
  std::string where;         // empty: the DSN, at that position
};
/// Splits either form of a DSN exactly as libpq does; throws lido::error for what is neither. A key is there once, with
/// its last value.
std::vector<dsn_setting> split_dsn(std::string_view dsn);
std::string place_of(const dsn_setting& s);
/// host, hostaddr and port, which have to fit each other and come from anywhere, one after the other: each is kept with
/// its last value, and they are put together when all are known.
class host_settings {
 public:
  /// False: another key. Throws for a value that is none for itself.
  bool set(std::string_view key, std::string_view value, std::string_view where);
  /// Throws when the lists are not of one length.
  void apply(connect_config& config) const;

 private:
  struct entry {
    std::string value;
    std::string where;
    bool given = false;
    [[nodiscard]] std::size_t size() const noexcept;
  };
  [[noreturn]] static void throw_misfit(const entry& which, std::string_view what, const entry& than,
                                        std::string_view of);
  entry host_;
  entry address_;
  entry port_;
};

/// Sets one; throws for a key that is unknown or does not go together with Lido. The hosts are only kept.
void apply_setting(connect_config& config, host_settings& hosts, const dsn_setting& s, std::string_view before = {});
/// All of them.
void apply_settings(connect_config& config, const std::vector<dsn_setting>& all);
/// Whether they give an address and no name: then there is none, and not "localhost" (C24).
bool names_no_host(const std::vector<dsn_setting>& all);
/// Takes the default name away again.
void clear_default_host(connect_config& config);
/// Keeps the last setting of each key.
void keep_last_of_each(std::vector<dsn_setting>& all);

/// The servers, with nothing left to be filled in from elsewhere: at least one.
std::vector<host_entry> hosts_of(const connect_config& config);
bool is_unix_socket(const host_entry& host) noexcept;

}  // namespace detail

/// Throws lido::error (errc::invalid_config) when the fields together make no sense or are not safe, and says what to
/// do (reliability S1).
void validate(const connect_config& config);

}  // namespace v0
}  // namespace lido
