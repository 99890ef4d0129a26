#include "tests/types_server/differential.hpp"

#include <lido/driver/json.hpp>
#include <lido/driver/numeric.hpp>
#include <lido/driver/types/bits.hpp>
#include <lido/driver/types/geometry.hpp>
#include <lido/driver/types/identifiers.hpp>
#include <lido/driver/types/network.hpp>
#include <lido/driver/types/text_types.hpp>
#include <lido/driver/uuid.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace lido::testing {
namespace {

template <class Int>
std::vector<Int> edges_of() {
  return {std::numeric_limits<Int>::min(), -1, 0, 1, std::numeric_limits<Int>::max()};
}
const auto plain = [](auto value) { return std::to_string(value); };

TEST_F(differential, bool_and_integers) {
  compare<bool>("bool", {true, false}, [](bool b) { return b ? "true" : "false"; });
  compare("int2", with_random(edges_of<std::int16_t>(), [&] { return static_cast<std::int16_t>(number()); }), plain);
  compare("int4", with_random(edges_of<std::int32_t>(), [&] { return static_cast<std::int32_t>(number()); }), plain);
  compare("int8", with_random(edges_of<std::int64_t>(), [&] { return number(); }), plain);
}

TEST_F(differential, floats) {
  const auto agrees = [](auto value, std::string_view text) {
    decltype(value) read = 0;
    if (text == "NaN") return std::isnan(value);
    if (text.ends_with("Infinity")) return std::isinf(value) && text.starts_with('-') == std::signbit(value);
    return std::from_chars(text.data(), text.data() + text.size(), read).ec == std::errc{} && read == value;
  };
  std::vector<double> wide{0.0, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min()};
  while (wide.size() < random_values) {
    const auto value = std::bit_cast<double>(rng());
    if (!std::isnan(value)) wide.push_back(value);
  }
  compare_loosely("float8", wide, agrees);
  std::vector<float> narrow{0.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::lowest()};
  while (narrow.size() < random_values) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(rng()));
    if (!std::isnan(value)) narrow.push_back(value);
  }
  compare_loosely("float4", narrow, agrees);
}

TEST_F(differential, numeric) {
  std::vector<lido::numeric> edges;
  for (const char* text : {"0", "0.00", "-0.0001", "1", "10000", "9999", "100000000", "NaN", "Infinity", "-Infinity",
                           "12345678901234567890.0987654321", "0.00000000000000001", "-1.10"}) {
    edges.emplace_back(text);
  }
  edges.emplace_back(std::string(300, '9') + "." + std::string(300, '7'));
  const auto random = [&] {
    std::string text = rng() % 2 == 0 ? "-" : "";
    text += std::to_string(1 + rng() % 9) + word("0123456789", 0, 30);
    if (rng() % 2 == 0) text += "." + word("0123456789", 1, 30);
    if (rng() % 4 == 0) text = "0.000" + word("0123456789", 0, 10) + "5";
    return lido::numeric(text);
  };
  compare("numeric", with_random(edges, random), [](const lido::numeric& n) { return n.text(); });
}

TEST_F(differential, numeric_exponents_mean_what_the_server_thinks) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    std::vector<lido::numeric> values;
    std::vector<std::string> texts;
    for (const char* text :
         {"1e3", "1.5e-7", "+12.30E+2", ".5", "7.", "-0", "00012", "123e-2", "0e5", "1e-10", "12345e10"}) {
      values.emplace_back(text);
      texts.emplace_back(text);
    }
    const auto rows = co_await db.async_query<std::tuple<std::string, std::string>>(
        "select a::text, b::numeric::text from unnest($1::numeric[], $2::text[]) as u(a, b)", values, texts);
    for (const auto& [ours, theirs] : rows) EXPECT_EQ(ours, theirs);
  });
}

