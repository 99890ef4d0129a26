#include "driver/session/startup.hpp"

#include "driver/session/saslprep.hpp"
#include "driver/session/scram.hpp"
#include "driver/session/startup_parameters.hpp"
#include "driver/wire/frontend.hpp"
#include "driver/wire/limits.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace lido::session {
namespace {

constexpr std::size_t max_password = 65535;  // PG_MAX_AUTH_TOKEN_LENGTH: the server reads no more
constexpr std::size_t md5_digits = 32;

enum class stage {
  fresh,
  requested,      // StartupMessage is out: an authentication request or AuthenticationOk comes
  password_sent,  // cleartext or md5: only AuthenticationOk may follow
  sasl_started,   // our first SCRAM message is out
  deriving,       // PBKDF2 runs somewhere else
  sasl_answered,  // our proof is out
  proven,         // the server's signature was right: only AuthenticationOk may follow
  authenticated,  // up to ReadyForQuery
  done,
  failed,
};

void append_md5_hex(std::string& out, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr) != 1) return;
  constexpr std::string_view digits = "0123456789abcdef";
  for (unsigned i = 0; i < size; ++i) {
    out += digits[digest[i] >> 4];
    out += digits[digest[i] & 15U];
  }
  OPENSSL_cleanse(digest.data(), digest.size());
}

// Protocol section 55.2.1, AuthenticationMD5Password. Shorter than "md5" and 32 digits when the crypto library has no
// MD5 (FIPS).
secret md5_answer(std::string_view password, std::string_view user, std::string_view salt) {
  std::string text;
  text.reserve(password.size() + user.size() + 64);
  text.append(password).append(user);
  std::string inner;
  inner.reserve(64);
  append_md5_hex(inner, text);
  inner.append(salt);
  secret answer;
  if (inner.size() == md5_digits + salt.size()) {
    std::string text_of_answer;
    text_of_answer.reserve(64);
    text_of_answer.append("md5");
    append_md5_hex(text_of_answer, inner);
    answer = secret(text_of_answer);
    OPENSSL_cleanse(text_of_answer.data(), text_of_answer.size());
  }
  OPENSSL_cleanse(text.data(), text.size());
  OPENSSL_cleanse(inner.data(), inner.size());
  return answer;
}

bool is_scram(std::string_view mechanism) { return mechanism == scram_mechanism; }
bool is_scram_plus(std::string_view mechanism) { return mechanism == scram_plus_mechanism; }

// A hostile server that was given the password could hand it back inside its error text (S6).
void withhold(diagnostics& diag, std::string_view password) {
  for (std::string* text : {&diag.severity, &diag.message, &diag.detail, &diag.hint, &diag.position, &diag.where,
                            &diag.schema, &diag.table, &diag.column, &diag.datatype, &diag.constraint,
                            &diag.internal_position, &diag.internal_query, &diag.file, &diag.line, &diag.routine}) {
    if (text->find(password) != std::string::npos) *text = "(withheld)";
  }
}

}  // namespace

struct startup::state {
  state(const connect_config& c, channel_security s, login w) : config(&c), security(s), with(std::move(w)) {}
  ~state() { wipe_output(); }
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  const connect_config* config;
  channel_security security;
  login with;
  session::stage stage = session::stage::fresh;
  bool bound = false;  // the exchange is SCRAM-SHA-256-PLUS
  std::uint32_t version = wire::protocol_3_0;
  bool negotiated = false;  // NegotiateProtocolVersion came
  std::string output;
  std::unique_ptr<scram_client> scram;  // from its first message to AuthenticationOk
  key_derivation job;
  server_identity identity;
  std::size_t parameter_bytes = 0;
  bool key_came = false;
  std::error_code error;
  diagnostics diag;

  void wipe_output() noexcept {
    OPENSSL_cleanse(output.data(), output.size());
    output.clear();
  }
  bool permits(auth_method method) const;
  bool over_tls() const {
    return security == channel_security::tls_unverified || security == channel_security::tls_verified;
  }
  bool must_bind() const { return config->channel_binding == channel_binding::require; }
  action refuse_unbound();
  action fail(std::error_code why, std::string_view context);
  action violation(std::string_view context) { return fail(errc::protocol_error, context); }

  action on_authentication(std::string_view body);
  action on_request(const wire::authentication& request);
  action on_ok();
  action send_password(std::string_view answer);
  action on_cleartext();
  action on_md5(std::string_view salt);
  action on_sasl(const wire::authentication& request);
  action on_sasl_continue(std::string_view data);
  action on_sasl_final(std::string_view data);
  action on_negotiation(std::string_view body);
  action on_error(std::string_view body);
  action on_notice(std::string_view body);
  action on_parameter(std::string_view body);
  action on_key(std::string_view body);
  action on_ready(std::string_view body);
};

