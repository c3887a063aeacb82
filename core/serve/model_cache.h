// Versions in memory, within a budget. Targets of aliases are loaded when the registry names them,
// others on first use; those used least lately go first. Callers pin what they use by shared_ptr.
// Made once by the server's composition; any thread. Find() and ready() are fit for event loops: a
// short lock, no files, no SQL. Not its job: what a name means (RegistrySnapshot::Resolve).
#ifndef LATENT_CORE_SERVE_MODEL_CACHE_H_
#define LATENT_CORE_SERVE_MODEL_CACHE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "core/serve/served_model.h"
#include "core/store/registry_snapshot.h"

namespace latent {

// A snapshot of what the cache holds and has done since the start.
struct CacheStats {
  std::uint64_t versions = 0;  // loaded now
  std::uint64_t bytes = 0;     // held by them
  std::uint64_t loading = 0;   // loads in flight
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t loads = 0;
  std::uint64_t load_failures = 0;
  std::uint64_t evictions = 0;
};

class ModelCache {
 public:
  struct Options {
    // Of versions that no alias names, at most so many are kept.
    std::size_t max_idle_versions = 1024;
    // Of all loaded versions, and of what `reserved` says to be in use beside them. Versions that
    // no alias names go first, then targets of aliases, of `production` last; those that a call
    // holds stay. What was let go is loaded again on its next use.
    std::uint64_t budget_bytes = 1ull << 30;
    std::function<std::uint64_t()> reserved = [] { return 0; };  // a short read; any thread
    WeightFormat weights = WeightFormat::kFloat32;               // that loaded versions hold
  };
  // Runs a function on a thread that may block (the I/O executor), some time; must not drop it.
  using Poster = std::function<void(std::function<void()>)>;
  // Compares a version's files with their hashes (Registry::VerifyVersion). Blocks.
  using Verify = std::function<absl::Status(const VersionInfo&)>;
  using Callback = std::function<void(absl::StatusOr<std::shared_ptr<const ServedModel>>)>;

  // Outlives everything that it has posted.
  ModelCache(Options options, Verify verify, Poster post);

  // The loaded version, or null if it is not loaded.
  std::shared_ptr<const ServedModel> Find(const std::string& model, std::uint64_t version);
  // Gives the version to `done`: at once, on this thread, if it is loaded, else from the executor.
  // However many ask, it is loaded once. RESOURCE_EXHAUSTED (reason MEMORY_BUDGET) with the bytes
  // if it does not fit into the budget even alone.
  void LoadAsync(std::shared_ptr<const VersionInfo> version, const Callback& done);
  // Loads it on this thread, unless it is loaded: what Registry::SetPreloader wants. A version that
  // no snapshot names yet stays until one does.
  absl::Status Preload(const VersionInfo& version);

  // Lets versions go until the rest fits: call when what `reserved` says has grown.
  void MakeRoom();

  // Takes in what is published now: posts loads of versions that an alias names anew and lets go of
  // versions that are gone. Call at the start and whenever the registry says that it has changed
  // (older snapshots than the newest seen are ignored).
  void OnSnapshot(const std::shared_ptr<const RegistrySnapshot>& snapshot);
  // Whether every alias target of the first snapshot has been loaded, or has been tried and found
  // damaged. False before the first snapshot; never goes back.
  bool ready() const;
  // Keys and latent space ids of what is loaded, for metrics.
  std::vector<std::shared_ptr<const ServedModel>> Loaded() const;
  CacheStats stats() const;

 private:
  struct Entry {
    std::shared_ptr<const ServedModel> model;
    std::uint64_t last_use = 0;
    bool published = false;  // was named by a snapshot; what is being published is not yet
  };
  absl::StatusOr<std::shared_ptr<const ServedModel>> LoadNow(const VersionInfo& version);
  void FinishLoad(const VersionKey& key,
                  const absl::StatusOr<std::shared_ptr<const ServedModel>>& result);
  void Insert(const VersionKey& key, std::shared_ptr<const ServedModel> model, bool published)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  using Models = std::vector<std::shared_ptr<const ServedModel>>;
  // What the budget leaves for versions.
  std::uint64_t Room() const;
  // MEMORY_BUDGET if so many bytes are more than that.
  absl::Status CheckFits(const VersionKey& key, std::uint64_t bytes) const;
  // Lets versions go, never `keep`, until there is room for `extra` bytes more.
  void Evict(std::uint64_t extra, const VersionKey& keep, Models* dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whom to let go next: the lowest by (what aliases name it, last use); end() if nobody may.
  std::map<VersionKey, Entry>::iterator Victim(const VersionKey& keep)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Drop(std::map<VersionKey, Entry>::iterator entry, Models* dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Notes what aliases name; returns what none named before and is not loaded.
  std::vector<std::shared_ptr<const VersionInfo>> TakeTargets(const RegistrySnapshot& snapshot)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropDeleted(const RegistrySnapshot& snapshot, Models* dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const Verify verify_;
  const Poster post_;
  mutable Mutex mutex_;
  std::map<VersionKey, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::map<VersionKey, std::vector<Callback>> loading_ ABSL_GUARDED_BY(mutex_);
  // What aliases name: 2 if one is `production`, else 1.
  std::map<VersionKey, int> aliased_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;                           // of entries_
  std::set<VersionKey> awaited_ ABSL_GUARDED_BY(mutex_);                      // until ready
  std::shared_ptr<const RegistrySnapshot> snapshot_ ABSL_GUARDED_BY(mutex_);  // the newest seen
  std::uint64_t use_clock_ ABSL_GUARDED_BY(mutex_) = 0;
  CacheStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace latent

#endif  // LATENT_CORE_SERVE_MODEL_CACHE_H_