TEST_F(differential, identifiers) {
  const auto u32 = [&] { return static_cast<std::uint32_t>(number()); };
  compare("oid", with_random<object_id>({{0}, {UINT32_MAX}}, [&] { return object_id{u32()}; }),
          [](object_id v) { return std::to_string(v.value); });
  compare("xid", with_random<xid>({{0}, {UINT32_MAX}}, [&] { return xid{u32()}; }),
          [](xid v) { return std::to_string(v.value); });
  compare("xid8", with_random<xid8>({{0}, {UINT64_MAX}}, [&] { return xid8{static_cast<std::uint64_t>(number())}; }),
          [](xid8 v) { return std::to_string(v.value); });
  compare("tid",
          with_random<tid>({{0, 0}, {UINT32_MAX, UINT16_MAX}},
                           [&] { return tid{u32(), static_cast<std::uint16_t>(number())}; }),
          [](tid v) { return v.to_string(); });
  compare("pg_lsn",
          with_random<pg_lsn>({{0}, {UINT64_MAX}}, [&] { return pg_lsn{static_cast<std::uint64_t>(number())}; }),
          [](pg_lsn v) {
            EXPECT_EQ(pg_lsn::parse(v.to_string()), v);
            return v.to_string();
          });
  compare("uuid",
          with_random<uuid>({uuid{}},
                            [&] {
                              uuid id;
                              for (auto& b : id.bytes) b = static_cast<std::byte>(rng());
                              return id;
                            }),
          [](const uuid& id) { return id.to_string(); });
}