secret derive_salted_password(const key_derivation& job) {
  std::array<unsigned char, scram_digest_size> salted{};
  const std::string_view password = job.password.reveal();
  const int done =
      PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                        reinterpret_cast<const unsigned char*>(job.salt.data()), static_cast<int>(job.salt.size()),
                        static_cast<int>(job.iterations), EVP_sha256(), static_cast<int>(salted.size()), salted.data());
  secret result;
  if (done == 1) result = secret(std::string_view(reinterpret_cast<const char*>(salted.data()), salted.size()));
  OPENSSL_cleanse(salted.data(), salted.size());
  return result;
}

// S3: what is not listed is not done; the default is SCRAM with a password and nothing without one.
bool startup::state::permits(auth_method method) const {
  const auto& listed = config->require_auth;
  if (listed.empty()) return method == (with.password.empty() ? auth_method::none : auth_method::scram_sha_256);
  return std::find(listed.begin(), listed.end(), method) != listed.end();
}

// C21: asked again at AuthenticationOk, whatever has led there.
startup::action startup::state::refuse_unbound() {
  std::string why = "channel_binding=require, but ";
  if (!over_tls()) {
    why += "the connection has no TLS";
  } else if (with.endpoint_digest.empty()) {
    why += "the server's certificate gives no digest" +
           (with.no_digest_why.empty() ? std::string() : ": " + with.no_digest_why);  // C22
  } else {
    why += "the server does not offer SCRAM-SHA-256-PLUS";
  }
  return fail(errc::auth_refused, why);
}

startup::action startup::state::fail(std::error_code why, std::string_view context) {
  stage = session::stage::failed;
  error = why;
  diag.context = context;
  wipe_output();
  job.password.wipe();
  with.password.wipe();
  identity.cancel_key.wipe();
  return action::fail;
}

// ---- authentication ----

startup::action startup::state::on_authentication(std::string_view body) {
  const auto request = wire::parse_authentication(body);
  if (!request) return violation("malformed authentication request");
  switch (stage) {
    case session::stage::requested: return on_request(*request);
    case session::stage::password_sent:
    case session::stage::proven:
      if (request->kind == wire::auth_kind::ok) return on_ok();
      return violation("the server asks again after it was answered");
    case session::stage::sasl_started:
      if (request->kind == wire::auth_kind::sasl_continue) return on_sasl_continue(request->data);
      break;
    case session::stage::sasl_answered:
      if (request->kind == wire::auth_kind::sasl_final) return on_sasl_final(request->data);
      break;
    default: return violation("unexpected authentication request");
  }
  // B29, C23: in the middle of SCRAM nothing but its own next message counts.
  if (request->kind == wire::auth_kind::ok)
    return fail(errc::server_not_proven, "AuthenticationOk in the middle of SCRAM");
  return violation("SCRAM messages out of order");
}

startup::action startup::state::on_request(const wire::authentication& request) {
  if (must_bind() && request.kind != wire::auth_kind::sasl) return refuse_unbound();
  switch (request.kind) {
    case wire::auth_kind::ok:
      if (permits(auth_method::none)) return on_ok();
      return fail(errc::server_not_proven,
                  "the server lets everybody in: AuthenticationOk without a challenge");  // B30
    case wire::auth_kind::cleartext: return on_cleartext();
    case wire::auth_kind::md5: return on_md5(request.salt);
    case wire::auth_kind::sasl: return on_sasl(request);
    case wire::auth_kind::sasl_continue:
    case wire::auth_kind::sasl_final: return violation("SCRAM messages out of order");
    case wire::auth_kind::unsupported: break;
  }
  const bool gss = request.code >= 7 && request.code <= 9;
  return fail(errc::auth_unsupported,
              gss ? "the server asks for GSS or SSPI (Kerberos), which Lido does not speak: give this user "
                    "scram-sha-256 or cert in pg_hba.conf"
                  : "the server asks for authentication code " + std::to_string(request.code));
}

startup::action startup::state::on_ok() {
  if (must_bind() && !(bound && stage == session::stage::proven)) return refuse_unbound();
  stage = session::stage::authenticated;
  scram.reset();
  job.password.wipe();
  with.password.wipe();
  return action::read;
}

startup::action startup::state::send_password(std::string_view answer) {
  if (with.password.empty()) return fail(errc::auth_failed, "the server asks for a password and none is set");
  output.reserve(answer.size() + 8);  // type, length, NUL: so that no copy is left behind by growing
  wire::append_password(output, answer);
  stage = session::stage::password_sent;
  return action::write;
}

startup::action startup::state::on_cleartext() {
  if (!permits(auth_method::password)) {
    return fail(errc::auth_refused,
                "the server asks for the password in clear text: require_auth does not list `password`");
  }
  const bool private_channel = security == channel_security::tls_verified || security == channel_security::unix_socket;
  if (!private_channel) return fail(errc::auth_refused, "a clear text password needs verified TLS or a Unix socket");
  return send_password(with.password.reveal());
}

