// Many statements in one round trip: queued here, run as one operation of a connection, a lease or a transaction.
//
//   lido::pipeline work;
//   for (const order& o : orders) work.add("insert into orders values ($1, $2)", o.id, o.total);
//   work.add("select count(*) from orders");
//   const lido::pipeline_results done = co_await db->async_run(std::move(work));
//   const auto n = done.one<std::int64_t>(orders.size());
//
// Questions are written while answers are read, so that neither side waits for the other however much there is of
// both. Cancellation and deadlines as for any operation (contract, table of types): what was not written yet is never
// sent, what was is cancelled on the server statement by statement.
#pragma once

#include <lido/driver/connection.hpp>
#include <lido/driver/detail/pipeline_content.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

// The same address for the same parameter types: together with the text it names a prepared statement.
template <class... Args>
inline constexpr char pipeline_signature = 0;

bool append_null_parameter(std::string& values);

// One value in the layout of Bind, at the end of `values`; `uses` of a type that is known by name.
template <class T>
bool append_parameter(std::string& values, type_uses& uses, const T& value) {
  using type = parameter_t<T>;
  if constexpr (std::same_as<type, std::nullopt_t>) {
    return append_null_parameter(values);
  } else if constexpr (is_optional<type>) {
    if (!value) return append_null_parameter(values);
    return append_parameter<without_optional_t<type>>(values, uses, *value);
  } else if constexpr (plain_integer<type>) {
    append_integer<type>(values, value);
    return true;
  } else {
    const std::size_t where = values.size();
    value_writer writer(values, is_named<type> ? &uses : nullptr);
    writer.put(std::int32_t{0});
    if (!codec<type>::encode(value, writer) || !writer.ok()) return false;
    const auto length = big_endian(static_cast<std::int32_t>(values.size() - where - sizeof(std::int32_t)));
    std::memcpy(values.data() + where, &length, sizeof length);
    return true;
  }
}

template <class T>
void add_parameter_type(request& out) {
  using type = parameter_t<T>;
  if constexpr (std::same_as<type, std::nullopt_t>) {
    out.add_type(oid::inferred, false);
  } else {
    using value = without_optional_t<type>;
    if constexpr (is_named<value>) out.add_named_type(type_ref_of<value>());
    out.add_type(codec<value>::type, codec<value>::binary);
  }
}

template <class T>
inline constexpr bool is_any_tuple = false;
template <class... T>
inline constexpr bool is_any_tuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool is_any_tuple<std::pair<A, B>> = true;

}  // namespace detail

/// How the statements of a pipeline stand to one another.
enum class pipeline_mode : std::uint8_t {
  /// One Sync behind all of them. Outside of a transaction they are one: all or none takes effect. The first error
  /// ends it; later statements are not run (errc::pipeline_aborted).
  all_or_nothing,
  /// A Sync behind each. Every statement has its own error, and outside of a transaction takes effect by itself.
  each_on_its_own,
};

/// Statements with their arguments, to be run together. Arguments are encoded when they are added: nothing of the
/// caller's is kept. Not thread-safe. Move-only.
class pipeline {
 public:
  /// `max_bytes`: of all texts and arguments together; what would go beyond is refused by add().
  explicit pipeline(pipeline_mode mode = pipeline_mode::all_or_nothing, std::size_t max_bytes = 64U << 20);
  pipeline(pipeline&&) noexcept = default;
  pipeline& operator=(pipeline&&) noexcept = default;
  ~pipeline() = default;

