#include "peer/control.h"
#include "base/limits.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace causeway::peer {

namespace {

base::Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return base::fail("{}: expected a socket path of 1 to {} characters", path, sizeof address.sun_path - 1);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// A connected blocking socket, or -1 with errno set.
int connect_to(const sockaddr_un& address) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

}  // namespace

struct Control::Client {
  int fd = -1;
  std::unique_ptr<base::Loop::Watch> watch;
  std::string pending;
  ~Client() {
    watch.reset();
    if (fd >= 0) close(fd);
  }
};

base::Result<std::unique_ptr<Control>> Control::open(base::Loop& loop, base::Metrics& metrics,
                                                     const std::string& path, Ask ask) {
  auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  if (int other = connect_to(*address); other >= 0) {
    close(other);
    return base::fail(
        "{}: another peer answers on this control socket; give this one a peer.control of its own", path);
  }
  unlink(path.c_str());
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return base::fail("control socket: {}", std::strerror(errno));
  mode_t before = umask(0177);
  int bound = bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  int error = errno;
  umask(before);
  if (bound != 0 || listen(fd, 8) != 0) {
    if (bound == 0) error = errno;
    close(fd);
    return base::fail(
        "{}: cannot make the control socket: {}; set peer.control to a path this user may write", path,
        std::strerror(error));
  }
  return std::unique_ptr<Control>(new Control(loop, metrics, fd, path, std::move(ask)));
}

Control::Control(base::Loop& loop, base::Metrics& metrics, int fd, std::string path, Ask ask)
    : loop_(loop),
      fd_(fd),
      path_(std::move(path)),
      ask_(std::move(ask)),
      watch_(loop.watch(fd)),
      refused_(metrics.counter("control_refused_total{reason=\"clients\"}",
                               "connections to the control socket that were refused: too many")),
      too_long_(metrics.counter("control_refused_total{reason=\"length\"}",
                                "clients of the control socket whose line was too long")) {
  watch_->wait(base::Ready::read, [this] { accept_all(); });
}

Control::~Control() {
  watch_.reset();
  close(fd_);
  unlink(path_.c_str());
}

void Control::accept_all() {
  for (;;) {
    int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) break;
    if (clients_.size() >= limits::kMaxControlClients) {
      ++refused_;
      close(fd);
      continue;
    }
    auto client = std::make_shared<Client>();
    client->fd = fd;
    client->watch = loop_.watch(fd);
    clients_.push_back(client);
    client->watch->wait(base::Ready::read, [this, weak = std::weak_ptr(client)] {
      if (auto c = weak.lock()) read(c);
    });
  }
  watch_->wait(base::Ready::read, [this] { accept_all(); });
}

void Control::read(const std::shared_ptr<Client>& client) {
  char chunk[1024];
  ssize_t n = recv(client->fd, chunk, sizeof chunk, 0);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return drop(client);
  if (n > 0) client->pending.append(chunk, static_cast<std::size_t>(n));
  for (std::size_t end; (end = client->pending.find('\n')) != std::string::npos;) {
    std::string line = client->pending.substr(0, end);
    client->pending.erase(0, end + 1);
    ask_(line, [this, weak = std::weak_ptr(client)](std::string answer) {
      if (auto c = weak.lock()) write(*c, std::move(answer));
    });
  }
  if (client->pending.size() > limits::kMaxControlRequest) {
    ++too_long_;
    return drop(client);
  }
  client->watch->wait(base::Ready::read, [this, weak = std::weak_ptr(client)] {
    if (auto c = weak.lock()) read(c);
  });
}

void Control::drop(const std::shared_ptr<Client>& client) { std::erase(clients_, client); }

// Answers fit the socket's buffer (200 kB); a client that does not read one loses the rest.
void Control::write(Client& client, std::string line) {
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    ssize_t n = send(client.fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

base::Result<std::string> ask_peer(const std::string& path, std::string_view request,
                                   base::Duration patience) {
  auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  int fd = connect_to(*address);
  if (fd < 0)
    return base::fail("{}: no peer answers here ({}); is `causeway peer` running, with this peer.control?",
                      path, std::strerror(errno));
  std::string line = std::string(request) + "\n", answer;
  bool sent = send(fd, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size());
  auto until = std::chrono::steady_clock::now() + patience;
  while (sent && answer.find('\n') == std::string::npos) {
    auto left = std::chrono::duration_cast<base::Duration>(until - std::chrono::steady_clock::now());
    pollfd ready{fd, POLLIN, 0};
    if (left.count() <= 0 || poll(&ready, 1, static_cast<int>(left.count())) <= 0) break;
    char chunk[16384];
    ssize_t n = recv(fd, chunk, sizeof chunk, 0);
    if (n <= 0) break;
    answer.append(chunk, static_cast<std::size_t>(n));
  }
  close(fd);
  auto end = answer.find('\n');
  if (end == std::string::npos)
    return base::fail("{}: the peer did not answer within {} ms", path, patience.count());
  answer.resize(end);
  return answer;
}

}  // namespace causeway::peer
