#include "tests/support/fake_server_steps.hpp"

#include <stdexcept>
#include <utility>

namespace lido::testing::steps {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t protocol_3_0 = 196608;
constexpr std::int64_t cancel_code = 80877102;
constexpr std::size_t endless = 60'000;  // pauses of 1 ms: a hang guard

void require(bool fine, const std::string& otherwise) {
  if (!fine) throw std::runtime_error{otherwise};
}

std::string quoted(char type) { return std::string{"'"} + type + "'"; }

void expect_type(fake_session& session, char type) {
  const auto message = session.read_message();
  require(message.type == type, "got " + quoted(message.type) + " in place of " + quoted(type));
}

void run_all(fake_session& session, const script& part) {
  for (const auto& each : part.steps()) {
    try {
      each.run(session);
    } catch (const stream_ended&) {
      throw;
    } catch (const std::exception& error) {
      throw std::runtime_error{each.name + ": " + error.what()};
    }
  }
}

bool peer_went(peer_end end) {
  return end == peer_end::closed || end == peer_end::truncated || end == peer_end::reset || end == peer_end::alert;
}

void read_startup(fake_session& session) {
  const auto packet = session.read_packet();
  require(packet.starts_with(int32_bytes(protocol_3_0)), "no StartupMessage of protocol 3.0");
  session.startup.clear();
  std::size_t at = 4;
  const auto next = [&] {
    const auto end = packet.find('\0', at);
    require(end != std::string::npos, "StartupMessage with an unterminated string");
    auto text = packet.substr(at, end - at);
    at = end + 1;
    return text;
  };
  for (auto name = next(); !name.empty(); name = next()) session.startup[name] = next();
  require(at == packet.size(), "StartupMessage with bytes behind its end");
}

}  // namespace

step send(std::string bytes) {
  return {"send", [bytes = std::move(bytes)](fake_session& session) { session.stream().send(bytes); }};
}

step send_in_slices(std::string bytes, std::size_t size, std::chrono::milliseconds between) {
  return {"send_in_slices", [=](fake_session& session) {
            session.stream().slice_output(size, between);
            session.stream().send(bytes);
            session.stream().slice_output(0);
          }};
}

step send_beneath(std::string bytes) {
  return {"send_beneath", [bytes = std::move(bytes)](fake_session& session) { session.stream().send_beneath(bytes); }};
}

step send_repeatedly(std::string bytes, std::size_t times) {
  return {"send_repeatedly", [=](fake_session& session) {
            for (std::size_t i = 0; i < times; ++i) session.stream().send(bytes);
          }};
}

step send_until_closed(std::string bytes) {
  const auto forever = [bytes = std::move(bytes)](fake_session& session) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds{endless};
    while (std::chrono::steady_clock::now() < deadline) session.stream().send(bytes);
    throw std::runtime_error{"the peer took everything and stayed"};
  };
  return tolerate_loss({step{"send_until_closed", forever}});
}

step slice_output(std::size_t size, std::chrono::milliseconds between) {
  return {"slice_output", [=](fake_session& session) { session.stream().slice_output(size, between); }};
}

step cut_output_after(std::size_t bytes, cut_by how, const script& rest) {
  return {"cut_output_after", [=](fake_session& session) {
            auto& stream = session.stream();
            stream.limit_output(bytes);
            try {
              run_all(session, rest);
            } catch (const stream_ended& ended) {
              if (ended.end != peer_end::cut) throw;
            }
            if (how == cut_by::silence) stream.wait_for_end();
            if (how == cut_by::rst) stream.reset();
            stream.close();
          }};
}

step expect_ssl_request() {
  return {"expect_ssl_request", [](fake_session& session) {
            require(session.stream().receive(8) == from_hex("00000008 04d2162f"), "no SSLRequest");
          }};
}

step expect_startup() { return {"expect_startup", read_startup}; }

step expect_cancel_request(std::int32_t pid, std::int64_t key) {
  return {"expect_cancel_request", [=](fake_session& session) {
            const auto wanted = int32_bytes(cancel_code) + int32_bytes(pid) + int32_bytes(key);
            require(session.read_packet() == wanted, "not the CancelRequest of this session");
          }};
}

step expect(char type) {
  return {"expect(" + quoted(type) + ")", [=](fake_session& session) { expect_type(session, type); }};
}

step expect_all(std::string_view types) {
  return {"expect_all(" + std::string{types} + ")", [types = std::string{types}](fake_session& session) {
            for (const char type : types) expect_type(session, type);
          }};
}

step expect_query(std::string text) { return expect_body('Q', zero_ended(text)); }

