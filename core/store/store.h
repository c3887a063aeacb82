// Everything on disk as one object: state directory, database, datasets, registry, opened and
// recovered in the right order. The server owns it and lends its parts; it outlives them all.
#ifndef LATENT_CORE_STORE_STORE_H_
#define LATENT_CORE_STORE_STORE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/store/datasets.h"
#include "core/store/db.h"
#include "core/store/registry.h"
#include "core/store/state_dir.h"

namespace latent {

class Store {
 public:
  struct Options {
    std::string path;                    // the state directory
    const Clock* clock = Clock::Real();  // borrowed
    std::vector<Schema> schemas;         // of owners outside this room, e.g. jobs
    DatasetStore::Options datasets;
    Registry::Options registry;
  };
  // Lock, database check, migrations, then Recover of datasets and registry. Owners outside this
  // room recover afterwards, themselves. Blocks; errors are for the operator. `notes` gets a line
  // for each repair, whether Open succeeds or not.
  static absl::StatusOr<std::unique_ptr<Store>> Open(Options options,
                                                     std::vector<std::string>* notes);

  const StateDir& dir() const { return *dir_; }
  Database& db() { return *db_; }
  const Clock& clock() const { return *options_.clock; }
  DatasetStore& datasets() { return *datasets_; }
  Registry& registry() { return *registry_; }

  // Forgets old request ids and expires abandoned uploads. Call about once an hour.
  absl::Status Maintain();

 private:
  explicit Store(Options options) : options_(std::move(options)) {}
  const Options options_;
  std::unique_ptr<StateDir> dir_;
  std::unique_ptr<Database> db_;
  std::unique_ptr<DatasetStore> datasets_;
  std::unique_ptr<Registry> registry_;
};

}  // namespace latent

#endif  // LATENT_CORE_STORE_STORE_H_
