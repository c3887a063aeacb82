// Versions in memory. Targets of aliases are loaded when the registry names them, others on first
// use; a few of those are kept. Callers pin what they use by shared_ptr. Made once by the server's
// composition; any thread. Find() and ready() are fit for event loops: a short lock, no files, no
// SQL. Not its job: what a name means (RegistrySnapshot::Resolve).
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
  std::uint64_t bytes = 0;     // expected to be held by them
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
    // Of versions that no alias names, at most so many are kept, of at most so many bytes.
    std::size_t max_idle_versions = 16;
    std::uint64_t max_idle_bytes = 1ull << 30;
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
  // However many ask, it is loaded once.
  void LoadAsync(std::shared_ptr<const VersionInfo> version, const Callback& done);
  // Loads it on this thread, unless it is loaded: what Registry::SetPreloader wants. A version that
  // no snapshot names yet stays until one does.
  absl::Status Preload(const VersionInfo& version);

  // Takes in what is published now: posts loads of alias targets that are missing and lets go of
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
  // Lets go of the least recently used versions over the bounds, never of `keep`.
  void EvictIdle(const VersionKey& keep, std::vector<std::shared_ptr<const ServedModel>>* dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Notes what aliases name; returns what of it is not loaded.
  std::vector<std::shared_ptr<const VersionInfo>> TakeTargets(const RegistrySnapshot& snapshot)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropDeleted(const RegistrySnapshot& snapshot,
                   std::vector<std::shared_ptr<const ServedModel>>* dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const Verify verify_;
  const Poster post_;
  mutable Mutex mutex_;
  std::map<VersionKey, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::map<VersionKey, std::vector<Callback>> loading_ ABSL_GUARDED_BY(mutex_);
  std::set<VersionKey> aliased_ ABSL_GUARDED_BY(mutex_);
  std::set<VersionKey> awaited_ ABSL_GUARDED_BY(mutex_);                      // until ready
  std::shared_ptr<const RegistrySnapshot> snapshot_ ABSL_GUARDED_BY(mutex_);  // the newest seen
  std::uint64_t use_clock_ ABSL_GUARDED_BY(mutex_) = 0;
  CacheStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace latent

#endif  // LATENT_CORE_SERVE_MODEL_CACHE_H_
