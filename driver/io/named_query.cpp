#include "driver/types/type_catalogue.hpp"

#include <lido/driver/codec_std.hpp>
#include <lido/driver/detail/copy_rows.hpp>
#include <lido/driver/detail/named_query.hpp>
#include <lido/driver/encode.hpp>
#include <lido/driver/pipeline.hpp>
#include <lido/driver/types/array.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

using found_type = std::tuple<std::string, std::optional<std::int64_t>, std::optional<std::int64_t>,
                              std::optional<std::int64_t>, std::optional<std::int64_t>, std::vector<std::int64_t>,
                              std::vector<std::int64_t>, std::vector<std::int64_t>>;

std::uint32_t number_in(const std::optional<std::int64_t>& value) noexcept {
  return static_cast<std::uint32_t>(value.value_or(0));
}

types::named_type named_type_of(const found_type& row) {
  const auto& [name, number, array, base, base_array, attributes, bases, elements] = row;
  types::named_type out;
  out.number = number_in(number);
  out.array = number_in(array);
  out.base = number_in(base);
  out.base_array = number_in(base_array);
  for (std::size_t i = 0; i < attributes.size() && i < bases.size() && i < elements.size(); ++i) {
    types::named_type::attribute each;
    each.type = static_cast<std::uint32_t>(attributes[i]);
    each.base = static_cast<std::uint32_t>(bases[i]);
    each.element = static_cast<std::uint32_t>(elements[i]);
    out.attributes.push_back(each);
  }
  return out;
}

[[noreturn]] void refuse(std::error_code ec, std::string context, bool outcome_known = true) {
  diagnostics diag;
  diag.context = std::move(context);
  diag.outcome_known = outcome_known;
  throw error(ec, std::move(diag));
}

types::type_catalogue& catalogue_of(const session_handle& on) {
  if (!on.session) throw error(errc::lease_revoked);
  types::type_catalogue* const catalogue = on.session->catalogue();
  if (catalogue == nullptr) refuse(errc::not_encodable, "this session looks no types up by name");
  return *catalogue;
}

// A question of the driver's own, in the time that its user's statement has.
op_plan asking(const op_options& options) noexcept {
  op_options own = options;
  own.max_result_bytes = 0;
  return {op_kind::query, true, own};
}

asio::awaitable<void> co_look_up(session_handle on, op_options options, std::vector<std::string> names) {
  types::type_catalogue& catalogue = catalogue_of(on);
  request question = make_request(types::look_up_statement(), names);
  const op_plan plan = asking(options);
  const auto rows = co_await co_query<found_type>(on, plan, std::move(question));
  for (const found_type& row : rows) catalogue.learn(std::get<0>(row), named_type_of(row));
}

std::string written(const type_ref& type) {
  return std::string(type.name) + (type.part == type_part::array ? "[]" : "");
}

}  // namespace

asio::awaitable<void> find_names(const session_handle& on, op_options options, std::vector<std::string> names) {
  const types::type_catalogue& catalogue = catalogue_of(on);
  auto missing = catalogue.missing(names);
  if (missing.empty()) co_return;
  co_await co_look_up(on, options, std::move(missing));
  const auto none = catalogue.missing(names);
  if (!none.empty())
    refuse(errc::not_encodable, "this database has no type \"" + none.front() +
                                    "\" in the search path; write its name "
                                    "with the schema");
}

// What is not there may be made at any time: a parameter's name is asked for anew each time.
asio::awaitable<void> find_numbers(const session_handle& on, op_options options, request& statement,
                                   std::span<const column_claim> read) {
  if (statement.error()) refuse(statement.error(), {});
  const types::type_catalogue& catalogue = catalogue_of(on);
  auto missing = catalogue.missing(statement, read);
  if (!missing.empty()) co_await co_look_up(on, options, std::move(missing));
  types::fill_result filled = catalogue.fill(statement);
  if (filled.error) refuse(filled.error, std::move(filled.context));
}

asio::awaitable<request> co_numbered(session_handle on, op_options options, request statement) {
  co_await find_numbers(on, options, statement);
  co_return statement;
}

bool numbers_may_have_changed(const session_handle& on, const request& statement, const std::error_code& ec) {
  if (!types::shows_a_change(ec) || on.session->catalogue() == nullptr) return false;
  on.session->catalogue()->forget(statement);
  switch (on.session->condition()) {
    case session_condition::clean:
    case session_condition::soiled:
    case session_condition::unfit: return true;
    case session_condition::in_use:
    case session_condition::dirty:
    case session_condition::dead: break;
  }
  return false;
}

void forget_changed_numbers(const session_handle& on, const pipeline_content& all) noexcept {
  if (!on.session || on.session->catalogue() == nullptr || !all.named) return;
  for (const pipeline_failure& each : all.failures) {
    if (!types::shows_a_change(each.error)) continue;
    return on.session->catalogue()->forget(all);
  }
}

// ---- columns ----

