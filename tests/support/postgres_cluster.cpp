#include "tests/support/postgres_cluster.hpp"

#include "tests/support/descriptor.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/server_programs.hpp"
#include "tests/support/stale_clusters.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <algorithm>
#include <csignal>
#include <sstream>
#include <stdexcept>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;

constexpr auto start_budget = 30s;  // a hang guard for a loaded machine; about one second when it is not
constexpr auto stop_budget = 30s;

certificate_request client_request() {
  certificate_request request;
  request.common_name = "lido_certificate";
  request.dns_names.clear();
  request.ip_addresses.clear();
  return request;
}

int signal_of(stop_mode mode) {
  switch (mode) {
    case stop_mode::smart: return SIGTERM;
    case stop_mode::fast: return SIGINT;
    case stop_mode::immediate: return SIGQUIT;
    case stop_mode::kill: return SIGKILL;
  }
  throw std::logic_error{"unknown stop mode"};
}

std::size_t occurrences(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

}  // namespace

postgres_cluster::postgres_cluster(cluster_settings settings)
    : settings_{std::move(settings)},
      programs_{server_programs(settings_.version)},
      run_as_{server_account()},
      folder_{stale_clusters::prefix},
      port_{free_port()},
      authority_{"lido test authority"},
      client_authority_{"lido test client authority"},
      wrong_authority_{"somebody else's authority"},
      server_identity_{authority_.issue({})},
      wrong_identity_{wrong_authority_.issue({})} {
  stale_clusters::mark_owner(folder_.path());
  stale_clusters::sweep();
  make_folders();
  settings_.standby_of == nullptr ? initialise() : copy_primary();
  if (settings_.standby_of == nullptr) write_certificates();
  write_configuration();
  write_access_rules();
  start();
  if (settings_.standby_of == nullptr) create_roles();
  settings_.standby_of = nullptr;  // it may go its own way
}

postgres_cluster::~postgres_cluster() {
  if (!postmaster_.running()) return;
  // SIGCONT first: a stopped postmaster would not see the order. Immediate, since nobody will read the data again.
  postmaster_.signal(SIGCONT);
  postmaster_.signal(SIGQUIT);
  postmaster_.wait(stop_budget);
}

// PG_VERSION says it without a server that runs.
int postgres_cluster::version() const { return std::stoi(read_file(data() / "PG_VERSION")); }

std::string postgres_cluster::program(std::string_view name) const { return programs_ / name; }

void postgres_cluster::give_to_server(const std::filesystem::path& path) const {
  if (run_as_) checked(::chown(path.c_str(), run_as_->uid, run_as_->gid), "chown " + path.string());
}

void postgres_cluster::make_folders() const {
  std::filesystem::create_directory(folder_.path() / "tls");
  for (const auto& folder : {data(), socket_dir()}) {
    std::filesystem::create_directory(folder);
    give_to_server(folder);
  }
  checked(::chmod(data().c_str(), 0700), "chmod");
  checked(::chmod(folder_.path().c_str(), 0755), "chmod");
}

void postgres_cluster::initialise() const {
  const auto result = run_process({program("initdb"), "-D", data(), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                                   "--locale=C", "--no-sync", "--no-instructions"},
                                  run_as_, start_budget);
  if (result.status != 0) throw std::runtime_error{"initdb failed: " + result.errors};
}

void postgres_cluster::copy_primary() const {
  const postgres_cluster& primary = *settings_.standby_of;
  const auto result = run_process({client_program(programs_, "pg_basebackup"), "-D", data(), "-h", primary.socket_dir(),
                                   "-p", std::to_string(primary.port()), "-U", "postgres", "-R", "-c", "fast", "-X",
                                   "stream", "--no-sync", "--no-password"},
                                  run_as_, start_budget);
  if (result.status != 0) throw std::runtime_error{"pg_basebackup failed: " + result.errors};
}

void postgres_cluster::write_certificates() const {
  const auto client = client_authority_.issue(client_request());
  write_file(ca_file(), authority_.certificate());
  write_file(wrong_ca_file(), wrong_authority_.certificate());
  write_file(client_certificate(), client.certificate);
  write_file(client_key(), client.key, 0600);
  write_file(data() / "server.crt", server_identity_.certificate);
  write_file(data() / "server.key", server_identity_.key, 0600);
  write_file(data() / "client-ca.crt", client_authority_.certificate());
  for (const char* name : {"server.crt", "server.key", "client-ca.crt"}) give_to_server(data() / name);
}

void postgres_cluster::write_configuration() const {
  std::ostringstream text;
  text << "listen_addresses = '127.0.0.1'\n"
       << "port = " << port_ << "\n"
       << "unix_socket_directories = '" << socket_dir().string() << "'\n"
       << "max_connections = " << settings_.max_connections << "\n"
       << "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
       << "shared_buffers = 32MB\nmax_wal_size = 256MB\n"
       << "password_encryption = 'scram-sha-256'\n"
       << "log_line_prefix = '%m [%p] %q%u@%d '\n"
       << "timezone = 'UTC'\nlog_timezone = 'UTC'\n";
  if (settings_.tls) {
    text << "ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\nssl_ca_file = 'client-ca.crt'\n";
  }
  for (const auto& line : settings_.configuration) text << line << "\n";
  text << "include_if_exists = 'reloaded.conf'\n";
  const auto path = data() / "postgresql.conf";
  write_file(path, text.str(), 0600);
  give_to_server(path);
}