startup::action startup::state::on_md5(std::string_view salt) {
  if (!permits(auth_method::md5)) {
    return fail(errc::auth_refused, "the server asks for an md5 password: require_auth does not list `md5`");
  }
  const secret answer = md5_answer(with.password.reveal(), config->user, salt);
  if (answer.reveal().size() != 3 + md5_digits) return fail(errc::auth_failed, "the crypto library has no MD5");
  return send_password(answer.reveal());
}

startup::action startup::state::on_sasl(const wire::authentication& request) {
  const auto& offered = request.mechanisms;
  const bool plus = std::any_of(offered.begin(), offered.end(), is_scram_plus);
  if (plus && !over_tls()) return violation("the server offers SCRAM-SHA-256-PLUS without TLS");  // B31
  const bool can_bind =
      over_tls() && !with.endpoint_digest.empty() && config->channel_binding != channel_binding::disable;
  bound = plus && can_bind;
  if (must_bind() && !bound) return refuse_unbound();
  if (!bound && std::none_of(offered.begin(), offered.end(), is_scram)) {
    return fail(errc::auth_unsupported, "the server does not offer SCRAM-SHA-256");  // B25
  }
  if (with.password.empty()) return fail(errc::auth_failed, "the server asks for a password and none is set");
  if (!permits(auth_method::scram_sha_256)) {
    return fail(errc::auth_refused, "the server asks for SCRAM: require_auth does not list `scram-sha-256`");
  }
  auto nonce = make_scram_nonce();
  if (!nonce) return fail(errc::auth_failed, "the crypto library has no random bytes");
  const auto says = bound      ? scram_binding::tls_server_end_point
                    : can_bind ? scram_binding::offered_in_vain
                               : scram_binding::unsupported;
  scram = std::make_unique<scram_client>(std::move(*nonce), std::string_view{}, says, with.endpoint_digest);
  wire::append_sasl_initial(output, bound ? scram_plus_mechanism : scram_mechanism, scram->first_message());
  stage = session::stage::sasl_started;
  return action::write;
}

startup::action startup::state::on_sasl_continue(std::string_view data) {
  if (const auto fault = scram->on_server_first(data, config->scram_max_iterations))
    return fail(fault->code, fault->why);
  job.password = saslprep(with.password);
  job.salt = scram->salt();
  job.iterations = scram->iterations();
  stage = session::stage::deriving;
  return action::derive_key;
}

startup::action startup::state::on_sasl_final(std::string_view data) {
  if (const auto fault = scram->on_server_final(data)) return fail(fault->code, fault->why);
  stage = session::stage::proven;
  return action::read;
}

// ---- everything else ----

// B40: only as the first answer. We ask for 3.0 or 3.2 and no protocol options: the version may be lowered, and there
// is nothing of ours to refuse.
startup::action startup::state::on_negotiation(std::string_view body) {
  if (stage != session::stage::requested || negotiated) return violation("unexpected NegotiateProtocolVersion");
  const auto offer = wire::parse_negotiation(body);
  if (!offer) return violation("malformed NegotiateProtocolVersion");
  // The server may send the whole version number or its minor half; both halves of 3.0 are known.
  const std::uint32_t offered =
      offer->newest_minor < 1U << 16 ? wire::protocol_3_0 + offer->newest_minor : offer->newest_minor;
  const bool ours = offered == wire::protocol_3_0 || (offered == wire::protocol_3_2 && offered == version);
  const auto& names = offer->unknown_options;
  const bool only_options =
      std::all_of(names.begin(), names.end(), [](auto name) { return name.substr(0, 5) == "_pq_."; });
  if (!ours || !only_options) return violation("NegotiateProtocolVersion offers what was not asked for");
  negotiated = true;
  version = offered;
  if (config->min_protocol_version == protocol_version::v3_2 && version != wire::protocol_3_2)
    return fail(errc::protocol_error, "the server speaks protocol 3.0 only, and min_protocol_version is 3.2");
  return action::read;
}

startup::action startup::state::on_error(std::string_view body) {
  auto said = wire::parse_diagnostics(body);
  if (!said) return violation("malformed ErrorResponse");
  diag = std::move(*said);
  if (stage == session::stage::password_sent) withhold(diag, with.password.reveal());
  const bool before = stage != session::stage::authenticated;
  return fail(make_sqlstate(diag.sqlstate),
              before ? "the server refused the connection" : "the server refused the session");
}

startup::action startup::state::on_notice(std::string_view body) {
  if (stage != session::stage::authenticated) return violation("NoticeResponse before authentication");  // B41
  auto said = wire::parse_diagnostics(body);
  if (!said) return violation("malformed NoticeResponse");
  const bool goodbye =
      said->sqlstate == "57P01" || said->sqlstate == "57P02";  // B51: an immediate stop says it in a notice
  if (!goodbye) return action::read;
  diag = std::move(*said);
  return fail(errc::server_shutdown, "the server went away during start-up");
}