bool are_as_claimed(const session_handle& on, const row_description& columns, std::span<const claimed_column> claims) {
  const types::type_catalogue* const catalogue = on.session ? on.session->catalogue() : nullptr;
  if (catalogue == nullptr) return true;
  return std::ranges::all_of(claims, [&](const claimed_column& each) {
    return catalogue->fits(each.claim.type, columns[each.index].type_oid);
  });
}

namespace {

// What the server calls the type of a column, for the one that reads it as another. A name without a schema stands for
// any of that name.
asio::awaitable<void> check_claim(session_handle on, op_options options, const column& col, claimed_column claimed) {
  using described_type = std::tuple<std::string, std::string, std::optional<std::string>>;
  const auto& [index, claim] = claimed;
  request question = make_request(types::describe_statement(), std::int64_t{col.type_oid});
  const op_plan plan = asking(options);
  const auto rows = co_await co_query<described_type>(on, plan, std::move(question));
  std::string server_type = type_name(col.type_oid);
  if (!rows.empty()) {
    auto [full, own, element] = rows[0];
    const std::string& compared = claim.type.part == type_part::array && element ? *element : own;
    if (compared == claim.type.name) {
      on.session->catalogue()->learn_other(claim.type.name, col.type_oid);
      co_return;
    }
    server_type = std::move(full);
  }
  refuse(errc::type_mismatch, describe_named_mismatch(col, index, server_type, claim.cpp_type, written(claim.type)));
}

}  // namespace

asio::awaitable<void> check_claims(session_handle on, op_options options,
                                   std::shared_ptr<const row_description> columns, std::vector<claimed_column> claims) {
  types::type_catalogue& catalogue = catalogue_of(on);
  std::vector<std::string> names;
  names.reserve(claims.size());
  for (const claimed_column& each : claims) names.emplace_back(each.claim.type.name);
  std::error_code failed;
  diagnostics why;
  try {
    co_await co_look_up(on, options, std::move(names));
    for (const claimed_column& each : claims) {
      const column& col = (*columns)[each.index];
      if (!catalogue.fits(each.claim.type, col.type_oid)) co_await check_claim(on, options, col, each);
    }
  } catch (const error& e) {
    failed = e.code();
    why = e.diag();
  }
  if (!failed) co_return;
  if (failed != errc::type_mismatch) why.outcome_known = false;  // the statement itself has run
  throw error(failed, std::move(why));
}

// ---- rows of a COPY ----

void number_columns(const session_handle& on, row_description& columns, std::span<const column_claim> claims) {
  const types::type_catalogue* const catalogue = on.session ? on.session->catalogue() : nullptr;
  if (catalogue == nullptr) return;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!claims[i].type.named()) continue;
    if (const std::uint32_t known = catalogue->number_of(claims[i].type); known != 0) columns[i].type_oid = known;
  }
}

const copy_numbers::known& copy_numbers::find(const type_use& use) {
  for (const known& each : known_) {
    if (each.use.what.name.data() == use.what.name.data() && each.use.what.part == use.what.part &&
        each.use.attribute == use.attribute)
      return each;
  }
  types::type_number number;
  types::fill_result found = catalogue_of(on_).number_for(use, number);
  if (found.error) {
    if (catalogue_of(on_).number_of(use.what) == 0)
      found.context = "the type \"" + std::string(use.what.name) +
                      "\" is not there, or was not looked up before the COPY began: begin it with async_copy_in<Row>()";
    refuse(found.error, std::move(found.context));
  }
  known_.push_back({use, number.number, number.element});
  return known_.back();
}

// Elements last: that of an array of a named type has been written as its own by then.
void copy_numbers::fill(std::string& bytes) {
  bool elements = false;
  for (const type_use& use : uses_) {
    const known& found = find(use);
    const std::uint32_t wire = big_endian(found.number);
    std::memcpy(bytes.data() + use.where, &wire, sizeof wire);
    elements = elements || found.element != 0;
  }
  if (!elements) return;
  for (const type_use& use : uses_) {
    if (const known& found = find(use); found.element != 0) types::put_element(bytes, use.where, found.element);
  }
}

// ---- for handlers ----

std::uint64_t fingerprint_of_numbers(const request& statement) noexcept {
  return types::numbers_fingerprint(statement);
}

namespace {

// co_spawn passes terminal cancels alone.
asio::awaitable<void> co_obeying_all(asio::awaitable<void> work) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await std::move(work);
}

}  // namespace

void run_for_handler(const asio::any_io_executor& executor, asio::cancellation_slot slot, asio::awaitable<void> work,
                     diagnostics* diag, std::function<void(std::error_code)> then) {
  auto done = [then = std::move(then), diag](const std::exception_ptr& failed) {
    std::error_code ec;
    if (failed) {
      try {
        std::rethrow_exception(failed);
      } catch (const error& e) {
        ec = e.code();
        if (diag != nullptr) *diag = e.diag();
      } catch (const std::system_error& e) {
        ec = e.code();  // Asio's, of a coroutine that was cancelled
      } catch (const std::bad_alloc&) {
        ec = std::make_error_code(std::errc::not_enough_memory);
      }
    }
    then(ec);
  };
  asio::co_spawn(executor, co_obeying_all(std::move(work)), asio::bind_cancellation_slot(slot, std::move(done)));
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
