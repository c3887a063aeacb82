// Models, versions and aliases on disk: publishes atomically, moves aliases, deletes, repairs. One
// per server; every method but Get may block (I/O executor, job runner). What takes a Transaction
// composes with other effects (Mutate in core/store/idempotency.h); the snapshot follows the
// commit. Not its job: what the files mean, loading models, gates.
#ifndef LATENT_CORE_STORE_REGISTRY_H_
#define LATENT_CORE_STORE_REGISTRY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/store/db.h"
#include "core/store/registry_snapshot.h"
#include "core/store/state_dir.h"

namespace latent {

// An alias that moves with a publication.
struct AliasMove {
  std::string alias;
  // If given: what the alias must name at the commit (0: it must not exist), else ABORTED.
  std::optional<std::uint64_t> expected_current_version;
};

struct PublishRequest {
  std::string model;                         // made if new
  std::map<std::string, std::string> files;  // name -> bytes; "manifest.json" is ours
  std::string latent_space_id;
  LineageInfo lineage;
  std::map<std::string, std::string> metadata;  // further facts for the manifest
  std::vector<AliasMove> aliases;
  // Called with the directory of the staged files after they were re-read and compared: load the
  // model and try it. An error ends the publication; nothing of it is ever visible.
  std::function<absl::Status(const std::string& dir)> verify;
  // Called in the transaction that makes the version visible: effects here and the version become
  // durable together or not at all.
  std::function<absl::Status(Transaction&, std::uint64_t version)> in_commit;
};

// Changes of UpdateModel; what is absent stays.
struct ModelUpdate {
  std::optional<std::string> description;                    // at most 4096 bytes
  std::optional<std::map<std::string, std::string>> labels;  // at most 32, 128 bytes each
  std::optional<std::uint32_t> keep_last;                    // 1 to 10000
};

class Registry {
 public:
  struct Options {
    std::uint32_t default_keep_last = 10;
  };
  // Borrows all; they outlive the registry.
  Registry(const StateDir* dir, Database* db, const Clock* clock, Options options);

  // What is published now. Cheap, never blocks for long: fit for event loops.
  std::shared_ptr<const RegistrySnapshot> Get() const;

  // Publishes a new version durably (reliability protocol: reserve, write, sync, re-read, verify,
  // rename, commit) and returns its number. On any error nothing is visible and the number is never
  // used again. UNAVAILABLE with reason OUTCOME_UNKNOWN: it may or may not have been committed; the
  // effects of `in_commit` tell. Retention (keep_last) is applied in the same commit.
  absl::StatusOr<std::uint64_t> Publish(const PublishRequest& request);

  // Checks that `version` exists and is usable and has it loaded and warmed by the preloader. Call
  // before SetAlias, outside the transaction.
  absl::Status PrepareAlias(std::string_view model, std::uint64_t version);
  // NOT_FOUND for model or version; ABORTED (reason ALIAS_MOVED) if the alias does not name
  // `expected_current_version` (0: must not exist).
  absl::Status SetAlias(Transaction& tx, std::string_view model, std::string_view alias,
                        std::uint64_t version,
                        std::optional<std::uint64_t> expected_current_version);
  absl::Status DeleteAlias(Transaction& tx, std::string_view model, std::string_view alias);
  absl::Status UpdateModel(Transaction& tx, std::string_view model, const ModelUpdate& update);
  // FAILED_PRECONDITION while an alias names it (reason VERSION_ALIASED) or an unfinished job needs
  // it (VERSION_IN_USE).
  absl::Status DeleteVersion(Transaction& tx, std::string_view model, std::uint64_t version);
  // With all aliases and versions. FAILED_PRECONDITION (reason MODEL_IN_USE) naming the unfinished
  // jobs that train it. Version numbers go on from where they were if the name is used again.
  absl::Status DeleteModel(Transaction& tx, std::string_view model);
  // The model as this transaction sees it, its own changes included; for replies.
  absl::StatusOr<ModelInfo> ReadModel(Transaction& tx, std::string_view model);

