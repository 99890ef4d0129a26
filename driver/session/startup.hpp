// Start-up and authentication, sans-io: StartupMessage, the server's challenges, parameters and key, up to the first
// ReadyForQuery. Frames go in, actions come out; the owner performs them. Rules: reliability.md B19-B48, S3, S4;
// contract I6.
#pragma once

#include "driver/wire/backend.hpp"
#include "driver/wire/frame.hpp"

#include <lido/driver/config.hpp>
#include <lido/driver/error.hpp>
#include <lido/driver/secret.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace lido::session {

// The transport under the session, as far as policy cares.
enum class channel_security { plain, unix_socket, tls_unverified, tls_verified };

// The expensive part of SCRAM, as a value that a helper thread can compute: PBKDF2 over these. Wiped on destruction.
struct key_derivation {
  secret password;
  std::string salt;
  std::uint32_t iterations = 0;
};
secret derive_salted_password(const key_derivation& job);  // 32 bytes; any thread; about 1 ms per 5,000 iterations

// What a login needs besides the configuration, and is found out for each.
struct login {
  secret password;
  std::string endpoint_digest;  // of the server's certificate (RFC 5929, tls-server-end-point); empty: there is none
  std::string no_digest_why;    // for a person
};

// What a finished start-up leaves to the session.
struct server_identity {
  std::uint32_t process_id = 0;
  secret cancel_key;  // empty: no BackendKeyData came, so no cancel (I7, B44)
  std::map<std::string, std::string, std::less<>> parameters;
};

class startup {
 public:
  enum class action {
    read,        // feed the next frame
    write,       // send output(), then feed the next frame
    derive_key,  // compute derive_salted_password(key_job()) off this thread, then call key_derived()
    done,        // identity() is complete
    fail,        // error() and diag() say why; close the socket
  };

  // `config` must outlive the object. Errors of `config` itself (NUL in a name, C33) come out of begin().
  startup(const connect_config& config, channel_security security, login with);
  startup(const connect_config& config, channel_security security)
      : startup(config, security, login{config.password, {}, {}}) {}
  ~startup();
  startup(startup&&) noexcept;
  startup& operator=(startup&&) noexcept;

  action begin();
  action on_frame(const wire::frame& frame);
  action key_derived(const secret& salted_password);

  wire::phase phase() const noexcept;  // for next_frame()
  const std::string& output() const noexcept;
  const key_derivation& key_job() const noexcept;
  server_identity& identity() noexcept;
  std::error_code error() const noexcept;
  const diagnostics& diag() const noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace lido::session
