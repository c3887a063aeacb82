// What changes models, aliases and versions inside a caller's transaction.
#include "core/store/registry.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/durable_file.h"
#include "core/base/ids.h"
#include "core/base/status.h"
#include "core/store/registry_rows.h"

namespace latent {
namespace {

constexpr std::size_t kMaxDescription = 4096;
constexpr std::size_t kMaxLabels = 32;
constexpr std::size_t kMaxLabelBytes = 128;
constexpr std::uint32_t kMaxKeepLast = 10000;

absl::Status NoVersion(std::string_view model, std::uint64_t version) {
  return MakeError(absl::StatusCode::kNotFound, "VERSION_NOT_FOUND",
                   absl::StrCat("model ", Quoted(model), " has no version ", version));
}

absl::Status CheckUpdate(const ModelUpdate& update) {
  FieldErrors errors;
  if (update.description && update.description->size() > kMaxDescription) {
    errors.Add("description", absl::StrCat("expected at most ", kMaxDescription, " bytes, got ",
                                           update.description->size()));
  }
  if (update.labels && update.labels->size() > kMaxLabels) {
    errors.Add("labels",
               absl::StrCat("expected at most ", kMaxLabels, ", got ", update.labels->size()));
  }
  if (update.labels) {
    for (const auto& [key, value] : *update.labels) {
      if (key.empty() || key.size() > kMaxLabelBytes || value.size() > kMaxLabelBytes) {
        errors.Add(absl::StrCat("labels[", Quoted(key), "]"),
                   absl::StrCat("expected a key of 1 to ", kMaxLabelBytes,
                                " bytes and a value of at most as many"));
      }
    }
  }
  if (update.keep_last && (*update.keep_last < 1 || *update.keep_last > kMaxKeepLast)) {
    errors.Add("keep_last",
               absl::StrCat("expected 1 to ", kMaxKeepLast, ", got ", *update.keep_last));
  }
  return errors.ToStatus();
}

absl::Status CheckExpected(const ModelInfo& model, std::string_view alias,
                           std::optional<std::uint64_t> expected) {
  if (!expected) return absl::OkStatus();
  const auto current = model.aliases.find(std::string(alias));
  const std::uint64_t version = current == model.aliases.end() ? 0 : current->second.version;
  if (version == *expected) return absl::OkStatus();
  const auto said = [](std::uint64_t v) {
    return v == 0 ? std::string("no version") : absl::StrCat("version ", v);
  };
  return MakeError(absl::StatusCode::kAborted, "ALIAS_MOVED",
                   absl::StrCat("alias ", Quoted(alias), " of model ", model.name, " names ",
                                said(version), ", expected ", said(*expected),
                                "; look again and repeat with what it names now"));
}

absl::Status WriteLabels(Transaction& tx, std::string_view model,
                         const std::map<std::string, std::string>& labels) {
  LATENT_RETURN_IF_ERROR(
      tx.Run("DELETE FROM model_labels WHERE tenant = ? AND model = ?", {kDefaultTenant, model})
          .status());
  for (const auto& [key, value] : labels) {
    LATENT_RETURN_IF_ERROR(tx.Run("INSERT INTO model_labels (tenant, model, key, value) "
                                  "VALUES (?, ?, ?, ?)",
                                  {kDefaultTenant, model, key, value})
                               .status());
  }
  return absl::OkStatus();
}

}  // namespace

Registry::Registry(const StateDir* dir, Database* db, const Clock* clock, Options options)
    : dir_(dir),
      db_(db),
      clock_(clock),
      options_(options),
      snapshot_(std::make_shared<RegistrySnapshot>()) {
  db_->OnReopen([this] { return Reconcile(); });
}

std::shared_ptr<const RegistrySnapshot> Registry::Get() const {
  MutexLock lock(&mutex_);
  return snapshot_;
}

absl::StatusOr<ModelInfo> Registry::ReadModel(Transaction& tx, std::string_view model) {
  LATENT_ASSIGN_OR_RETURN(auto info, ReadModelRows(tx, *dir_, model));
  if (info) return std::move(*info);
  return MakeError(absl::StatusCode::kNotFound, "MODEL_NOT_FOUND",
                   absl::StrCat("there is no model ", Quoted(model)));
}

absl::Status Registry::PrepareAlias(std::string_view model, std::uint64_t version) {
  LATENT_ASSIGN_OR_RETURN(const auto info, Get()->Resolve(model, {version, ""}));
  return preloader_ ? preloader_(*info) : absl::OkStatus();
}

absl::Status Registry::SetAlias(Transaction& tx, std::string_view model, std::string_view alias,
                                std::uint64_t version,
                                std::optional<std::uint64_t> expected_current_version) {
  LATENT_RETURN_IF_ERROR(CheckId("alias", alias));
  LATENT_ASSIGN_OR_RETURN(const ModelInfo info, ReadModel(tx, model));
  LATENT_RETURN_IF_ERROR(info.Resolve({version, ""}).status());
  LATENT_RETURN_IF_ERROR(CheckExpected(info, alias, expected_current_version));
  FollowUp(tx, model);
  return tx
      .Run(
          "INSERT INTO aliases (tenant, model, alias, version, update_time) "
          "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
          "version = excluded.version, update_time = excluded.update_time",
          {kDefaultTenant, model, alias, static_cast<std::int64_t>(version),
           ToUnixMicros(clock_->WallNow())})
      .status();
}

absl::Status Registry::DeleteAlias(Transaction& tx, std::string_view model,
                                   std::string_view alias) {
  LATENT_ASSIGN_OR_RETURN(const ModelInfo info, ReadModel(tx, model));
  VersionSelector selector;
  selector.alias = std::string(alias);
  if (info.aliases.find(selector.alias) == info.aliases.end()) {
    return selector.alias.empty() ? CheckId("alias", alias) : info.Resolve(selector).status();
  }
  FollowUp(tx, model);
  return tx
      .Run("DELETE FROM aliases WHERE tenant = ? AND model = ? AND alias = ?",
           {kDefaultTenant, model, alias})
      .status();
}

absl::Status Registry::UpdateModel(Transaction& tx, std::string_view model,
                                   const ModelUpdate& update) {
  LATENT_RETURN_IF_ERROR(CheckUpdate(update));
  LATENT_ASSIGN_OR_RETURN(const ModelInfo info, ReadModel(tx, model));
  const std::uint32_t keep_last = update.keep_last.value_or(info.keep_last);
  LATENT_RETURN_IF_ERROR(
      tx.Run("UPDATE models SET description = ?, keep_last = ? WHERE tenant = ? AND name = ?",
             {update.description ? *update.description : info.description,
              static_cast<std::int64_t>(keep_last), kDefaultTenant, model})
          .status());
  if (update.labels) LATENT_RETURN_IF_ERROR(WriteLabels(tx, model, *update.labels));
  LATENT_RETURN_IF_ERROR(ApplyRetention(tx, model, keep_last));
  FollowUp(tx, model);
  return absl::OkStatus();
}

absl::Status Registry::MarkDeleting(Transaction& tx, std::string_view model,
                                    std::uint64_t version) {
  return tx
      .Run("UPDATE versions SET state = ? WHERE tenant = ? AND model = ? AND version = ?",
           {kRowDeleting, kDefaultTenant, model, static_cast<std::int64_t>(version)})
      .status();
}

absl::Status Registry::DeleteVersion(Transaction& tx, std::string_view model,
                                     std::uint64_t version) {
  LATENT_ASSIGN_OR_RETURN(const ModelInfo info, ReadModel(tx, model));
  if (info.versions.find(version) == info.versions.end()) return NoVersion(model, version);
  const auto aliases = info.AliasesOf(version);
  if (!aliases.empty()) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "VERSION_ALIASED",
        absl::StrCat("version ", version, " of model ", info.name, " is named by alias ",
                     absl::StrJoin(aliases, ", "), "; move or delete the alias first"));
  }
  LATENT_ASSIGN_OR_RETURN(const auto users, UsersOfOne(tx, model, version));
  if (!users.empty()) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "VERSION_IN_USE",
        absl::StrCat("version ", version, " of model ", info.name, " is needed by unfinished job ",
                     Listed(users), "; cancel it or wait for it"));
  }
  FollowUp(tx, model);
  return MarkDeleting(tx, model, version);
}

