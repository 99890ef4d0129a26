// A pipeline: what is written in which order, what is owed for it, and what becomes of each statement.
#include "driver/session/pipeline.hpp"

#include "driver/wire/frontend.hpp"
#include "tests/session/protocol_script.hpp"

#include <lido/driver/error.hpp>
#include <lido/driver/pipeline.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido::session {
namespace {

using test::bytes;
using test::plausible_body;
using enum event_kind;

using events = std::vector<event_kind>;

std::string framed(char type, std::string_view body) {
  std::string out(1, type);
  const auto length = static_cast<std::uint32_t>(body.size() + 4);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) out += static_cast<char>(length >> shift & 255U);
  return out.append(body);
}

std::string answers(std::string_view types) {
  std::string out;
  for (const char type : types) out += framed(type, plausible_body(type));
  return out;
}

// The types of what was written.
std::string types_of(std::string_view out) {
  std::string types;
  while (!out.empty()) {
    types += out.front();
    out.remove_prefix(1 + wire::load_u32(out.data() + 1));
  }
  return types;
}

// A pipeline on a session of its own.
struct bench {
  explicit bench(lido::pipeline work, std::size_t cached = 8) : cache(cached) { run(std::move(work)); }

  void run(lido::pipeline work) {
    out.clear();
    request = work.take();
    flow = std::make_unique<pipeline>(request.pipeline(), cache, wire);
    left = flow->begin();
  }
  void write_all() {
    while (!flow->fed()) flow->feed(out, 1U << 20);
  }
  // As the engine does: the fast way first, then a frame at a time.
  event_kind read(std::string_view in, bool keep = true) {
    event_kind last = none;
    pending.append(in);
    for (;;) {
      pending.erase(0, flow->take(pending, bounds, keep));
      const wire::frame_result next = wire::next_frame(pending, wire::phase::ready, bounds);
      if (next.status == wire::frame_status::violation) return violation;
      if (next.status == wire::frame_status::incomplete) return last;
      last = wire.on_frame(next.value);
      if (last == row && keep) flow->on_row(next.value);
      if (last == complete && keep) flow->on_complete(next.value);
      if (last == server_error && keep) {
        diagnostics diag = wire.diag();
        const std::error_code ec = make_sqlstate(diag.sqlstate);
        flow->on_error(ec, std::move(diag));
      }
      if (last == ready) flow->finish(keep);
      pending.erase(0, next.size);
      if (last == violation) return last;
    }
  }
  pipeline_results results() const { return pipeline_results(request.pipeline()); }

  statement_cache cache;
  protocol wire;
  detail::request request;
  std::unique_ptr<pipeline> flow;
  dirt left{};
  std::string out;
  std::string pending;
  wire::limits bounds;
};

lido::pipeline of(std::initializer_list<std::string_view> texts, pipeline_mode mode = pipeline_mode::all_or_nothing) {
  lido::pipeline made(mode);
  for (const std::string_view text : texts) made.add(text);
  return made;
}

constexpr auto each_alone = pipeline_mode::each_on_its_own;

TEST(pipelines, a_statement_is_parsed_once_and_one_sync_stands_behind_all) {
  bench b(of({"select 1", "select 1", "select 2", "select 1"}));
  b.write_all();
  EXPECT_EQ(types_of(b.out), "PDBEBEPDBEBES");
  EXPECT_EQ(b.wire.outstanding(), 1U);
}

TEST(pipelines, a_sync_stands_behind_each_when_each_is_on_its_own) {
  bench b(of({"select 1", "select 1", "select 2"}, each_alone));
  b.write_all();
  EXPECT_EQ(types_of(b.out), "PDBESBESPDBES");
  EXPECT_EQ(b.wire.outstanding(), 3U);
}

TEST(pipelines, what_one_prepared_the_next_one_and_any_statement_finds_in_the_cache) {
  bench b(of({"select 1"}));
  b.write_all();
  EXPECT_EQ(b.read(answers("1tT2DCZ")), ready);
  b.run(of({"select 1", "select 1"}));
  b.write_all();
  EXPECT_EQ(types_of(b.out), "BEBES");
  EXPECT_EQ(b.read(answers("2DC2DCZ")), ready);
  EXPECT_EQ(b.results().size(), 2U);
  EXPECT_TRUE(b.results().ok());
  EXPECT_TRUE(b.cache.find(detail::begin_request("select 1"))->prepared);
}

