// The directory half of durable_file.h.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/durable_file.h"
#include "core/base/posix.h"
#include "core/base/status.h"

namespace latent {
namespace {

constexpr int kMaxDepth = 32;  // ours are five deep
constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct CloseDirectory {
  void operator()(DIR* dir) const { closedir(dir); }
};

// Entries of the directory `fd`, which stays open.
absl::StatusOr<std::vector<std::string>> NamesIn(int fd, const std::string& path) {
  UniqueFd copy(openat(fd, ".", kOpenDirectory));
  if (!copy.valid()) return ErrnoError("open", path);
  const std::unique_ptr<DIR, CloseDirectory> dir(fdopendir(copy.get()));
  if (dir == nullptr) return ErrnoError("list", path);
  copy.Release();
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) return ErrnoError("list", path);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status RemoveAt(int parent, const std::string& name, int depth) {
  if (unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return absl::OkStatus();
  if (errno != EISDIR && errno != EPERM) return ErrnoError("remove", name);
  if (depth > kMaxDepth) {
    return absl::FailedPreconditionError(absl::StrCat("remove ", name, ": nested too deeply"));
  }
  {
    const UniqueFd fd(openat(parent, name.c_str(), kOpenDirectory));
    if (!fd.valid()) return errno == ENOENT ? absl::OkStatus() : ErrnoError("open", name);
    LATENT_ASSIGN_OR_RETURN(const auto names, NamesIn(fd.get(), name));
    for (const auto& child : names) LATENT_RETURN_IF_ERROR(RemoveAt(fd.get(), child, depth + 1));
  }
  if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
    return absl::OkStatus();
  }
  return ErrnoError("remove", name);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), kOpenDirectory));
  if (!fd.valid()) return ErrnoError("open", path);
  return NamesIn(fd.get(), path);
}

absl::Status MakeDirectories(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0) {
    absl::Status synced = SyncDirectory(ParentOf(path));
    // A later call must not take an entry for durable that is not.
    if (!synced.ok()) rmdir(path.c_str());
    return synced;
  }
  // Where nothing can be made (/proc), ENOENT comes although the parent is there.
  if (errno == ENOENT && !PathExists(ParentOf(path))) {
    LATENT_RETURN_IF_ERROR(MakeDirectories(ParentOf(path)));
    return MakeDirectories(path);
  }
  if (errno != EEXIST) return ErrnoError("make directory", path);
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return ErrnoError("stat", path);
  if (S_ISDIR(info.st_mode)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(BaseName(path), ": expected a directory"));
}

absl::Status MoveInto(const std::string& from, const std::string& to) {
  int result = renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
    // A filesystem without RENAME_NOREPLACE; nobody else writes here, so looking first is enough.
    if (PathExists(to)) {
      errno = EEXIST;
      return ErrnoError("rename to", to);
    }
    result = rename(from.c_str(), to.c_str());
  }
  if (result != 0) return ErrnoError("rename to", to);
  LATENT_RETURN_IF_ERROR(SyncDirectory(ParentOf(to)));
  return ParentOf(from) == ParentOf(to) ? absl::OkStatus() : SyncDirectory(ParentOf(from));
}

absl::Status RemoveTree(const std::string& path) {
  const UniqueFd parent(open(ParentOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid()) return errno == ENOENT ? absl::OkStatus() : ErrnoError("open", path);
  LATENT_RETURN_IF_ERROR(RemoveAt(parent.get(), BaseName(path), 0));
  return SyncDirectory(ParentOf(path));
}

absl::Status SyncTree(const std::string& path) {
  LATENT_ASSIGN_OR_RETURN(const auto names, ListDirectory(path));
  for (const auto& name : names) {
    const std::string child = absl::StrCat(path, "/", name);
    struct stat info {};
    if (lstat(child.c_str(), &info) != 0) return ErrnoError("stat", child);
    LATENT_RETURN_IF_ERROR(S_ISDIR(info.st_mode) ? SyncTree(child) : SyncFile(child));
  }
  return SyncDirectory(path);
}

std::uint64_t TreeBytes(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return 0;
  if (S_ISREG(info.st_mode)) return static_cast<std::uint64_t>(info.st_size);
  if (!S_ISDIR(info.st_mode)) return 0;
  const auto names = ListDirectory(path);
  if (!names.ok()) return 0;
  std::uint64_t bytes = 0;
  for (const auto& name : *names) bytes += TreeBytes(absl::StrCat(path, "/", name));
  return bytes;
}

}  // namespace latent