  /// One statement with parameters $1, $2, ... Prepared once and cached, as connection::async_query's. What cannot be
  /// sent (NUL in a text, beyond max_bytes, COPY FROM STDIN or TO STDOUT) makes the run fail before anything is sent:
  /// error() says so at once.
  template <class... Args>
  pipeline& add(std::string_view sql, const Args&... args) {
    static_assert(sizeof...(Args) <= detail::max_parameters, "lido: PostgreSQL takes at most 65535 parameters");
    (detail::check_parameter<Args>(), ...);
    if constexpr ((encodable<Args> && ...)) {
      detail::pipeline_content& all = content();
      const std::size_t before = all.values.size();
      if constexpr (detail::uses_names<Args...>) all.named = true;
      const std::uint32_t statement = all.statement_for(sql, &detail::pipeline_signature<Args...>, [sql] {
        detail::request text = detail::begin_request(sql);
        (detail::add_parameter_type<Args>(text), ...);
        return text;
      });
      const bool encoded = (detail::append_parameter<Args>(all.values, all.uses, args) && ...);
      if (!encoded || all.bytes() > all.max_bytes) [[unlikely]]
        return refuse(before);
      all.items.push_back({statement, all.values.size()});
    }
    return *this;
  }
  /// One statement, once for each element of `rows`: a std::tuple or std::pair of its arguments, or its only argument.
  template <std::ranges::input_range Rows>
  pipeline& add_many(std::string_view sql, Rows&& rows) {
    for (const auto& each : rows) {
      if constexpr (detail::is_any_tuple<std::remove_cvref_t<decltype(each)>>) {
        std::apply([&](const auto&... args) { add(sql, args...); }, each);
      } else {
        add(sql, each);
      }
    }
    return *this;
  }

  std::size_t size() const noexcept { return content_ ? content_->items.size() : 0; }
  bool empty() const noexcept { return size() == 0; }
  /// Of texts and arguments.
  std::size_t bytes() const noexcept { return content_ ? content_->bytes() : 0; }
  /// errc::not_encodable or copy_unexpected: something that was added cannot be sent.
  std::error_code error() const noexcept { return error_; }
  pipeline_mode mode() const noexcept { return mode_; }

  /// For the driver: hands everything over; empty afterwards.
  detail::request take();
  void fail(std::error_code ec) noexcept {
    if (!error_) error_ = ec;
  }

 private:
  detail::pipeline_content& content() {
    if (!content_) [[unlikely]]
      begin();
    return *content_;
  }
  void begin();
  pipeline& refuse(std::size_t values_before);

  std::shared_ptr<detail::pipeline_content> content_;
  std::size_t max_bytes_;
  std::error_code error_;
  pipeline_mode mode_;
};

/// What the statements of a pipeline brought, in the order in which they were added. Move-only, owns everything.
class pipeline_results {
 public:
  pipeline_results() = default;
  pipeline_results(pipeline_results&&) noexcept = default;
  pipeline_results& operator=(pipeline_results&&) noexcept = default;
  ~pipeline_results() = default;

  std::size_t size() const noexcept { return content_ ? content_->answers.size() : 0; }
  /// No statement failed.
  bool ok() const noexcept { return !content_ || content_->first_failure == detail::pipeline_answer::none; }

  /// Of one statement: a SQLSTATE, errc::pipeline_aborted, errc::rolled_back for a COMMIT, timeout. Empty: it ran.
  std::error_code error(std::size_t index) const;
  /// What the server said to it; empty when it ran.
  const diagnostics& diag(std::size_t index) const;
  /// Throws the first error that there is.
  void throw_if_failed() const;

  /// The rows of one statement, copied out of here. Throws its error; column_mismatch, type_mismatch.
  template <row_type Row = row>
  result<Row> rows(std::size_t index) const {
    result<Row> made(copy_of(index));
    detail::lazy_diagnostics mismatch;
    if (const std::error_code ec = made.bind(mismatch)) throw lido::error(ec, detail::said_in(mismatch));
    return made;
  }
  /// The only row of one statement, read in place: views live as long as this object. Throws as rows(), and no_row.
  template <row_type Row>
  Row one(std::size_t index) const {
    const detail::pipeline_answer& answer = answer_at(index);
    if (answer.rows != 1) [[unlikely]]
      throw_count(answer.rows);
    const detail::row_description& columns = *content_->descriptions[answer.description];
    detail::row_plan<Row> plan;
    detail::lazy_diagnostics mismatch;
    if (const std::error_code ec = plan.bind(columns, mismatch)) [[unlikely]]
      throw lido::error(ec, detail::said_in(mismatch));
    return plan.read(columns, detail::message_at(content_->answered, answer.begin).body);
  }
  std::size_t row_count(std::size_t index) const { return answer_at(index).rows; }
  /// As the server sent it: "UPDATE 3". A view. Throws the statement's error.
  std::string_view command_tag(std::size_t index) const;
  /// Of one statement; throws its error.
  std::uint64_t affected_rows(std::size_t index) const;
  /// Of all statements that ran.
  std::uint64_t affected_rows() const noexcept;