TEST(pipelines, without_a_cache_the_unnamed_statement_is_parsed_where_it_changes) {
  bench b(of({"select 1", "select 1", "select 2", "select 1"}), 0);
  b.write_all();
  EXPECT_EQ(types_of(b.out), "PDBEBEPDBEPDBES");
  bench poolers(of({"select 1", "select 1"}, each_alone), 0);
  poolers.write_all();
  EXPECT_EQ(types_of(poolers.out), "PDBESPDBES") << "behind each Sync a pooler may know another server";
}

TEST(pipelines, answers_are_the_same_however_they_are_cut) {
  const std::string all = answers("1tT2DDC2CN2DC1tn2I1tT2CZ");
  lido::pipeline work = of({"select a", "select a", "select a", "set b", "select c"});
  bench whole(std::move(work));
  whole.write_all();
  EXPECT_EQ(whole.read(all), ready);
  for (std::size_t piece = 1; piece < 40; ++piece) {
    bench b(of({"select a", "select a", "select a", "set b", "select c"}));
    b.write_all();
    event_kind last = none;
    for (std::size_t at = 0; at < all.size(); at += piece) last = b.read(std::string_view(all).substr(at, piece));
    EXPECT_EQ(last, ready) << piece;
    const pipeline_results got = b.results();
    ASSERT_EQ(got.size(), 5U);
    EXPECT_TRUE(got.ok());
    EXPECT_EQ(got.row_count(0), 2U);
    EXPECT_EQ(got.row_count(1), 0U);
    EXPECT_EQ(got.row_count(2), 1U);
    EXPECT_EQ(got.command_tag(2), "SELECT 1");
    EXPECT_EQ(got.command_tag(3), "");
    EXPECT_EQ(got.rows(0).columns().size(), 2U);
    EXPECT_EQ(got.rows(0).size(), 2U);
    EXPECT_EQ(got.rows(3).columns().size(), 0U);
    EXPECT_EQ(b.wire.outstanding(), 0U);
  }
}

TEST(pipelines, P152_behind_an_error_everything_is_aborted_until_the_sync) {
  bench b(of({"select 1", "select 2", "select 3"}));
  b.write_all();
  EXPECT_EQ(b.read(answers("1tT2DCE")), server_error);
  EXPECT_EQ(b.wire.outstanding(), 1U);
  EXPECT_EQ(b.read(answers("Z")), ready);
  const pipeline_results got = b.results();
  ASSERT_EQ(got.size(), 3U);
  EXPECT_FALSE(got.error(0));
  EXPECT_EQ(got.error(1), make_sqlstate("42601"));
  EXPECT_EQ(got.diag(1).context, "statement 2 of 3 in the pipeline");
  EXPECT_EQ(got.error(2), errc::pipeline_aborted);
  EXPECT_THROW(got.throw_if_failed(), lido::error);
  EXPECT_EQ(b.cache.size(), 1U) << "P149: what was not parsed is not in the cache";
}

TEST(pipelines, P153_each_statement_has_its_own_error_when_each_is_on_its_own) {
  bench b(of({"select 1", "select 2", "select 3"}, each_alone));
  b.write_all();
  EXPECT_EQ(b.read(answers("1tT2DCZ")), synced);
  EXPECT_EQ(b.wire.outstanding(), 2U);
  EXPECT_EQ(b.read(answers("EZ")), synced);
  EXPECT_EQ(b.read(answers("1tT2DCZ")), ready);
  const pipeline_results got = b.results();
  ASSERT_EQ(got.size(), 3U);
  EXPECT_FALSE(got.error(0));
  EXPECT_EQ(got.error(1), make_sqlstate("42601"));
  EXPECT_FALSE(got.error(2));
}

TEST(pipelines, P149_runs_of_a_statement_that_could_not_be_parsed_repeat_its_error) {
  bench b(of({"selec", "selec"}, each_alone));
  b.write_all();
  EXPECT_EQ(types_of(b.out), "PDBESBES");
  b.read(answers("EZ"));
  const std::string echo = framed('E', test::error_body("ERROR", "26000", "prepared statement does not exist"));
  EXPECT_EQ(b.read(echo + answers("Z")), ready);
  EXPECT_EQ(b.results().error(1), make_sqlstate("42601"));
  EXPECT_EQ(b.cache.size(), 0U);
  EXPECT_FALSE(b.cache.has_closable()) << "what was never there is not closed";
}

