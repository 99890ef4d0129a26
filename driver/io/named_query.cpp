#include "driver/types/type_catalogue.hpp"

#include <lido/driver/codec_std.hpp>
#include <lido/driver/detail/named_query.hpp>
#include <lido/driver/encode.hpp>
#include <lido/driver/types/array.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>

#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

using found_type = std::tuple<std::string, std::optional<std::int64_t>, std::optional<std::int64_t>,
                              std::vector<std::int64_t>, std::vector<std::int64_t>>;

types::named_type named_type_of(const found_type& row) {
  const auto& [name, number, array, attributes, bases] = row;
  types::named_type out;
  out.number = static_cast<std::uint32_t>(number.value_or(0));
  out.array = static_cast<std::uint32_t>(array.value_or(0));
  for (std::size_t i = 0; i < attributes.size() && i < bases.size(); ++i) {
    types::named_type::attribute each;
    each.type = static_cast<std::uint32_t>(attributes[i]);
    each.base = static_cast<std::uint32_t>(bases[i]);
    out.attributes.push_back(each);
  }
  return out;
}

[[noreturn]] void refuse(std::error_code ec, std::string context) {
  diagnostics diag;
  diag.context = std::move(context);
  throw error(ec, std::move(diag));
}

asio::awaitable<request> co_numbered(session_handle on, op_options options, request statement) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_partial_cancellation());
  co_await find_numbers(on, options, statement);
  co_return statement;
}

}  // namespace

asio::awaitable<void> find_numbers(const session_handle& on, op_options options, request& statement) {
  if (statement.error()) refuse(statement.error(), {});
  types::type_catalogue* const catalogue = on.session ? on.session->catalogue() : nullptr;
  if (catalogue == nullptr) {
    if (!on.session) throw error(errc::lease_revoked);
    refuse(errc::not_encodable, "this session looks no types up by name");
  }
  types::fill_result filled = catalogue->fill(statement);
  if (!filled.missing.empty()) {
    request question = make_request(types::look_up_statement(), filled.missing);
    const op_plan plan{op_kind::query, true, options};
    const auto rows = co_await co_query<found_type>(on, plan, std::move(question));
    for (const found_type& row : rows) {
      types::named_type type = named_type_of(row);
      // What is not there may be made at any time: it is asked for anew, and told to this caller alone.
      if (type.number == 0) {
        refuse(errc::not_encodable, "this database has no type \"" + std::get<0>(row) +
                                        "\" in the search path; write its name with the schema");
      }
      catalogue->learn(std::get<0>(row), std::move(type));
    }
    filled = catalogue->fill(statement);
  }
  if (filled.error) refuse(filled.error, std::move(filled.context));
  if (!filled.missing.empty()) refuse(errc::not_encodable, "the type was dropped while it was looked up");
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

std::uint64_t print_of_numbers(const request& statement) noexcept { return types::numbers_print(statement); }

void with_numbers(const asio::any_io_executor& executor, asio::cancellation_slot slot, const session_handle& on,
                  op_options options, request statement, std::function<void(std::error_code, request&)> then) {
  auto done = [then = std::move(then), diag = options.diag](const std::exception_ptr& failed, request numbered) {
    std::error_code ec;
    if (failed) {
      try {
        std::rethrow_exception(failed);
      } catch (const error& e) {
        ec = e.code();
        if (diag != nullptr) *diag = e.diag();
      } catch (const std::bad_alloc&) {
        ec = std::make_error_code(std::errc::not_enough_memory);
      }
    }
    then(ec, numbered);
  };
  asio::co_spawn(executor, co_numbered(on, options, std::move(statement)),
                 asio::bind_cancellation_slot(slot, std::move(done)));
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