absl::StatusOr<std::vector<std::string>> Registry::UsersOfOne(Transaction& tx,
                                                              std::string_view model,
                                                              std::uint64_t version) {
  if (!users_of_version_) return std::vector<std::string>();
  return users_of_version_(tx, model, version);
}

absl::Status Registry::DeleteModel(Transaction& tx, std::string_view model) {
  LATENT_ASSIGN_OR_RETURN(const ModelInfo info, ReadModel(tx, model));
  if (users_of_) {
    LATENT_ASSIGN_OR_RETURN(const auto users, users_of_(tx, model));
    if (!users.empty()) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "MODEL_IN_USE",
                       absl::StrCat("model ", info.name, " is needed by unfinished job ",
                                    Listed(users), "; cancel it or wait for it"));
    }
  }
  // Aliases and labels go with the row.
  LATENT_RETURN_IF_ERROR(
      tx.Run("DELETE FROM models WHERE tenant = ? AND name = ?", {kDefaultTenant, model}).status());
  for (const auto& [version, unused] : info.versions) {
    LATENT_RETURN_IF_ERROR(MarkDeleting(tx, model, version));
  }
  FollowUp(tx, model);
  return absl::OkStatus();
}

absl::Status Registry::ApplyRetention(Transaction& tx, std::string_view model,
                                      std::uint32_t keep_last) {
  LATENT_ASSIGN_OR_RETURN(const ModelInfo info, ReadModel(tx, model));
  std::uint32_t kept = 0;
  for (auto at = info.versions.rbegin(); at != info.versions.rend(); ++at) {
    if (kept < keep_last) {
      ++kept;
    } else if (info.AliasesOf(at->first).empty()) {
      LATENT_ASSIGN_OR_RETURN(const auto users, UsersOfOne(tx, model, at->first));
      if (!users.empty()) continue;
      LATENT_RETURN_IF_ERROR(MarkDeleting(tx, model, at->first));
    }
  }
  return absl::OkStatus();
}

