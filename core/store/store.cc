#include "core/store/store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/durable_file.h"
#include "core/base/status.h"
#include "core/store/idempotency.h"

namespace latent {
namespace {

// Nothing in there outlives the process that made it.
absl::Status EmptyStaging(const StateDir& dir) {
  LATENT_ASSIGN_OR_RETURN(const auto names, ListDirectory(dir.staging_dir()));
  for (const auto& name : names) {
    LATENT_RETURN_IF_ERROR(RemoveTree(absl::StrCat(dir.staging_dir(), "/", name)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(Options options,
                                                   std::vector<std::string>* notes) {
  std::unique_ptr<Store> store(new Store(std::move(options)));
  LATENT_ASSIGN_OR_RETURN(store->dir_, StateDir::Open(store->options_.path));
  Database::Options database;
  database.path = store->dir_->database_path();
  database.schemas = {IdempotencySchema(), DatasetStore::DatabaseSchema(),
                      Registry::DatabaseSchema()};
  for (const Schema& schema : store->options_.schemas) database.schemas.push_back(schema);
  LATENT_ASSIGN_OR_RETURN(store->db_, Database::Open(std::move(database)));
  LATENT_RETURN_IF_ERROR(SyncDirectory(store->dir_->root()));
  store->datasets_ = std::make_unique<DatasetStore>(
      store->dir_.get(), store->db_.get(), store->options_.clock, store->options_.datasets);
  store->registry_ = std::make_unique<Registry>(store->dir_.get(), store->db_.get(),
                                                store->options_.clock, store->options_.registry);
  LATENT_RETURN_IF_ERROR(store->datasets_->Recover(notes));
  LATENT_RETURN_IF_ERROR(store->registry_->Recover(notes));
  LATENT_RETURN_IF_ERROR(EmptyStaging(*store->dir_));
  return store;
}

absl::Status Store::Maintain() {
  LATENT_RETURN_IF_ERROR(PruneAnswers(*db_, clock()));
  return datasets_->ExpireUploads();
}

}  // namespace latent
