// The state directory: its paths, its lock and its free space. One process owns it (flock on LOCK)
// for the life of this object; made once at start-up, shared by all stores, any thread.
// Not its job: what the files hold.
//   latent.db  models/<tenant>/<name>/<version>/  jobs/<id>/  datasets/<tenant>/<name>/
//   staging/<uuid>/  quarantine/
#ifndef LATENT_CORE_STORE_STATE_DIR_H_
#define LATENT_CORE_STORE_STATE_DIR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace latent {

// Part of every unique key; the only tenant until there are others.
inline constexpr std::string_view kDefaultTenant = "default";

class StateDir {
 public:
  // Makes `root` (mode 0700) and its folders if missing. FAILED_PRECONDITION if another process
  // owns it, if its parts lie on several filesystems, or if others may write to it.
  static absl::StatusOr<std::unique_ptr<StateDir>> Open(const std::string& root);
  ~StateDir();
  StateDir(const StateDir&) = delete;
  StateDir& operator=(const StateDir&) = delete;

  const std::string& root() const { return root_; }
  std::string database_path() const { return root_ + "/latent.db"; }
  std::string models_dir() const { return root_ + "/models"; }
  std::string model_dir(std::string_view tenant, std::string_view name) const;
  std::string version_dir(std::string_view tenant, std::string_view name,
                          std::uint64_t version) const;
  std::string jobs_dir() const { return root_ + "/jobs"; }
  std::string job_dir(std::string_view id) const;
  std::string datasets_dir() const { return root_ + "/datasets"; }
  std::string dataset_dir(std::string_view tenant, std::string_view name) const;
  std::string staging_dir() const { return root_ + "/staging"; }

  // A new empty directory staging/<uuid>. Everything in staging/ goes at the next start.
  absl::StatusOr<std::string> MakeStagingDir() const;
  // Moves `path` into quarantine/ under a new name that ends in `label`; returns that path. OK with
  // an empty path if there is nothing.
  absl::StatusOr<std::string> Quarantine(const std::string& path, std::string_view label) const;

  // Names of the directories in `path`. What else stands there is nobody's: it goes to quarantine/,
  // with a line in `notes`.
  absl::StatusOr<std::vector<std::string>> ListFolders(const std::string& path,
                                                       std::vector<std::string>* notes) const;

  // RESOURCE_EXHAUSTED (reason DISK_FULL) if after writing `bytes` less than min(5 % of the
  // filesystem, 1 GiB) would be free.
  absl::Status CheckFreeSpace(std::uint64_t bytes) const;

  struct Usage {
    std::uint64_t database = 0, models = 0, jobs = 0, datasets = 0, other = 0;  // bytes
    std::uint64_t free = 0;  // of the filesystem, for this user
  };
  // Walks the whole directory: not for an event loop.
  Usage MeasureUsage() const;

 private:
  StateDir(std::string root, int lock_fd) : root_(std::move(root)), lock_fd_(lock_fd) {}
  const std::string root_;
  const int lock_fd_;
};

}  // namespace latent

#endif  // LATENT_CORE_STORE_STATE_DIR_H_