// B47: kept whatever it is called, within bounds.
startup::action startup::state::on_parameter(std::string_view body) {
  if (stage != session::stage::authenticated) return violation("ParameterStatus before authentication");  // B41
  const auto parameter = wire::parse_parameter_status(body);
  if (!parameter) return violation("malformed ParameterStatus");
  auto& kept = identity.parameters;
  const auto known = kept.find(parameter->name);
  if (known != kept.end()) {
    parameter_bytes -= known->second.size();
    parameter_bytes += parameter->value.size();
    known->second = parameter->value;
  } else {
    parameter_bytes += parameter->name.size() + parameter->value.size();
    kept.emplace(parameter->name, parameter->value);
  }
  if (kept.size() > wire::max_server_parameters || parameter_bytes > wire::max_server_parameter_bytes) {
    return violation("too many server parameters");
  }
  return action::read;
}

startup::action startup::state::on_key(std::string_view body) {
  if (stage != session::stage::authenticated) return violation("BackendKeyData before authentication");
  const auto key = wire::parse_backend_key(body, version == wire::protocol_3_2 ? wire::max_cancel_key : 4);
  if (!key) return violation("malformed BackendKeyData");       // B42
  if (key_came) return violation("BackendKeyData came twice");  // B43
  key_came = true;
  identity.process_id = key->process_id;
  identity.cancel_key = secret(key->secret);
  return action::read;
}

startup::action startup::state::on_ready(std::string_view body) {
  if (stage != session::stage::authenticated) return violation("ReadyForQuery before authentication");
  // B45, B46. A session that is born inside a transaction is somebody else's.
  if (wire::parse_ready_for_query(body) != wire::transaction_status::idle)
    return violation("bad ReadyForQuery at start-up");
  stage = session::stage::done;
  return action::done;
}

// ---- the class ----

startup::startup(const connect_config& config, channel_security security, login with)
    : state_(std::make_unique<state>(config, security, std::move(with))) {}
startup::~startup() = default;
startup::startup(startup&&) noexcept = default;
startup& startup::operator=(startup&&) noexcept = default;

startup::action startup::begin() {
  state& s = *state_;
  const connect_config& config = *s.config;
  const std::string_view password = s.with.password.reveal();
  // C33: nothing is written unless everything can be.
  if (password.find('\0') != std::string_view::npos) return s.fail(errc::not_encodable, "a NUL byte in password");
  if (password.size() > max_password) return s.fail(errc::not_encodable, "password is longer than 65,535 bytes");
  auto parameters = collect_startup_parameters(config);
  if (parameters.error) return s.fail(parameters.error, parameters.why);
  if (config.max_protocol_version == protocol_version::v3_2) s.version = wire::protocol_3_2;
  wire::append_startup(s.output, parameters.values, s.version);
  s.stage = stage::requested;
  return action::write;
}

startup::action startup::on_frame(const wire::frame& frame) {
  state& s = *state_;
  s.wipe_output();
  if (s.stage == stage::failed) return action::fail;
  switch (frame.type) {
    case 'R': return s.on_authentication(frame.body);
    case 'E': return s.on_error(frame.body);
    case 'v': return s.on_negotiation(frame.body);
    case 'N': return s.on_notice(frame.body);
    case 'S': return s.on_parameter(frame.body);
    case 'K': return s.on_key(frame.body);
    case 'Z': return s.on_ready(frame.body);
    default: break;
  }
  return s.violation("expected an authentication request");  // B19
}

startup::action startup::key_derived(const secret& salted_password) {
  state& s = *state_;
  if (s.stage == stage::failed) return action::fail;
  if (s.stage != stage::deriving) return s.violation("no key was asked for");
  s.job.password.wipe();
  const auto message = s.scram->final_message(salted_password);
  if (!message) return s.fail(errc::auth_failed, "the crypto library could not compute the SCRAM proof");
  s.wipe_output();
  wire::append_sasl_response(s.output, *message);
  s.stage = stage::sasl_answered;
  return action::write;
}

wire::phase startup::phase() const noexcept {
  switch (state_->stage) {
    case stage::authenticated: return wire::phase::startup;
    case stage::done: return wire::phase::ready;
    default: return wire::phase::authentication;
  }
}

const std::string& startup::output() const noexcept { return state_->output; }
const key_derivation& startup::key_job() const noexcept { return state_->job; }
server_identity& startup::identity() noexcept { return state_->identity; }
std::error_code startup::error() const noexcept { return state_->error; }
const diagnostics& startup::diag() const noexcept { return state_->diag; }

}  // namespace lido::session
