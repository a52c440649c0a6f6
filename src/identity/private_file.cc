#include "identity/private_file.h"
#include "base/limits.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

namespace causeway::identity {
namespace {

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() { close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  explicit operator bool() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  bool close() {
    int fd = std::exchange(fd_, -1);
    return fd < 0 || ::close(fd) == 0;
  }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string folder_of(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

}  // namespace

base::Status write_private_file(const std::string& path, std::string_view text) {
  auto failed = [&](std::string_view step) {
    return base::fail("cannot write {} ({}): {}", path, step, std::strerror(errno));
  };
  std::string temporary = path + ".XXXXXX";
  File file(::mkostemp(temporary.data(), O_CLOEXEC));  // makes it 0600
  if (!file) return failed("making a temporary file beside it");
  if (!write_all(file.fd(), text) || ::fsync(file.fd()) != 0 || !file.close() ||
      ::rename(temporary.c_str(), path.c_str()) != 0) {
    auto error = failed("writing it anew");
    ::unlink(temporary.c_str());
    return error;
  }
  // The rename must survive a power cut too; a file system that cannot promise that is no error.
  if (File folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); folder)
    ::fsync(folder.fd());
  return {};
}

base::Result<std::string> read_private_file(const std::string& path) {
  auto failed = [&] { return base::fail("cannot read {}: {}", path, std::strerror(errno)); };
  File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe must not hold us up
  struct stat about {};
  if (!file || ::fstat(file.fd(), &about) != 0) return failed();
  if (!S_ISREG(about.st_mode))
    return base::fail("cannot read {}: expected a file, found something else", path);
  if (static_cast<std::size_t>(about.st_size) > limits::kMaxFile)
    return base::fail("cannot read {}: expected at most {} bytes, found {}", path, limits::kMaxFile,
                      about.st_size);
  if (about.st_mode & (S_IRWXG | S_IRWXO))
    base::log::warn("identity", "{} holds secrets and others than its owner have access to it: chmod 600 {}",
                    path, path);
  std::string text(static_cast<std::size_t>(about.st_size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    ssize_t n = ::read(file.fd(), text.data() + have, text.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed();
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  text.resize(have);
  return text;
}

}  // namespace causeway::identity