void postgres_cluster::write_access_rules() const {
  std::ostringstream text;
  for (const auto& line : settings_.access_rules) text << line << "\n";
  text << "local     all all                          trust\n"
       << "local     replication all                  trust\n"
       << "host      all lido_md5        127.0.0.1/32 md5\n"
       << "host      all lido_cleartext  127.0.0.1/32 password\n"
       << "host      all lido_trusted    127.0.0.1/32 trust\n";
  if (settings_.tls) {
    text << "hostssl   all lido_certificate 127.0.0.1/32 cert\n"
         << "hostnossl all lido_certificate 127.0.0.1/32 reject\n"
         << "hostnossl all lido_tls_only    127.0.0.1/32 reject\n"
         << "hostssl   all lido_plain_only  127.0.0.1/32 reject\n";
  }
  text << "host      all all              127.0.0.1/32 scram-sha-256\n";
  const auto path = data() / "pg_hba.conf";
  write_file(path, text.str(), 0600);
  give_to_server(path);
}

void postgres_cluster::create_roles() const {
  std::ostringstream text;
  const auto role = [&](const std::string& name) {
    text << "create role " << name << " login password '" << password() << "';\n";
  };
  for (const auto& name :
       {user(), cleartext_user(), trusted_user(), tls_only_user(), plain_only_user(), certificate_user()}) {
    role(name);
  }
  text << "set password_encryption = 'md5';\n";
  role(md5_user());
  sql(text.str(), "postgres");
  sql("create database " + database() + " owner " + user(), "postgres");
  sql("grant all on schema public to public");
}

child_process postgres_cluster::spawn() {
  const auto log_path = folder_.path() / "server.log";
  const descriptor log{
      checked(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644), "open the server's log")};
  child_settings child;
  child.arguments = {program("postgres"), "-D", data()};
  child.run_as = run_as_;
  child.output = log.get();
  child.errors = log.get();
  // An immediate shutdown if this program crashes: the server takes its own children and shared memory with it.
  child.parent_death_signal = SIGQUIT;
  return keeper_.start(child);
}

// The first line of postmaster.pid is the pid, the eighth the state: a file left by a killed server has another pid.
bool postgres_cluster::ready() const {
  std::istringstream lines;
  try {
    lines.str(read_file(data() / "postmaster.pid"));
  } catch (const std::runtime_error&) {
    return false;
  }
  std::string line;
  std::getline(lines, line);
  if (line != std::to_string(postmaster_.pid())) return false;
  for (int number = 2; number <= 8; ++number) std::getline(lines, line);
  return line.starts_with("ready");
}

void postgres_cluster::start() {
  // A server that was killed leaves backends that need a moment to notice; until then a new one refuses to start.
  const auto deadline = std::chrono::steady_clock::now() + start_budget;
  do {
    postmaster_ = spawn();
    if (eventually([this] { return !postmaster_.running() || ready(); }, start_budget) && postmaster_.running()) return;
  } while (std::chrono::steady_clock::now() < deadline);
  throw std::runtime_error{"the server did not start: " + log()};
}

void postgres_cluster::stop(stop_mode mode) {
  superuser_.close();
  postmaster_.signal(signal_of(mode));
  if (!postmaster_.wait(stop_budget)) throw std::runtime_error{"the server did not stop: " + log()};
}

void postgres_cluster::restart(stop_mode mode) {
  stop(mode);
  start();
}

void postgres_cluster::promote() const {
  const auto result = run_process({program("pg_ctl"), "promote", "-w", "-D", data()}, run_as_, start_budget);
  if (result.status != 0) throw std::runtime_error{"pg_ctl promote failed: " + result.output + result.errors};
}

void postgres_cluster::demote() {
  stop();
  write_file(data() / "standby.signal", "", 0600);
  give_to_server(data() / "standby.signal");
  start();
}

void postgres_cluster::stop_postmaster() const {
  postmaster_.signal(SIGSTOP);
  // The signal is asynchronous: a test relies on nobody being there to accept.
  const auto stat = "/proc/" + std::to_string(postmaster_.pid()) + "/stat";
  const auto stopped = [&] { return read_file(stat).find(") T ") != std::string::npos; };
  if (!eventually(stopped)) throw std::runtime_error{"the postmaster did not stop"};
}

void postgres_cluster::continue_postmaster() const { postmaster_.signal(SIGCONT); }

void postgres_cluster::reload(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  const auto path = data() / "reloaded.conf";
  write_file(path, text, 0600);
  give_to_server(path);
  // It logs before it reads, with connections blocked until it has read: whoever connects after the line sees the new
  // settings.
  constexpr std::string_view reloaded = "received SIGHUP, reloading configuration files";
  const auto before = occurrences(log(), reloaded);
  superuser_.close();  // who is connected hears of them later
  postmaster_.signal(SIGHUP);
  if (!eventually([&] { return occurrences(log(), reloaded) > before; })) {
    throw std::runtime_error{"the server did not reload its configuration"};
  }
}

std::string postgres_cluster::log() const { return read_file(folder_.path() / "server.log"); }

std::string postgres_cluster::sql(const std::string& text) const { return sql(text, database()); }

std::string postgres_cluster::sql(const std::string& text, const std::string& database) const {
  return superuser_.run(text, database);
}

postgres_cluster& shared_cluster() {
  static postgres_cluster cluster;
  return cluster;
}

}  // namespace lido::testing
