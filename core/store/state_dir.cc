#include "core/store/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "core/base/durable_file.h"
#include "core/base/ids.h"
#include "core/base/posix.h"
#include "core/base/status.h"

namespace latent {
namespace {

constexpr const char* kFolders[] = {"models", "jobs", "datasets", "staging", "quarantine"};
constexpr std::uint64_t kMaxReserve = 1ull << 30;
constexpr std::size_t kMaxQuarantineLabel = 128;  // of a quarantined path

std::string Joined(std::string_view a, std::string_view b, std::string_view c) {
  std::string path(a);
  path.append("/").append(b).append("/").append(c);
  return path;
}

absl::Status Refuse(const std::string& root, const std::string& why) {
  return absl::FailedPreconditionError(absl::StrCat("state directory ", root, ": ", why));
}

absl::Status CheckOwner(const std::string& root, const struct stat& info) {
  if (info.st_uid != geteuid()) {
    return Refuse(root, absl::StrCat("belongs to user ", info.st_uid, ", this process is user ",
                                     geteuid(), "; chown it or choose another"));
  }
  if ((info.st_mode & 0022) != 0) {
    return Refuse(root, "others may write to it; run chmod 700 on it");
  }
  if ((info.st_mode & 0077) != 0 && chmod(root.c_str(), 0700) != 0) {
    return ErrnoError("chmod", root);
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> TakeLock(const std::string& root) {
  const std::string path = root + "/LOCK";
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoError("open", path);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return ErrnoError("lock", path);
  return Refuse(root, "another process owns it; stop that one or choose another directory");
}

// Also syncs what an interrupted run may have left unsynced.
absl::Status MakeFolders(const std::string& root, dev_t device) {
  for (const char* folder : kFolders) {
    const std::string path = absl::StrCat(root, "/", folder);
    LATENT_RETURN_IF_ERROR(MakeDirectories(path));
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return ErrnoError("stat", path);
    if (info.st_dev != device) {
      return Refuse(root, absl::StrCat(folder,
                                       "/ lies on another filesystem; all of it must be "
                                       "on one, so that renames are atomic"));
    }
    LATENT_RETURN_IF_ERROR(SyncDirectory(path));
  }
  return SyncDirectory(root);
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateDir>> StateDir::Open(const std::string& root) {
  if (root.empty()) return absl::InvalidArgumentError("state directory: expected a path");
  LATENT_RETURN_IF_ERROR(Annotate(MakeDirectories(root), "state directory"));
  char* resolved = realpath(root.c_str(), nullptr);
  if (resolved == nullptr) return ErrnoError("resolve", root);
  const std::string absolute = resolved;
  std::free(resolved);  // NOLINT: realpath's contract
  struct stat info {};
  if (stat(absolute.c_str(), &info) != 0) return ErrnoError("stat", absolute);
  LATENT_RETURN_IF_ERROR(CheckOwner(absolute, info));
  LATENT_ASSIGN_OR_RETURN(UniqueFd lock, TakeLock(absolute));
  LATENT_RETURN_IF_ERROR(MakeFolders(absolute, info.st_dev));
  return std::unique_ptr<StateDir>(new StateDir(absolute, lock.Release()));
}

StateDir::~StateDir() { close(lock_fd_); }

std::string StateDir::model_dir(std::string_view tenant, std::string_view name) const {
  return Joined(models_dir(), tenant, name);
}
std::string StateDir::version_dir(std::string_view tenant, std::string_view name,
                                  std::uint64_t version) const {
  return absl::StrCat(model_dir(tenant, name), "/", version);
}
std::string StateDir::job_dir(std::string_view id) const {
  std::string path = jobs_dir();
  path.append("/").append(id);
  return path;
}
std::string StateDir::dataset_dir(std::string_view tenant, std::string_view name) const {
  return Joined(datasets_dir(), tenant, name);
}

absl::StatusOr<std::string> StateDir::MakeStagingDir() const {
  const std::string path = absl::StrCat(staging_dir(), "/", RandomUuid());
  LATENT_RETURN_IF_ERROR(MakeDirectories(path));
  return path;
}

absl::StatusOr<std::string> StateDir::Quarantine(const std::string& path,
                                                 std::string_view label) const {
  if (!PathExists(path)) return std::string();
  std::string target = absl::StrCat(root_, "/quarantine/", RandomUuid(), "-");
  target.append(label.substr(0, kMaxQuarantineLabel));
  LATENT_RETURN_IF_ERROR(MoveInto(path, target));
  return target;
}

absl::StatusOr<std::vector<std::string>> StateDir::ListFolders(
    const std::string& path, std::vector<std::string>* notes) const {
  LATENT_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDirectory(path));
  std::vector<std::string> folders;
  for (std::string& name : names) {
    const std::string entry = absl::StrCat(path, "/", name);
    if (IsDirectory(entry)) {
      folders.push_back(std::move(name));
      continue;
    }
    LATENT_RETURN_IF_ERROR(Quarantine(entry, absl::StrCat("stray-", name)).status());
    notes->push_back(absl::StrCat("moved ", Quoted(name), " from ", Quoted(BaseName(path)),
                                  " to quarantine: expected directories alone there"));
  }
  return folders;
}

absl::Status StateDir::CheckFreeSpace(std::uint64_t bytes) const {
  struct statvfs info {};
  if (statvfs(root_.c_str(), &info) != 0) return ErrnoError("measure free space of", root_);
  const std::uint64_t block = info.f_frsize;
  const std::uint64_t reserve = std::min<std::uint64_t>(info.f_blocks * block / 20, kMaxReserve);
  const std::uint64_t free = info.f_bavail * block;
  if (free >= reserve && free - reserve >= bytes) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kResourceExhausted, "DISK_FULL",
      absl::StrCat("the server's disk is full: ", bytes, " bytes to write, ", free, " free, ",
                   reserve, " must stay free; delete datasets, versions or jobs"));
}

StateDir::Usage StateDir::MeasureUsage() const {
  Usage usage;
  usage.database = TreeBytes(database_path()) + TreeBytes(database_path() + "-wal");
  usage.models = TreeBytes(models_dir());
  usage.jobs = TreeBytes(jobs_dir());
  usage.datasets = TreeBytes(datasets_dir());
  usage.other = TreeBytes(staging_dir()) + TreeBytes(root_ + "/quarantine");
  struct statvfs info {};
  if (statvfs(root_.c_str(), &info) == 0) usage.free = info.f_bavail * info.f_frsize;
  return usage;
}

}  // namespace latent
