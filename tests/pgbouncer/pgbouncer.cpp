#include "tests/pgbouncer/pgbouncer.hpp"

#include "tests/support/eventually.hpp"
#include "tests/support/loopback.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <sstream>
#include <stdexcept>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* program = "/usr/sbin/pgbouncer";
constexpr auto guard = 30s;

std::string configuration(const postgres_cluster& server, const pgbouncer_settings& settings,
                          const std::filesystem::path& folder, std::uint16_t port) {
  std::ostringstream text;
  text << "[databases]\n"
       << server.database() << " = host=" << server.socket_dir().string() << " port=" << server.port()
       << " dbname=" << server.database() << "\n[pgbouncer]\n"
       << "listen_addr = 127.0.0.1\nlisten_port = " << port << "\n"
       << "unix_socket_dir = " << folder.string() << "\n"
       << "auth_type = trust\nauth_file = " << (folder / "users.txt").string() << "\n"
       << "admin_users = boss\n"
       << "pool_mode = " << settings.pool_mode << "\n"
       << "default_pool_size = " << settings.pool_size << "\nmax_client_conn = 200\n"
       << "ignore_startup_parameters = extra_float_digits\n"
       << "server_login_retry = 1\n";
  for (const auto& line : settings.further) text << line << "\n";
  return text.str();
}

}  // namespace

pgbouncer::pgbouncer(postgres_cluster& server, const pgbouncer_settings& settings)
    : run_as_{server_account()}, folder_{"lido-pgbouncer-"}, port_{free_port()} {
  write_file(folder_.path() / "users.txt", "\"" + server.user() + "\" \"\"\n\"boss\" \"\"\n");
  write_file(folder_.path() / "pgbouncer.ini", configuration(server, settings, folder_.path(), port_));
  checked(::chmod(folder_.path().c_str(), 0755), "chmod");
  if (run_as_) checked(::chown(folder_.path().c_str(), run_as_->uid, run_as_->gid), "chown");
  start();
}

pgbouncer::~pgbouncer() {
  if (process_.running()) process_.signal(SIGTERM);
  process_.wait(guard);
}

void pgbouncer::start() {
  const auto log_path = folder_.path() / "pgbouncer.log";
  const descriptor log{
      checked(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644), "open PgBouncer's log")};
  child_settings child;
  child.arguments = {program, folder_.path() / "pgbouncer.ini"};
  child.run_as = run_as_;
  child.output = log.get();
  child.errors = log.get();
  child.parent_death_signal = SIGKILL;
  process_ = keeper_.start(child);
  if (!eventually([this] { return !process_.running() || answers(); }, guard) || !process_.running()) {
    throw std::runtime_error{"PgBouncer did not start: " + this->log()};
  }
}

void pgbouncer::stop() {
  process_.signal(SIGTERM);
  if (!process_.wait(guard)) throw std::runtime_error{"PgBouncer did not stop: " + log()};
}

bool pgbouncer::answers() const {
  try {
    admin("SHOW VERSION");
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::string pgbouncer::admin(const std::string& command) const {
  auto result = run_process({"/usr/bin/psql", "-XAtq", "-h", folder_.path(), "-p", std::to_string(port_), "-U", "boss",
                             "-d", "pgbouncer", "-c", command});
  if (result.status != 0) throw std::runtime_error{command + ": " + result.errors};
  while (result.output.ends_with('\n')) result.output.pop_back();
  return result.output;
}

std::string pgbouncer::log() const { return read_file(folder_.path() / "pgbouncer.log"); }

}  // namespace lido::testing
