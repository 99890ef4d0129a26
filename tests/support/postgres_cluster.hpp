// A private throw-away PostgreSQL for tests and the demo: own certificates, every way to log in, and every way to hurt
// it.
#pragma once

#include "tests/support/certificates.hpp"
#include "tests/support/files.hpp"
#include "tests/support/process.hpp"
#include "tests/support/superuser_session.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lido::testing {

class postgres_cluster;

struct cluster_settings {
  std::string version;  // "15" ... "18", or the folder of its programs; empty: LIDO_TEST_POSTGRES, else Debian's newest
  bool tls = true;
  /// A streaming standby of that one (pg_basebackup -R): its data, roles and certificates; it must outlive the start.
  const postgres_cluster* standby_of = nullptr;
  int max_connections = 200;
  std::vector<std::string> configuration;  // lines for postgresql.conf, after ours
  std::vector<std::string> access_rules;   // lines for pg_hba.conf, before ours
};

/// How a server is told to stop; `kill` is SIGKILL for the postmaster alone (M6, F1-F4).
enum class stop_mode { smart, fast, immediate, kill };

class postgres_cluster {
 public:
  explicit postgres_cluster(cluster_settings settings = {});
  postgres_cluster(const postgres_cluster&) = delete;
  postgres_cluster& operator=(const postgres_cluster&) = delete;
  ~postgres_cluster();

  /// The major version: 15, 16, 17, 18.
  [[nodiscard]] int version() const;

  // Where it is. The server's certificate is valid for "localhost" and for 127.0.0.1.
  [[nodiscard]] std::string host() const { return "127.0.0.1"; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::filesystem::path socket_dir() const { return folder_.path() / "run"; }

  // Who may log in over TCP: one role for each method, one password for all. Over the Unix socket everybody is trusted.
  [[nodiscard]] std::string user() const { return "lido"; }  // scram-sha-256
  [[nodiscard]] std::string md5_user() const { return "lido_md5"; }
  [[nodiscard]] std::string cleartext_user() const { return "lido_cleartext"; }
  [[nodiscard]] std::string trusted_user() const { return "lido_trusted"; }
  [[nodiscard]] std::string tls_only_user() const { return "lido_tls_only"; }        // scram, refused without TLS
  [[nodiscard]] std::string plain_only_user() const { return "lido_plain_only"; }    // scram, refused over TLS
  [[nodiscard]] std::string certificate_user() const { return "lido_certificate"; }  // by client certificate
  [[nodiscard]] std::string password() const { return "canary-5f0c7e-password"; }
  [[nodiscard]] std::string database() const { return "lido"; }

  // Certificates as files (for users of the library) and as objects (for a fake server or a proxy).
  [[nodiscard]] std::filesystem::path ca_file() const { return folder_.path() / "tls" / "ca.crt"; }
  [[nodiscard]] std::filesystem::path wrong_ca_file() const { return folder_.path() / "tls" / "wrong-ca.crt"; }
  [[nodiscard]] std::filesystem::path client_certificate() const { return folder_.path() / "tls" / "client.crt"; }
  [[nodiscard]] std::filesystem::path client_key() const { return folder_.path() / "tls" / "client.key"; }
  [[nodiscard]] const certificate_authority& authority() const noexcept { return authority_; }
  [[nodiscard]] const identity& server_identity() const noexcept { return server_identity_; }
  /// The right names, signed by an authority that nobody trusts.
  [[nodiscard]] const identity& wrong_identity() const noexcept { return wrong_identity_; }

  // Life and death.
  [[nodiscard]] pid_t postmaster_pid() const noexcept { return postmaster_.pid(); }
  void start();
  void stop(stop_mode mode = stop_mode::fast);
  void restart(stop_mode mode = stop_mode::fast);
  /// pg_ctl promote: from standby to primary, on a timeline of its own. Returns when it takes writes.
  void promote() const;
  /// To standby, in place: stop, standby.signal, start. It follows nobody.
  void demote();
  void stop_postmaster() const;      // SIGSTOP: the kernel still accepts connections, nobody serves them (M2)
  void continue_postmaster() const;  // SIGCONT
  /// Replaces the lines of an extra configuration file and waits until the postmaster has read them: later connections
  /// follow them.
  void reload(const std::vector<std::string>& lines);

  /// What the server has logged so far.
  [[nodiscard]] std::string log() const;
  /// Runs SQL as superuser over the Unix socket, and answers unaligned rows without headings; throws when it fails.
  std::string sql(const std::string& text) const;
  std::string sql(const std::string& text, const std::string& database) const;

 private:
  [[nodiscard]] std::filesystem::path data() const { return folder_.path() / "data"; }
  [[nodiscard]] std::string program(std::string_view name) const;
  void make_folders() const;
  void write_certificates() const;
  void initialise() const;
  void copy_primary() const;
  void write_configuration() const;
  void write_access_rules() const;
  void create_roles() const;
  void give_to_server(const std::filesystem::path& path) const;
  [[nodiscard]] child_process spawn();
  [[nodiscard]] bool ready() const;

  cluster_settings settings_;
  std::filesystem::path programs_;
  std::optional<account> run_as_;
  temporary_folder folder_;
  std::uint16_t port_;
  certificate_authority authority_;
  certificate_authority client_authority_;
  certificate_authority wrong_authority_;
  identity server_identity_;
  identity wrong_identity_;
  child_keeper keeper_;
  child_process postmaster_;
  mutable superuser_sessions superuser_{socket_dir() / (".s.PGSQL." + std::to_string(port_))};
};

/// One cluster for the whole test program, started at the first call and removed at exit.
postgres_cluster& shared_cluster();

}  // namespace lido::testing