TEST(pipelines, rows_in_front_of_an_error_are_not_those_of_the_next_statement) {
  bench b(of({"select 1", "select 2", "select 3"}, each_alone));
  b.write_all();
  EXPECT_EQ(b.read(answers("1tT2DDEZ1tT2DCZ1tT2CZ")), ready);
  const pipeline_results got = b.results();
  EXPECT_TRUE(got.error(0));
  EXPECT_EQ(got.row_count(1), 1U);
  EXPECT_EQ(got.rows(1).size(), 1U);
  EXPECT_EQ(got.row_count(2), 0U);
  EXPECT_EQ(got.rows(2).size(), 0U);
}

TEST(pipelines, B75_each_statement_has_its_own_number_of_values) {
  lido::pipeline first;
  first.add("select $1::int", 1);
  bench b(std::move(first));
  b.write_all();
  EXPECT_EQ(b.read(answers("1") + framed('t', bytes{}.u16(1).u32(23)) + answers("T2DCZ")), ready);
  lido::pipeline second;  // one that is described and has none, then one that is known and has one
  second.add("select 1").add("select $1::int", 1);
  b.run(std::move(second));
  b.write_all();
  EXPECT_EQ(types_of(b.out), "PDBEBES");
  EXPECT_EQ(b.read(answers("1tT2DC2DCZ")), ready);
  EXPECT_TRUE(b.results().ok());
}

TEST(pipelines, what_is_written_behind_an_error_is_skipped_up_to_the_one_sync) {
  lido::pipeline work;
  for (int i = 0; i < 100; ++i) work.add("select 1");
  bench b(std::move(work));
  b.flow->feed(b.out, 100);
  EXPECT_FALSE(b.flow->fed());
  EXPECT_EQ(b.read(answers("1tT2E")), server_error);
  b.write_all();
  EXPECT_EQ(b.read(answers("Z")), ready);
  EXPECT_EQ(b.wire.outstanding(), 0U);
  EXPECT_EQ(b.results().error(99), errc::pipeline_aborted);
}

TEST(pipelines, C37_a_loss_leaves_what_was_answered_and_is_the_end_of_the_rest) {
  diagnostics why;
  why.context = "the network";
  for (const pipeline_mode mode : {pipeline_mode::all_or_nothing, each_alone}) {
    const std::string z = mode == each_alone ? answers("Z") : "";
    bench b(of({"select 1", "select 2", "select 3", "select 4"}, mode));
    b.write_all();
    std::string came;
    for (int i = 0; i < 2; ++i) came.append(answers("1tT2DC")).append(z);
    b.read(came.append(answers("1tT2D")));  // of the third, a row
    b.flow->lost(errc::connection_lost, why);
    const pipeline_results got = b.results();
    ASSERT_EQ(got.size(), 4U);
    EXPECT_FALSE(got.ok());
    EXPECT_EQ(got.rows(1).size(), 1U);
    EXPECT_EQ(got.command_tag(1), "SELECT 1");
    for (const std::size_t i : {2U, 3U}) {
      EXPECT_EQ(got.error(i), errc::connection_lost);
      EXPECT_EQ(got.diag(i).context, "the network");
      EXPECT_THROW(static_cast<void>(got.rows(i)), lido::error);
    }
  }
  bench all(of({"select 1"}));
  all.write_all();
  all.read(answers("1tT2DC"));
  all.flow->lost(errc::connection_lost, {});
  EXPECT_FALSE(all.results().error(0)) << "it was answered";
  EXPECT_FALSE(all.results().ok()) << "and not committed, for all that is known";
  bench none(of({"select 1"}));
  none.flow->lost(errc::connection_lost, {});
  EXPECT_EQ(none.results().diag(0).context, "statement 1 of 1 in the pipeline");
}

TEST(pipelines, an_error_at_the_sync_belongs_to_the_statement_before_it) {
  bench b(of({"insert 1", "insert 2"}, each_alone));
  b.write_all();
  EXPECT_EQ(b.read(answers("1tn2CEZ")), synced);
  EXPECT_EQ(b.read(answers("1tn2CZ")), ready);
  ASSERT_EQ(b.results().size(), 2U);
  EXPECT_TRUE(b.results().error(0));
  EXPECT_FALSE(b.results().error(1));
}