  /// For the driver.
  explicit pipeline_results(std::shared_ptr<const detail::pipeline_content> content) noexcept
      : content_(std::move(content)) {}
  const std::shared_ptr<const detail::pipeline_content>& content() const noexcept { return content_; }

 private:
  const detail::pipeline_answer& answer_at(std::size_t index) const {
    if (index >= size() || content_->answers[index].failure != detail::pipeline_answer::none) [[unlikely]]
      refuse(index);
    return content_->answers[index];
  }
  [[noreturn]] void refuse(std::size_t index) const;
  [[noreturn]] static void throw_count(std::size_t rows);
  detail::recycled_ptr<detail::raw_result> copy_of(std::size_t index) const;

  std::shared_ptr<const detail::pipeline_content> content_;
};

namespace detail {

// Of a pipeline of which all or nothing takes effect: the first error. Its own words say which statement it was.
std::error_code failure_of(const pipeline_content& all, diagnostics* diag);

// Those that an error of one of its statements has put in doubt: the next run looks them up anew.
void forget_changed_numbers(const session_handle& on, const pipeline_content& all) noexcept;
op_plan run_plan(const request& work, const op_options& options) noexcept;
asio::awaitable<pipeline_results> co_run(session_handle on, op_options options, request work);
asio::awaitable<std::uint64_t> co_count(asio::awaitable<pipeline_results> run);

struct finish_pipeline {
  std::shared_ptr<pipeline_content> content;
  session_handle named_on{};  // empty: no types that are known by name
  template <class Handler>
  void operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const {
    report(out, diag);
    // with an error of the whole, the session may still be reading what nobody waits for into it
    if (out.error && !content->closed) return std::forward<Handler>(handler)(out.error, pipeline_results());
    if (out.error) return std::forward<Handler>(handler)(out.error, pipeline_results(content));
    if (named_on.session) forget_changed_numbers(named_on, *content);
    const std::error_code ec = content->sync_each ? std::error_code{} : failure_of(*content, diag);
    std::forward<Handler>(handler)(ec, pipeline_results(content));
  }
};

struct start_run {
  template <class Handler>
  void operator()(Handler&& handler, const session_handle& on, const op_plan& plan, request&& work) const {
    if (work.pipeline()->waits_for_numbers()) {
      return with_numbers(std::forward<Handler>(handler), on, plan, std::move(work));
    }
    start(std::forward<Handler>(handler), on, plan, std::move(work));
  }

 private:
  template <class Handler>
  static void start(Handler&& handler, const session_handle& on, const op_plan& plan, request&& work) {
    finish_pipeline finish{work.pipeline(), work.pipeline()->waits_for_numbers() ? on : session_handle()};
    start_operation<finish_pipeline>{std::move(finish)}(std::forward<Handler>(handler), on, plan, std::move(work));
  }
  template <class Handler>
  static void with_numbers(Handler&& handler, const session_handle& on, const op_plan& plan, request&& work) {
    for_handler<request>(std::forward<Handler>(handler), on, plan.options,
                         co_numbered(on, plan.options, std::move(work)),
                         [on, plan](auto then, std::error_code ec, request numbered) {
                           if (ec) return std::move(then)(ec, pipeline_results());
                           start(std::move(then), on, plan, std::move(numbered));
                         });
  }
};

}  // namespace detail

template <class Scope>
asio::awaitable<pipeline_results> statements<Scope>::async_run(pipeline work, op_options options) {
  return detail::co_run(handle_, options, scope_.guard(work.take()));
}

template <class Scope>
template <class Token>
auto statements<Scope>::async_run_with(Token&& token, pipeline work, op_options options) {
  detail::request all = scope_.guard(work.take());
  const detail::op_plan plan = detail::run_plan(all, options);
  return asio::async_initiate<Token, void(std::error_code, pipeline_results)>(detail::start_run{}, token, handle_, plan,
                                                                              std::move(all));
}

template <class Scope>
template <std::ranges::input_range Rows>
asio::awaitable<std::uint64_t> statements<Scope>::async_execute_many(std::string_view sql, Rows&& rows,
                                                                     op_options options) {
  pipeline work;
  work.add_many(sql, rows);
  return detail::co_count(async_run(std::move(work), options));
}

}  // namespace v0
}  // namespace lido
