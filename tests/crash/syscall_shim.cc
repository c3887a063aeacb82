// A library for LD_PRELOAD that sees every call which changes files below LATENT_SHIM_ROOT.
//   LATENT_SHIM_KILL_AT=n   SIGKILL in place of the n-th such call
//   LATENT_SHIM_FAIL_AT=n   the n-th such call fails once with EIO
//   LATENT_SHIM_FULL_AT=n   the disk is full from the n-th such call on: the file LATENT_SHIM_FULL
//                           is made, and while it is there what takes space fails with ENOSPC
//   LATENT_SHIM_REPORT=file is made when a call fails
//   LATENT_SHIM_SHADOW=dir  keeps what a power cut would leave: syncing a file stores its bytes,
//                           syncing a directory stores its entries; nothing else counts.
//                           dir/files/ID holds bytes, dir/dirs/ID lines "kind ID name", dir/root
//                           the root's ID
//   LATENT_SHIM_DROP_SYNC=pattern  a planted bug: syncs of matching paths (fnmatch, relative to the
//                           root) succeed and do nothing
// Not counted: the database's -shm file, which means nothing after a crash.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

struct Settings {
  std::string root = Environment("LATENT_SHIM_ROOT");
  std::string shadow = Environment("LATENT_SHIM_SHADOW");
  std::string report = Environment("LATENT_SHIM_REPORT");
  std::string drop = Environment("LATENT_SHIM_DROP_SYNC");
  std::string full = Environment("LATENT_SHIM_FULL");
  long kill_at = atol(Environment("LATENT_SHIM_KILL_AT").c_str());
  long fail_at = atol(Environment("LATENT_SHIM_FAIL_AT").c_str());
  long full_at = atol(Environment("LATENT_SHIM_FULL_AT").c_str());
};
const Settings& Get() {
  static const Settings settings;
  return settings;
}
std::atomic<long> calls{0};

std::string PathOf(int fd) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), path, sizeof(path));
  return size < 0 ? "" : std::string(path, static_cast<size_t>(size));
}

std::string PathAt(int dir, const char* path) {
  if (path[0] == '/' || dir == AT_FDCWD) return path;
  return PathOf(dir) + "/" + path;
}

bool Counts(const std::string& path) {
  const std::string& root = Get().root;
  if (root.empty() || path.compare(0, root.size(), root) != 0) return false;
  return path.size() < 4 || path.compare(path.size() - 4, 4, "-shm") != 0;
}