TEST(pipelines, an_error_at_the_one_sync_is_the_pipelines) {
  bench b(of({"insert 1"}));
  b.write_all();
  EXPECT_EQ(b.read(answers("1tn2CEZ")), ready);
  EXPECT_FALSE(b.results().ok());
  EXPECT_EQ(detail::failure_of(b.flow->content(), nullptr), make_sqlstate("42601"));
}

TEST(pipelines, I15_a_commit_that_rolled_back_says_so) {
  bench b(of({"insert 1", "commit"}));
  EXPECT_TRUE(b.flow->content().commits);
  b.write_all();
  b.read(answers("1tn2C1tn2"));
  EXPECT_EQ(b.read(framed('C', bytes{}.text("ROLLBACK")) + answers("Z")), ready);
  EXPECT_EQ(b.results().error(1), errc::rolled_back);
}

TEST(pipelines, it_is_written_in_pieces_and_each_piece_is_owed) {
  lido::pipeline work(each_alone);
  for (int i = 0; i < 1000; ++i) work.add("select $1::int", i);
  bench b(std::move(work));
  std::string sent;
  int pieces = 0;
  while (!b.flow->fed()) {
    b.out.clear();
    b.flow->feed(b.out, 1000);
    EXPECT_LT(b.out.size(), 1200U);
    sent += b.out;
    ++pieces;
  }
  EXPECT_GT(pieces, 20);
  EXPECT_EQ(std::ranges::count(types_of(sent), 'B'), 1000);
  EXPECT_EQ(b.wire.outstanding(), 1000U);
}

TEST(pipelines, I18_what_was_not_written_never_is_once_it_is_cut) {
  for (const pipeline_mode mode : {pipeline_mode::all_or_nothing, each_alone}) {
    lido::pipeline work(mode);
    for (int i = 0; i < 1000; ++i) work.add("select 1");
    bench b(std::move(work));
    b.flow->feed(b.out, 1000);
    const std::string before = types_of(b.out);
    EXPECT_EQ(b.flow->cut(b.out), mode == pipeline_mode::all_or_nothing);
    EXPECT_FALSE(b.flow->cut(b.out)) << "once";
    b.flow->feed(b.out, 1000);
    EXPECT_EQ(types_of(b.out), before + (mode == each_alone ? "" : "S"));
    const auto written = std::ranges::count(before, 'B');
    EXPECT_EQ(b.wire.outstanding(), mode == each_alone ? static_cast<unsigned>(written) : 1U);
    event_kind last = none;
    for (auto i = written; i > 0; --i)
      last = b.read(answers((i == written ? "1tT2DC" : "2DC") + std::string(mode == each_alone || i == 1 ? "Z" : "")),
                    false);
    EXPECT_EQ(last, ready);
    EXPECT_EQ(b.wire.outstanding(), 0U);
    EXPECT_EQ(b.results().size(), 0U) << "nobody wanted them";
  }
}

TEST(pipelines, B73_a_ready_that_is_not_owed_yet_is_a_violation) {
  lido::pipeline work(each_alone);
  for (int i = 0; i < 1000; ++i) work.add("select 1");
  bench b(std::move(work));
  b.flow->feed(b.out, 1);  // one is written
  EXPECT_EQ(b.read(answers("1tT2DCZ")), violation);
}

TEST(pipelines, B62_B74_only_what_is_owed_may_come) {
  struct step {
    std::string_view before;
    std::string_view owed;
  };
  const step steps[] = {{"", "1E"},
                        {"1", "tE"},
                        {"1t", "TnE"},
                        {"1tT", "2E"},
                        {"1tT2", "DCIE"},
                        {"1tT2D", "DCE"},
                        {"1tT2DC", "2E"},
                        {"1tT2DC2", "DCIE"},
                        {"1tT2DC2C", "1E"},
                        {"1tT2DC2C1tn2", "CIE"},
                        {"1tT2DC2C1tn2C", "ZE"},
                        {"1tT2DCE", "Z"}};
  for (const step& each_step : steps) {
    for (const char type : std::string_view{"123CDEGHIKRTVWZcdnst"}) {
      bench b(of({"select a", "select a", "set b"}));
      b.write_all();
      b.read(answers(each_step.before));
      const bool legal = each_step.owed.find(type) != std::string_view::npos;
      EXPECT_EQ(b.read(answers(std::string(1, type))) != violation, legal) << each_step.before << " then " << type;
    }
  }
}