TEST_F(differential, money_is_in_cents) {
  const auto print = [](money m) {
    const std::string digits = padded(std::abs(m.units), 3);
    std::string whole = digits.substr(0, digits.size() - 2);
    for (std::size_t i = whole.size(); i > 3; i -= 3) whole.insert(i - 3, ",");
    return (m.units < 0 ? "-$" : "$") + whole + "." + digits.substr(digits.size() - 2);
  };
  compare("money",
          with_random<money>({{0}, {-1}, {123456}, {INT64_MAX}}, [&] { return money{number(1'000'000'000'000'000)}; }),
          print);
}

TEST_F(differential, texts) {
  const auto same = [](const std::string& text) { return text; };
  std::vector<std::string> edges{"", "NULL", "\"", "\\", "{,}", " a ", "\t\n", "'", "\xc3\xa4\xf0\x9f\x98\x80"};
  const std::vector<std::string> texts = with_random(edges, [&] { return word("abc \"\\{},'\n\t$%()NUL", 0, 30); });
  compare("text", texts, same);
  compare("varchar", texts, same);
  std::vector<std::string> names;
  for (const std::string& text : texts) names.push_back("n" + text);
  compare("name", names, same);
  compare<std::string>("\"char\"", {"a", "Z", "~"}, same);
  compare<std::string>("char(3)", {"abc", "xyz"}, same);
  std::vector<xml> documents;
  for (int i = 0; i < 200; ++i)
    documents.emplace_back("<a b=\"" + std::to_string(i) + "\">" + word("abc ", 0, 20) + "</a>");
  run([&](asio::io_context&) -> asio::awaitable<void> {  // xml has no equality, but arrays and a text
    connection db = co_await open();
    const auto rows = co_await db.async_query<std::tuple<xml, std::string>>(
        "select v, v::text from unnest($1::xml[]) as u(v)", documents);
    std::size_t at = 0;
    for (const auto& [document, text] : rows) {
      EXPECT_EQ(document, documents[at]);
      EXPECT_EQ(text, documents[at++].text);
    }
  });
}

TEST_F(differential, json_and_bytea) {
  const auto text = [](const auto& document) { return document.text; };
  const auto scalar = [&] { return std::to_string(number(1'000'000'000'000)); };
  compare("json",
          with_random<json>({json("null"), json("{\"a\": [1,  2]}")}, [&] { return json("[" + scalar() + "]"); }),
          text);
  compare("jsonb",
          with_random<jsonb>({jsonb("null"), jsonb("{\"a\": [1, 2]}")}, [&] { return jsonb("[" + scalar() + "]"); }),
          text);
  using bytes = std::vector<std::byte>;
  const auto random = [&] {
    bytes out(rng() % 40);
    for (auto& b : out) b = static_cast<std::byte>(rng());
    return out;
  };
  compare("bytea", with_random<bytes>({bytes{}}, random), [](const bytes& value) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string out = "\\x";
    for (const std::byte b : value) {
      out += hex[std::to_integer<std::size_t>(b >> 4)];
      out += hex[std::to_integer<std::size_t>(b & std::byte{15})];
    }
    return out;
  });
}

TEST_F(differential, network) {
  const auto address = [&] {
    inet out;
    out.is_v6 = rng() % 2 == 0;
    for (std::size_t i = 0; i < out.size(); ++i) out.bytes[i] = static_cast<std::uint8_t>(rng() % 3 == 0 ? 0 : rng());
    out.prefix = static_cast<std::uint8_t>(rng() % 3 == 0 ? out.size() * 8 : rng() % (out.size() * 8 + 1));
    return out;
  };
  // v::text of an inet shows the prefix also of a host.
  const auto with_prefix = [](const inet& a) {
    return a.to_string() + (a.is_host() ? "/" + std::to_string(a.prefix) : "");
  };
  compare("inet",
          with_random<inet>({*inet::parse("0.0.0.0/0"), *inet::parse("10.1.2.3/8"), *inet::parse("::1"),
                             *inet::parse("::ffff:1.2.3.4")},
                            address),
          with_prefix);
  const auto network = [&] {
    cidr out{address()};
    for (std::size_t bit = out.network.prefix; bit < out.network.size() * 8; ++bit)
      out.network.bytes[bit / 8] = static_cast<std::uint8_t>(out.network.bytes[bit / 8] & ~(0x80U >> bit % 8));
    return out;
  };
  compare("cidr", with_random<cidr>({*cidr::parse("10.0.0.0/8"), *cidr::parse("2001:db8::/32")}, network),
          [](const cidr& n) {
            EXPECT_EQ(cidr::parse(n.to_string()), n);
            return n.to_string();
          });
  const auto mac = [&](auto out) {
    for (auto& b : out.bytes) b = static_cast<std::uint8_t>(rng());
    EXPECT_EQ(decltype(out)::parse(out.to_string()), out);
    return out;
  };
  const auto print = [](const auto& m) { return m.to_string(); };
  compare("macaddr", with_random<macaddr>({macaddr{}}, [&] { return mac(macaddr{}); }), print);
  compare("macaddr8", with_random<macaddr8>({macaddr8{}}, [&] { return mac(macaddr8{}); }), print);
}

TEST_F(differential, bits) {
  const auto random = [&] { return *bit_string::parse(word("01", 0, 70)); };
  const auto print = [](const bit_string& b) { return b.to_string(); };
  compare(
      "varbit",
      with_random<bit_string>({bit_string{}, *bit_string::parse("10000000"), *bit_string::parse("100000001")}, random),
      print);
  compare(
      "bit(9)",
      with_random<bit_string>({*bit_string::parse("100000001")}, [&] { return *bit_string::parse(word("01", 9, 9)); }),
      print);
}

// The server prints each coordinate as it prints a float8: the numbers in the text are those of the value, in order.
TEST_F(differential, geometry) {
  const auto coordinate = [&] { return static_cast<double>(number(1'000'000'000)) / 1024; };
  const auto a_point = [&] { return point{coordinate(), coordinate()}; };
  const auto points = [&] {
    std::vector<point> out(1 + rng() % 5);
    for (point& p : out) p = a_point();
    return out;
  };
  const auto flat = [](const std::vector<point>& all) {
    std::vector<double> out;
    for (const point& p : all) out.insert(out.end(), {p.x, p.y});
    return out;
  };
  using text = std::string_view;
  compare_loosely("point", with_random<point>({{}}, a_point),
                  [&](const point& p, text t) { return numbers_in(t) == flat({p}); });
  compare_loosely(
      "line",
      with_random<line>({{1, 0, 0}}, [&] { return line{coordinate(), 1 + std::abs(coordinate()), coordinate()}; }),
      [](const line& l, text t) { return numbers_in(t) == std::vector<double>{l.a, l.b, l.c}; });
  compare_loosely("lseg", with_random<lseg>({{}}, [&] { return lseg{a_point(), a_point()}; }),
                  [&](const lseg& s, text t) { return numbers_in(t) == flat({s.from, s.to}); });
  compare_loosely(
      "path", with_random<path>({path{true, {{}}}}, [&] { return path{rng() % 2 == 0, points()}; }),
      [&](const path& p, text t) { return numbers_in(t) == flat(p.points) && t.starts_with('(') == p.closed; });
  compare_loosely("polygon", with_random<polygon>({polygon{{{}}}}, [&] { return polygon{points()}; }),
                  [&](const polygon& p, text t) { return numbers_in(t) == flat(p.points); });
  compare_loosely(
      "circle", with_random<circle>({{}}, [&] { return circle{a_point(), std::abs(coordinate())}; }),
      [&](const circle& c, text t) { return numbers_in(t) == std::vector<double>{c.centre.x, c.centre.y, c.radius}; });
}

// An array of boxes is separated by semicolons, so they go one by one.
TEST_F(differential, boxes) {
  run([this](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    for (std::size_t i = 0; i < random_values; ++i) {
      const auto at = [this] { return static_cast<double>(number(1'000'000)) / 8; };
      const point a{at(), at()};
      const point b{at(), at()};
      const box sorted{{std::max(a.x, b.x), std::max(a.y, b.y)}, {std::min(a.x, b.x), std::min(a.y, b.y)}};
      const box sent{a, b};
      const auto row = (co_await db.async_query<std::tuple<lido::box, std::string>>(
                            "select v, v::text from (select $1::box) as s(v)", sent))
                           .one();
      EXPECT_EQ(std::get<0>(row), sorted);
      EXPECT_EQ(numbers_in(std::get<1>(row)),
                (std::vector<double>{sorted.high.x, sorted.high.y, sorted.low.x, sorted.low.y}));
    }
  });
}

TEST_F(differential, text_search) {
  run([this](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    std::vector<std::string> vectors{"", "a", "'a b':1A,2,3B 'it''s':4", "'back\\\\slash'"};
    std::vector<std::string> queries{"",
                                     "a",
                                     "!a",
                                     "a & b | c",
                                     "(a | b) & !c:*AB",
                                     "a <-> (b <-> c)",
                                     "(a <2> b) <-> c",
                                     "!(a & b)",
                                     "a <-> (b & c)",
                                     "!!a",
                                     "'it''s' | 'b\\\\c'"};
    for (std::size_t i = 0; i < random_values; ++i) {
      std::string vector;
      for (std::size_t n = rng() % 5; n > 0; --n) {
        vector += word("abcde", 1, 4);
        for (std::size_t p = rng() % 4, first = 1; p > 0; --p, first = 0)
          vector += (first != 0 ? ":" : ",") + std::to_string(1 + rng() % 16383) + word("ABCD", 0, 1);
        vector += ' ';
      }
      vectors.push_back(vector);
      std::string query = word("abc", 1, 2);
      for (std::size_t n = rng() % 6; n > 0; --n) {
        const char* const operators[] = {" & ", " | ", " <-> ", " <3> "};
        const std::string other = (rng() % 3 == 0 ? "!" : "") + word("abc", 1, 2) + (rng() % 4 == 0 ? ":*A" : "");
        const char* const op = operators[rng() % 4];
        query = rng() % 2 == 0 ? "(" + query + ")" + op + other : other + op + "(" + query + ")";
        if (rng() % 5 == 0) query = "!(" + query + ")";
      }
      queries.push_back(query);
    }
    const auto all = co_await db.async_query<std::tuple<tsvector, std::string>>(
        "select v::tsvector, v::tsvector::text from unnest($1::text[]) as u(v)", vectors);
    std::vector<tsvector> read;
    for (const auto& [value, text] : all) {
      EXPECT_EQ(value.text, text);
      read.push_back(value);
    }
    EXPECT_TRUE((co_await db.async_query<bool>("select $1 = $2::text[]::tsvector[]", read, vectors)).one());
    const auto asked = co_await db.async_query<std::tuple<tsquery, std::string>>(
        "select q::tsquery, q::tsquery::text from unnest($1::text[]) as u(q)", queries);
    std::vector<tsquery> questions;
    for (const auto& [value, text] : asked) {
      EXPECT_EQ(value.text, text);
      questions.push_back(value);
    }
    EXPECT_EQ((co_await db.async_query<std::vector<tsquery>>("select $1", questions)).one(), questions);
  });
}

TEST_F(differential, the_empty_char_is_the_empty_string) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    EXPECT_EQ((co_await db.async_query<std::string>("select ''::\"char\"")).one(), "");
    EXPECT_EQ((co_await db.async_query<std::string>("select 'r'::\"char\"")).one(), "r");
    const std::vector<std::string> both{"", "r"};
    EXPECT_EQ((co_await db.async_query<std::vector<std::string>>("select array['', 'r']::\"char\"[]")).one(), both);
  });
}

}  // namespace
}  // namespace lido::testing
