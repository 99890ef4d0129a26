#include "bench/storm/options.hpp"

#include <charconv>
#include <cmath>
#include <concepts>
#include <functional>
#include <limits>
#include <map>
#include <random>

namespace lido::storm {
namespace {

template <class T>
T parse_number(std::string_view name, std::string_view text, T least, T most) {
  T value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = ec == std::errc{} && end == text.data() + text.size();
  if (!whole || !(value >= least && value <= most)) {
    throw bad_usage(std::string{name} + ": not a number in its range: " + std::string{text});
  }
  return value;
}

void parse_delay(load_settings& load, std::string_view name, std::string_view text) {
  const std::size_t dots = text.find("..");
  const double least = parse_number(name, text.substr(0, dots), 0.0, 1e7);
  const double most = dots == std::string_view::npos ? least : parse_number(name, text.substr(dots + 2), 0.0, 1e7);
  if (least > most) throw bad_usage(std::string{name} + ": MIN is above MAX: " + std::string{text});
  load.cancel_after_min = std::chrono::nanoseconds{std::llround(least * 1e6)};
  load.cancel_after_max = std::chrono::nanoseconds{std::llround(most * 1e6)};
}

cancel_channel_choice parse_channel(std::string_view name, std::string_view text) {
  if (text == "auto") return cancel_channel_choice::automatic;
  if (text == "session") return cancel_channel_choice::session;
  if (text == "request") return cancel_channel_choice::request;
  throw bad_usage(std::string{name} + ": auto, session or request, not " + std::string{text});
}

using setter = std::function<void(options&, std::string_view name, std::string_view value)>;

template <std::unsigned_integral T>
setter count_into(T load_settings::* member, T least) {
  return [member, least](options& o, std::string_view name, std::string_view value) {
    o.load.*member = parse_number<T>(name, value, least, std::numeric_limits<T>::max());
  };
}

const std::map<std::string_view, setter>& setters() {
  constexpr std::size_t many = 1'000'000;
  static const std::map<std::string_view, setter> table{
      {"--dsn", [](options& o, auto, auto v) { o.dsn = v; }},
      {"--config", [](options& o, auto, auto v) { o.config_file = v; }},
      {"--tasks", [](options& o, auto n, auto v) { o.load.tasks = parse_number<std::size_t>(n, v, 1, many); }},
      {"--connections", [](options& o, auto n, auto v) { o.connections = parse_number<std::size_t>(n, v, 1, many); }},
      {"--cancel-channel", [](options& o, auto n, auto v) { o.channel = parse_channel(n, v); }},
      {"--seconds",
       [](options& o, auto n, auto v) { o.seconds = std::chrono::duration<double>{parse_number(n, v, 0.01, 1e7)}; }},
      {"--deadline",
       [](options& o, auto n, auto v) {
         o.load.statement_deadline = std::chrono::nanoseconds{std::llround(parse_number(n, v, 0.001, 1e6) * 1e9)};
       }},
      {"--operations", count_into(&load_settings::operations, std::uint64_t{1})},
      {"--threads", [](options& o, auto n, auto v) { o.threads = parse_number<std::size_t>(n, v, 1, 256); }},
      {"--sql", [](options& o, auto, auto v) { o.load.sql = v; }},
      {"--bystander-sql", [](options& o, auto, auto v) { o.load.bystander_sql = v; }},
      {"--cancel-ratio", [](options& o, auto n, auto v) { o.load.cancel_ratio = parse_number(n, v, 0.0, 1.0); }},
      {"--cancel-after-ms", [](options& o, auto n, auto v) { parse_delay(o.load, n, v); }},
      {"--seed", count_into(&load_settings::seed, std::uint64_t{0})},
      {"--metrics", [](options& o, auto, auto v) { o.metrics_address = v; }},
      {"--json", [](options& o, auto, auto v) { o.json_file = v; }},
  };
  return table;
}

// `--name value` and `--name=value` alike.
struct argument_reader {
  const std::vector<std::string>& all;
  std::size_t next = 0;

  bool take(std::string& name, std::optional<std::string>& value) {
    if (next == all.size()) return false;
    name = all[next++];
    value.reset();
    if (const std::size_t equals = name.find('='); name.starts_with("--") && equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    return true;
  }

  std::string require(const std::string& name, const std::optional<std::string>& value) {
    if (value) return *value;
    if (next == all.size()) throw bad_usage(name + " needs a value");
    return all[next++];
  }
};

}  // namespace

options options::parse(const std::vector<std::string>& arguments) {
  options o;
  o.load.seed = std::random_device{}();
  bool seconds_given = false;
  argument_reader reader{arguments};
  std::string name;
  std::optional<std::string> value;
  while (reader.take(name, value)) {
    if (name == "--help" || name == "-h") {
      o.help = true;
    } else if (name == "--quiet") {
      o.quiet = true;
    } else if (const auto found = setters().find(name); found != setters().end()) {
      found->second(o, name, reader.require(name, value));
      seconds_given = seconds_given || name == "--seconds";
    } else {
      throw bad_usage("unknown option " + name);
    }
  }
  if (o.help) return o;
  if (seconds_given && o.load.operations != 0) throw bad_usage("--seconds or --operations, not both");
  if (o.dsn.empty() && o.config_file.empty()) throw bad_usage("--dsn or --config says which server");
  return o;
}

std::string_view usage() noexcept {
  return R"(usage: lido-storm --dsn DSN | --config FILE.toml [options]

Runs many tasks on one pool against a real server, cancels a part of them mid-query, and holds every result and every error against Lido's contract.

  --dsn DSN                    libpq's URI or keyword string; pool knobs as pool_max_size=20
  --config FILE.toml           [pool.default] of that file; with --dsn too, the server is the DSN's
  --tasks N                    tasks at a time (64)
  --connections N              the pool's max_size (the configuration's)
  --seconds S | --operations N how long, or how much (10 s)
  --deadline S                 of each statement (30 s): what is not over by then is a timeout among the errors
  --threads N                  threads that run the io_context (1)
  --sql TEXT                   what tasks chosen for a cancel run (select $1::bigint from pg_sleep(1))
  --cancel-ratio 0..1          how many are chosen (0.3)
  --cancel-after-ms MIN..MAX   when the cancel strikes, from the sending of the query; uniform (1..20)
  --cancel-channel CHANNEL     auto, session or request: how the pool cancels (the configuration's)
  --bystander-sql TEXT         what the others run (select $1::bigint)
  --seed N                     of all random choices (random, printed)
  --metrics ADDR:PORT          serves /metrics and, for people, /pools while it runs (loopback)
  --json FILE                  the result as JSON; - for standard output, and the table on standard error then
  --quiet                      no live line, no table

A statement with $1 gets a random bigint that it must answer as its only value: that is how a task knows that the result is its own. Of other
statements the rows are read and dropped. Both statements are run once before the storm; one that cannot be judged (a COPY, an answer that is not the number)
is refused.
When the seconds are over, or at the first SIGINT or SIGTERM, what still runs is cancelled and counted apart (interrupted), and the result is printed. A second
signal ends the program at once.
Exit status: 0 if nothing happened that the contract forbids (unexpected, stray_cancels and slots_leaked are 0), 1 if something did, 2 for a
wrong command line, output that cannot be written, a statement that is refused, or no connection to the server.
)";
}

}  // namespace lido::storm