TEST(pipelines, B82_a_copy_in_a_pipeline_is_refused_before_it_is_sent) {
  for (const std::string_view text :
       {"copy t from stdin", " /* x */ COPY (select 1) TO STDOUT", "copy t from stdin;"}) {
    lido::pipeline work = of({"select 1", text});
    EXPECT_EQ(work.take().error(), errc::copy_unexpected) << text;
  }
  EXPECT_FALSE(of({"copy t from '/file'", "select 'copy t from stdin'"}).take().error());
}

TEST(pipelines, what_it_may_leave_behind_is_known_before_it_is_sent) {
  EXPECT_TRUE(any(bench(of({"select 1", "listen x"})).left & dirt::listen));
  EXPECT_FALSE(any(bench(of({"select 1"})).left & stains));
}

TEST(pipelines, names_are_not_trusted_where_a_statement_drops_them) {
  bench b(of({"select 1"}));
  b.write_all();
  b.read(answers("1tT2DCZ"));
  b.run(of({"select 1", "deallocate all", "select 1"}));
  b.write_all();
  EXPECT_EQ(types_of(b.out), "PDBEPDBEPDBES");
  EXPECT_EQ(b.cache.size(), 0U);
}

TEST(pipelines, a_stale_plan_leaves_the_cache) {
  bench b(of({"select 1"}));
  b.write_all();
  b.read(answers("1tT2DCZ"));
  b.run(of({"select 1"}));
  b.write_all();
  b.read(framed('E', test::error_body("ERROR", "0A000", "cached plan must not change result type")) + answers("Z"));
  EXPECT_EQ(b.cache.size(), 0U);
  EXPECT_TRUE(b.cache.has_closable());
}

// Only where nothing can have run: at the very front, of all or nothing, in place of the BindComplete.
TEST(pipelines, P145_a_stale_plan_at_the_front_lets_the_whole_be_run_again) {
  const std::string stale = framed('E', test::error_body("ERROR", "0A000", "cached plan must not change result type"));
  const auto after = [](std::initializer_list<std::string_view> texts, pipeline_mode mode, const std::string& answer) {
    bench b(of({"select 1", "select 2"}));
    b.write_all();
    b.read(answers("1tT2DC1tT2DCZ"));
    b.run(of(texts, mode));
    b.write_all();
    b.read(answer);
    return b.flow->may_run_again();
  };
  constexpr auto whole = pipeline_mode::all_or_nothing;
  EXPECT_TRUE(after({"select 1", "select 2"}, whole, stale + answers("Z")));
  EXPECT_FALSE(after({"select 1", "select 2"}, whole, answers("2DC") + stale + answers("Z"))) << "one has run";
  EXPECT_FALSE(after({"select 1", "select 2"}, whole, answers("2") + stale + answers("Z"))) << "it had begun to run";
  EXPECT_FALSE(after({"select 1", "select 2"}, each_alone, stale + answers("Z2DCZ"))) << "one behind it has run";
  EXPECT_FALSE(after({"select 3", "select 2"}, whole, stale + answers("Z"))) << "new: it cannot be stale";
  EXPECT_FALSE(after({"select 1", "select 2"}, whole,
                     framed('E', test::error_body("ERROR", "22012", "division by zero")) + answers("Z")));
}

TEST(pipelines, C38_beyond_its_bytes_nothing_is_added) {
  lido::pipeline work(pipeline_mode::all_or_nothing, 1000);
  work.add("select $1", std::string(500, 'x'));
  EXPECT_FALSE(work.error());
  work.add("select $1", std::string(600, 'x'));
  EXPECT_EQ(work.error(), errc::not_encodable);
  EXPECT_EQ(work.size(), 1U);
  EXPECT_EQ(work.take().error(), errc::not_encodable) << "and the whole is refused";
}

TEST(pipelines, values_are_sent_as_those_of_a_query) {
  const std::string text = "select $1, $2, $3, $4, $5";
  lido::pipeline work;
  work.add(text, 7, std::optional<std::int64_t>{}, std::string("abc"), std::nullopt, true);
  bench b(std::move(work));
  b.write_all();
  const detail::request one =
      detail::make_request(text, 7, std::optional<std::int64_t>{}, std::string("abc"), std::nullopt, true);
  std::string expected;
  wire::append_parse(expected, "lido_1", one);
  wire::append_describe_statement(expected, "lido_1");
  wire::append_run(expected, "lido_1", one);
  EXPECT_EQ(b.out, expected);
}

}  // namespace
}  // namespace lido::session