void WriteFile(const std::string& path, const std::string& bytes) {
  const int fd = static_cast<int>(
      syscall(SYS_openat, AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (fd < 0 ||
      syscall(SYS_write, fd, bytes.data(), bytes.size()) != static_cast<long>(bytes.size())) {
    abort();
  }
  close(fd);
}

enum class Need { kNothing, kSpace };

// Counts the call; dies or returns true (errno set) where it must fail.
bool Strike(const std::string& path, Need need = Need::kNothing) {
  if (!Counts(path)) return false;
  const long call = ++calls;
  if (call == Get().kill_at) raise(SIGKILL);
  if (call == Get().full_at) WriteFile(Get().full, "");
  const bool full = need == Need::kSpace && !Get().full.empty() &&
                    syscall(SYS_access, Get().full.c_str(), F_OK) == 0;
  if (call != Get().fail_at && !full) return false;
  if (!Get().report.empty()) WriteFile(Get().report, "");
  errno = full ? ENOSPC : EIO;
  return true;
}

// Names a file for its whole life, though inode numbers may be used again.
std::string IdOf(int dir, const char* path, int flags, bool* is_dir) {
  struct statx info {};
  if (statx(dir, path, flags, STATX_INO | STATX_BTIME | STATX_TYPE, &info) != 0) return "";
  *is_dir = S_ISDIR(info.stx_mode);
  return std::to_string(info.stx_ino) + "-" + std::to_string(info.stx_btime.tv_sec) + "-" +
         std::to_string(info.stx_btime.tv_nsec);
}

void StoreFile(const std::string& path) {
  bool is_dir = false;
  const std::string id = IdOf(AT_FDCWD, path.c_str(), 0, &is_dir);
  FILE* file = fopen(path.c_str(), "rb");
  if (file == nullptr) return;
  std::string bytes;
  char piece[65536];
  for (size_t got = 0; (got = fread(piece, 1, sizeof(piece), file)) > 0;) bytes.append(piece, got);
  fclose(file);
  WriteFile(Get().shadow + "/files/" + id, bytes);
}

void StoreDirectory(const std::string& path, bool deep) {
  bool is_dir = false;
  const std::string id = IdOf(AT_FDCWD, path.c_str(), 0, &is_dir);
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return;
  std::string lines;
  while (const dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string child = path + "/" + name;
    bool child_is_dir = false;
    const std::string child_id = IdOf(AT_FDCWD, child.c_str(), AT_SYMLINK_NOFOLLOW, &child_is_dir);
    lines += std::string(child_is_dir ? "d " : "f ") + child_id + " " + name + "\n";
    if (deep && child_is_dir) StoreDirectory(child, true);
    if (deep && !child_is_dir) StoreFile(child);
  }
  closedir(dir);
  WriteFile(Get().shadow + "/dirs/" + id, lines);
}

void Shadow(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return;
  S_ISDIR(info.st_mode) ? StoreDirectory(path, false) : StoreFile(path);
}

// What is there when the process starts counts as durable.
__attribute__((constructor)) void Start() {
  if (Get().shadow.empty()) return;
  mkdir((Get().shadow + "/files").c_str(), 0700);
  mkdir((Get().shadow + "/dirs").c_str(), 0700);
  StoreDirectory(Get().root, true);
  bool is_dir = false;
  WriteFile(Get().shadow + "/root", IdOf(AT_FDCWD, Get().root.c_str(), 0, &is_dir));
}

int Sync(const char* name, int fd) {
  const std::string path = PathOf(fd);
  if (Strike(path)) return -1;
  if (!Counts(path)) return Real<int(int)>(name)(fd);
  const std::string relative = path.substr(std::min(path.size(), Get().root.size() + 1));
  if (!Get().drop.empty() &&
      fnmatch(Get().drop.c_str(), relative.empty() ? "." : relative.c_str(), FNM_PATHNAME) == 0) {
    return 0;
  }
  if (!Get().shadow.empty()) Shadow(path);
  return 0;  // the shadow takes the disk's place
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* bytes, size_t size) {
  if (Strike(PathOf(fd), Need::kSpace)) return -1;
  return Real<ssize_t(int, const void*, size_t)>("write")(fd, bytes, size);
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  if (Strike(PathOf(fd), Need::kSpace)) return -1;
  return Real<ssize_t(int, const void*, size_t, off_t)>("pwrite")(fd, bytes, size, offset);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  if (Strike(PathOf(fd), Need::kSpace)) return -1;
  return Real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64")(fd, bytes, size, offset);
}
int fsync(int fd) { return Sync("fsync", fd); }
int fdatasync(int fd) { return Sync("fdatasync", fd); }
int ftruncate(int fd, off_t size) noexcept {
  if (Strike(PathOf(fd))) return -1;
  return Real<int(int, off_t)>("ftruncate")(fd, size);
}
int ftruncate64(int fd, off64_t size) noexcept {
  if (Strike(PathOf(fd))) return -1;
  return Real<int(int, off64_t)>("ftruncate64")(fd, size);
}
int rename(const char* from, const char* to) noexcept {
  if (Strike(to)) return -1;
  return Real<int(const char*, const char*)>("rename")(from, to);
}
int renameat2(int from_dir, const char* from, int to_dir, const char* to,
              unsigned int flags) noexcept {
  if (Strike(PathAt(to_dir, to))) return -1;
  return Real<int(int, const char*, int, const char*, unsigned int)>("renameat2")(
      from_dir, from, to_dir, to, flags);
}
int unlink(const char* path) noexcept {
  if (Strike(path)) return -1;
  return Real<int(const char*)>("unlink")(path);
}
int unlinkat(int dir, const char* path, int flags) noexcept {
  if (Strike(PathAt(dir, path))) return -1;
  return Real<int(int, const char*, int)>("unlinkat")(dir, path, flags);
}
int rmdir(const char* path) noexcept {
  if (Strike(path)) return -1;
  return Real<int(const char*)>("rmdir")(path);
}
int mkdir(const char* path, mode_t mode) noexcept {
  if (Strike(path, Need::kSpace)) return -1;
  return Real<int(const char*, mode_t)>("mkdir")(path, mode);
}
int link(const char* from, const char* to) noexcept {
  if (Strike(to, Need::kSpace)) return -1;
  return Real<int(const char*, const char*)>("link")(from, to);
}

// Making a file changes a directory.
#define LATENT_SHIM_OPEN(name)                                                  \
  int name(const char* path, int flags, ...) {                                  \
    va_list arguments;                                                          \
    va_start(arguments, flags);                                                 \
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0; \
    va_end(arguments);                                                          \
    const bool makes = (flags & O_CREAT) != 0 && access(path, F_OK) != 0;       \
    if ((flags & (O_CREAT | O_TRUNC)) != 0 &&                                   \
        Strike(path, makes ? Need::kSpace : Need::kNothing)) {                  \
      return -1;                                                                \
    }                                                                           \
    return Real<int(const char*, int, ...)>(#name)(path, flags, mode);          \
  }
LATENT_SHIM_OPEN(open)
LATENT_SHIM_OPEN(open64)

}  // extern "C"