step expect_body(char type, std::string body) {
  return {"expect_body(" + quoted(type) + ")", [=](fake_session& session) {
            expect_type(session, type);
            require(session.last.body == body, "another body than the script's");
          }};
}

step serve(std::function<std::string(const client_message&)> handler) {
  const auto answer_all = [handler = std::move(handler)](fake_session& session) {
    for (auto message = session.read_message(); message.type != 'X'; message = session.read_message()) {
      session.stream().send(handler(message));
    }
  };
  return tolerate_loss({step{"serve", answer_all}});
}

step start_tls() {
  return {"start_tls", [](fake_session& session) { session.start_tls(session.server().own_identity(), {}); }};
}

step start_tls(identity who, tls_versions versions) {
  return {"start_tls", [=](fake_session& session) { session.start_tls(who, versions); }};
}

step start_refused_tls(identity who, tls_versions versions) {
  return {"start_refused_tls", [=](fake_session& session) {
            try {
              session.start_tls(who, versions);
            } catch (const stream_ended& ended) {
              if (peer_went(ended.end)) return;
              throw;
            }
            throw std::runtime_error{"the client accepted"};
          }};
}

step tls_key_update() {
  return {"tls_key_update", [](fake_session& session) {
            // Asks the client for new keys of its own, too.
            require(SSL_key_update(session.stream().tls(), SSL_KEY_UPDATE_REQUESTED) == 1, "no key update");
            session.stream().send_post_handshake();
          }};
}

step tls_new_ticket() {
  return {"tls_new_ticket", [](fake_session& session) {
            require(SSL_new_session_ticket(session.stream().tls()) == 1, "no new ticket");
            session.stream().send_post_handshake();
          }};
}

step scram(scram_settings settings) { return all({scram_begin(std::move(settings)), scram_challenge(), scram_end()}); }

step scram_begin(scram_settings settings) {
  return {"scram_begin", [settings = std::move(settings)](fake_session& session) {
            session.scram.emplace(settings);
            session.stream().send(auth_sasl(settings.mechanisms));
            expect_type(session, 'p');
          }};
}

step scram_challenge() {
  return {"scram_challenge", [](fake_session& session) {
            // SASLInitialResponse: the mechanism's name, the length of the response, the response.
            const auto& body = session.last.body;
            const auto response = body.find('\0') + 5;
            require(response <= body.size(), "malformed SASLInitialResponse");
            session.stream().send(auth_sasl_continue(session.scram.value().first(body.substr(response))));
            expect_type(session, 'p');
          }};
}

step scram_end() {
  return {"scram_end", [](fake_session& session) {
            session.stream().send(auth_sasl_final(session.scram.value().final(session.last.body)));
          }};
}

step expect_md5(std::string user, std::string password, std::string salt) {
  return expect_body('p', zero_ended(md5_answer(user, password, salt)));
}

step expect_cleartext(std::string password) { return expect_body('p', zero_ended(password)); }

step wait_for_close() {
  return {"wait_for_close", [](fake_session& session) {
            const auto end = session.stream().wait_for_end();
            if (end == peer_end::stopped) throw stream_ended{end};
            require(peer_went(end), "the peer did not close");
          }};
}

step close() {
  return {"close", [](fake_session& session) {
            session.stream().send_close_notify();
            session.stream().close();
          }};
}

step close_fin() {
  return {"close_fin", [](fake_session& session) { session.stream().close(); }};
}

step close_rst() {
  return {"close_rst", [](fake_session& session) { session.stream().reset(); }};
}

step stall() {
  return {"stall", [](fake_session& session) { session.stream().pause(std::chrono::milliseconds{endless}); }};
}

step reached(std::string name) {
  return {"reached(" + name + ")", [=](fake_session& session) { session.server().mark_reached(name); }};
}

step gate(std::string name) {
  return {"gate(" + name + ")", [=](fake_session& session) { session.server().wait_at_gate(name); }};
}

step pause(std::chrono::milliseconds time) {
  return {"pause", [=](fake_session& session) { session.stream().pause(time); }};
}

step tolerate_loss(const script& part) {
  return {"tolerate_loss", [=](fake_session& session) {
            try {
              run_all(session, part);
            } catch (const stream_ended& ended) {
              if (!peer_went(ended.end)) throw;
            }
          }};
}

step all(const script& part) {
  return {"all", [=](fake_session& session) { run_all(session, part); }};
}

step trusted_session(std::string greeting) { return all({expect_startup(), send(std::move(greeting))}); }

step tls_session(std::string greeting) {
  return all({expect_ssl_request(), send("S"), start_tls(), expect_startup(), send(std::move(greeting))});
}

}  // namespace lido::testing::steps