  // `length` bytes from `offset` (fewer at the end) of a file that the version's manifest names.
  // NOT_FOUND for other names, listing what there is; DATA_LOSS if the file is damaged.
  absl::StatusOr<std::string> ReadArtifact(const VersionInfo& version, std::string_view name,
                                           std::uint64_t offset, std::uint64_t length);
  // The whole of it (at most 1 GiB).
  absl::StatusOr<std::string> ReadArtifact(const VersionInfo& version, std::string_view name);
  // Compares every file of the version with its SHA-256, once per process: call before the first
  // load. On damage the files go to quarantine/, the version stays listed as damaged and DATA_LOSS
  // is returned.
  absl::Status VerifyVersion(const VersionInfo& version);
  // Compares the sizes of every version's files with what was published, which opens each of them:
  // for after the start, once. Damage ends as in VerifyVersion: marked, the files in quarantine/.
  // Ends early when `stopped` says so, which is asked before each version.
  absl::Status CheckFiles(const std::function<bool()>& stopped);

  // `changed` is called after every change of the snapshot, on the thread that made it, with no
  // lock held; changes may come together or out of order, so call Get(). Register before threads
  // start.
  void Subscribe(std::function<void()> changed) { subscribers_.push_back(std::move(changed)); }
  // Loads and warms a version that an alias is about to name. Its error keeps the alias where it
  // is. Set once, before threads start.
  using Preloader = std::function<absl::Status(const VersionInfo&)>;
  void SetPreloader(Preloader preloader) { preloader_ = std::move(preloader); }
  // Who trains a model: ids of unfinished jobs. Set once, before threads start.
  using UsersOf =
      std::function<absl::StatusOr<std::vector<std::string>>(Transaction&, std::string_view name)>;
  void SetUsersOf(UsersOf users_of) { users_of_ = std::move(users_of); }
  // Who needs a version: ids of unfinished jobs. It can neither be deleted then nor fall to
  // retention. Set once, before threads start.
  using UsersOfVersion = std::function<absl::StatusOr<std::vector<std::string>>(
      Transaction&, std::string_view model, std::uint64_t version)>;
  void SetUsersOfVersion(UsersOfVersion users) { users_of_version_ = std::move(users); }

  // Finishes what a crash interrupted and makes the first snapshot; at start-up, before anything
  // else is called. Adds a line for each repair to `notes`. Opens no file of a version and takes a
  // fixed number of statements, so that many versions start fast; CheckFiles looks at them later.
  absl::Status Recover(std::vector<std::string>* notes);

  static Schema DatabaseSchema();

 private:
  struct Reservation {
    std::uint64_t version = 0;
    std::string staging;  // directory
  };
  using VersionKey = std::pair<std::string, std::uint64_t>;
  absl::StatusOr<Reservation> Reserve(const PublishRequest& request);
  absl::Status PublishReserved(const PublishRequest& request, const Reservation& reservation);
  absl::StatusOr<VersionInfo> WriteStaged(const PublishRequest& request,
                                          const Reservation& reservation);
  absl::Status CommitPublication(const PublishRequest& request, const VersionInfo& info);
  void Abandon(const std::string& model, const Reservation& reservation);
  void BeginPublication(const std::string& model, std::uint64_t version);
  void EndPublication(const std::string& model, std::uint64_t version);
  absl::Status MarkDeleting(Transaction& tx, std::string_view model, std::uint64_t version);
  absl::StatusOr<std::vector<std::string>> UsersOfOne(Transaction& tx, std::string_view model,
                                                      std::uint64_t version);
  absl::Status ApplyRetention(Transaction& tx, std::string_view model, std::uint32_t keep_last);
  void FollowUp(Transaction& tx, std::string_view model);
  absl::Status RemoveMarked(std::string_view model);
  absl::Status Refresh(std::string_view model);
  absl::Status RefreshAll();
  absl::Status MarkDamaged(const VersionInfo& version, const std::string& why);
  absl::Status RemoveUnpublished(std::vector<std::string>* notes);
  absl::Status QuarantineStrangers(std::vector<std::string>* notes);
  absl::Status Reconcile();

  const StateDir* const dir_;
  Database* const db_;
  const Clock* const clock_;
  const Options options_;
  std::vector<std::function<void()>> subscribers_;
  Preloader preloader_;
  UsersOf users_of_;
  UsersOfVersion users_of_version_;
  Mutex refresh_mutex_;  // one Refresh at a time; taken before mutex_
  mutable Mutex mutex_;  // held for the copy of a pointer only
  std::shared_ptr<const RegistrySnapshot> snapshot_ ABSL_GUARDED_BY(mutex_);
  Mutex verify_mutex_;
  std::set<VersionKey> verified_ ABSL_GUARDED_BY(verify_mutex_);
  Mutex publishing_mutex_;
  std::set<VersionKey> publishing_ ABSL_GUARDED_BY(publishing_mutex_);
};

}  // namespace latent

#endif  // LATENT_CORE_STORE_REGISTRY_H_