void Registry::FollowUp(Transaction& tx, std::string_view model) {
  tx.OnCommit([this, name = std::string(model)] {
    // The commit stands whatever happens here; what is left over goes at the next start.
    if (Refresh(name).ok()) RemoveMarked(name).IgnoreError();
  });
}

absl::StatusOr<std::string> Registry::ReadArtifact(const VersionInfo& version,
                                                   std::string_view name, std::uint64_t offset,
                                                   std::uint64_t length) {
  std::vector<std::string> names;
  for (const auto& artifact : version.artifacts) {
    if (artifact.name == name) {
      LATENT_RETURN_IF_ERROR(VerifyVersion(version));
      return ReadFileRange(absl::StrCat(version.dir, "/", artifact.name), offset, length);
    }
    names.push_back(artifact.name);
  }
  return MakeError(
      absl::StatusCode::kNotFound, "ARTIFACT_NOT_FOUND",
      absl::StrCat("version ", version.version, " of model ", version.model, " has no file ",
                   Quoted(name), "; it has ", absl::StrJoin(names, ", ")));
}

absl::StatusOr<std::string> Registry::ReadArtifact(const VersionInfo& version,
                                                   std::string_view name) {
  constexpr std::uint64_t kMaxWhole = 1ull << 30;
  return ReadArtifact(version, name, 0, kMaxWhole);
}

}  // namespace latent
