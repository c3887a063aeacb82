// Declaring, describing, listing, opening and deleting datasets.
#include "core/store/datasets.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "core/base/durable_file.h"
#include "core/base/ids.h"
#include "core/base/status.h"
#include "core/store/dataset_rows.h"

namespace latent {

DatasetStore::DatasetStore(const StateDir* dir, Database* db, const Clock* clock, Options options)
    : dir_(dir), db_(db), clock_(clock), options_(options) {}

std::string DatasetStore::DataPath(std::string_view dataset) const {
  return dir_->dataset_dir(kDefaultTenant, dataset) + "/data";
}

absl::StatusOr<DatasetRecord> DatasetStore::Create(Transaction& tx, std::string_view declaration,
                                                   const ParseRequest& request) {
  LATENT_RETURN_IF_ERROR(CheckId("dataset.name", request.name));
  LATENT_RETURN_IF_ERROR(CheckDeclaration(request, "dataset."));
  LATENT_ASSIGN_OR_RETURN(const auto existing, FindDatasetRow(tx, request.name));
  if (!existing) {
    LATENT_RETURN_IF_ERROR(dir_->CheckFreeSpace(0));
    LATENT_RETURN_IF_ERROR(
        InsertDatasetRow(tx, declaration, request, ToUnixMicros(clock_->WallNow())));
    return Get(tx, request.name);
  }
  if (existing->state == kDatasetDeleting) {
    return MakeError(absl::StatusCode::kUnavailable, "DELETING",
                     absl::StrCat("dataset ", request.name, " is being deleted; try again"));
  }
  if (existing->canonical == CanonicalDeclaration(request)) return Get(tx, request.name);
  return MakeError(absl::StatusCode::kAlreadyExists, "DATASET_EXISTS",
                   absl::StrCat("there is a dataset ", request.name,
                                " with another declaration; choose another name, or delete it"));
}

absl::StatusOr<DatasetRecord> DatasetStore::Get(std::string_view dataset) {
  DatasetRecord record;
  LATENT_RETURN_IF_ERROR(db_->Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(record, Get(tx, dataset));
    return absl::OkStatus();
  }));
  return record;
}

absl::StatusOr<DatasetRecord> DatasetStore::Get(Transaction& tx, std::string_view dataset) {
  LATENT_ASSIGN_OR_RETURN(auto row, FindDatasetRow(tx, dataset));
  if (!row || row->state == kDatasetDeleting) {
    return MakeError(absl::StatusCode::kNotFound, "DATASET_NOT_FOUND",
                     absl::StrCat("there is no dataset ", Quoted(dataset)));
  }
  if (row->record.state == DatasetState::kReady) {
    LATENT_ASSIGN_OR_RETURN(row->record.info, InfoOf(dataset));
  }
  return std::move(row->record);
}

absl::StatusOr<DatasetInfo> DatasetStore::InfoOf(std::string_view dataset) {
  {
    MutexLock lock(&mutex_);
    const auto found = infos_.find(dataset);
    if (found != infos_.end()) return found->second;
  }
  auto info = ReadDatasetInfo(DataPath(dataset));
  if (!info.ok()) {
    return MakeError(absl::StatusCode::kDataLoss, "DATASET_DAMAGED",
                     absl::StrCat("dataset ", Quoted(dataset), " is damaged on disk: ",
                                  info.status().message(), "; delete it and upload it again"));
  }
  MutexLock lock(&mutex_);
  infos_[std::string(dataset)] = *info;
  return info;
}

absl::StatusOr<DatasetStore::Listing> DatasetStore::List(const PageRequest& page) {
  LATENT_ASSIGN_OR_RETURN(const std::int64_t size, CheckedPageSize(page));
  LATENT_ASSIGN_OR_RETURN(const std::string after, ReadPageToken("datasets", page.token));
  Listing listing;
  LATENT_RETURN_IF_ERROR(db_->Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(const auto names, DatasetNamesAfter(tx, after, size + 1));
    PageBudget budget;
    for (const auto& name : names) {
      LATENT_ASSIGN_OR_RETURN(auto row, FindDatasetRow(tx, name));
      if (std::ssize(listing.datasets) == size ||
          !budget.Takes(row->record.declaration.size() + row->record.error.size())) {
        listing.next_page_token = MakePageToken("datasets", listing.datasets.back().name);
        break;
      }
      listing.datasets.push_back(std::move(row->record));
    }
    return absl::OkStatus();
  }));
  for (auto& record : listing.datasets) {
    if (record.state != DatasetState::kReady) continue;
    auto info = InfoOf(record.name);
    if (info.ok()) {
      info->column_names.clear();
      info->label_names.clear();
      info->column_groups.clear();
      record.info = *std::move(info);
    } else {
      // One damaged dataset must not hide the others.
      record.error = std::string(info.status().message());
    }
  }
  return listing;
}

absl::Status DatasetStore::Delete(Transaction& tx, std::string_view dataset) {
  LATENT_ASSIGN_OR_RETURN(const auto row, FindDatasetRow(tx, dataset));
  if (!row || row->state == kDatasetDeleting) return Get(tx, dataset).status();
  if (row->record.state == DatasetState::kParsing) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "DATASET_IN_USE",
                     absl::StrCat("dataset ", row->record.name,
                                  " is being parsed; wait for FinishDataset to return"));
  }
  if (users_of_) {
    LATENT_ASSIGN_OR_RETURN(const auto users, users_of_(tx, dataset));
    if (!users.empty()) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "DATASET_IN_USE",
                       absl::StrCat("dataset ", row->record.name, " is needed by unfinished job ",
                                    Listed(users), "; cancel it or wait for it"));
    }
  }
  LATENT_RETURN_IF_ERROR(MoveDatasetState(tx, dataset, row->state, kDatasetDeleting, "", 0));
  tx.OnCommit([this, name = row->record.name] {
    // What fails here goes at the next start.
    RemoveDeleted(name).IgnoreError();
  });
  return absl::OkStatus();
}

absl::Status DatasetStore::RemoveDeleted(std::string_view dataset) {
  ForgetUpload(dataset);
  {
    MutexLock lock(&mutex_);
    const auto info = infos_.find(dataset);
    if (info != infos_.end()) infos_.erase(info);
    const auto rows = open_.find(dataset);
    if (rows != open_.end()) open_.erase(rows);
  }
  LATENT_RETURN_IF_ERROR(RemoveTree(dir_->dataset_dir(kDefaultTenant, dataset)));
  return db_->Write([&](Transaction& tx) { return DeleteDatasetRow(tx, dataset); });
}

absl::StatusOr<std::shared_ptr<const Dataset>> DatasetStore::OpenRows(std::string_view dataset) {
  LATENT_ASSIGN_OR_RETURN(const DatasetRecord record, Get(dataset));
  if (record.state != DatasetState::kReady) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "DATASET_NOT_READY",
        absl::StrCat("dataset ", record.name, " is ", StateName(record.state), ", expected READY",
                     record.error.empty() ? "" : absl::StrCat(": ", record.error)));
  }
  {
    MutexLock lock(&mutex_);
    const auto found = open_.find(dataset);
    if (found != open_.end()) {
      if (auto rows = found->second.lock()) return rows;
    }
  }
  // Two threads may open it at once; both mappings show the same bytes.
  LATENT_ASSIGN_OR_RETURN(auto rows, OpenDataset(DataPath(dataset)));
  MutexLock lock(&mutex_);
  open_[std::string(dataset)] = rows;
  return rows;
}

}  // namespace latent
