// What is published at one moment: models, versions, aliases. Immutable; readers hold it as
// shared_ptr<const RegistrySnapshot> as long as they like, on any thread, event loops included.
// Not its job: changing anything (core/store/registry), loading weights (core/serve).
#ifndef LATENT_CORE_STORE_REGISTRY_SNAPSHOT_H_
#define LATENT_CORE_STORE_REGISTRY_SNAPSHOT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/store/page.h"

namespace latent {

struct ArtifactInfo {
  std::string name;  // e.g. "model.safetensors"
  std::uint64_t size = 0;
  std::string sha256;  // hex
};

// Where a version comes from; stays when the job goes.
struct LineageInfo {
  std::string job_id;
  std::string dataset_hash;
  std::uint64_t seed = 0;
  std::string code_revision;
};

struct VersionInfo {
  std::string model;
  std::uint64_t version = 0;
  std::string latent_space_id;
  Clock::WallTime create_time;
  std::uint64_t bytes = 0;
  std::string dir;                      // absolute path of its files
  std::vector<ArtifactInfo> artifacts;  // by name, without the manifest
  std::string manifest_sha256;          // hex
  LineageInfo lineage;
  std::string damage;  // why it cannot be used; empty: it can
};

struct AliasInfo {
  std::uint64_t version = 0;
  Clock::WallTime update_time;
};

// Which version a call wants: an exact one, what an alias names, or (neither) the default: alias
// "production" if there is one, else the newest.
struct VersionSelector {
  std::optional<std::uint64_t> version;
  std::string alias;
};

struct ModelInfo {
  std::string name;
  std::string description;
  std::map<std::string, std::string> labels;
  std::uint32_t keep_last = 10;
  Clock::WallTime create_time;
  std::map<std::string, AliasInfo> aliases;
  // Ascending; held apart so that a version keeps its address from snapshot to snapshot's copy.
  std::map<std::uint64_t, std::shared_ptr<const VersionInfo>> versions;

  std::uint64_t newest() const { return versions.empty() ? 0 : versions.rbegin()->first; }
  // Aliases that name `version`, by name.
  std::vector<std::string> AliasesOf(std::uint64_t version) const;
  // NOT_FOUND (reason VERSION_NOT_FOUND or ALIAS_NOT_FOUND) with what there is instead; DATA_LOSS
  // (reason VERSION_DAMAGED) if the version was found damaged. INVALID_ARGUMENT for version 0 or
  // both choices at once.
  absl::StatusOr<std::shared_ptr<const VersionInfo>> Resolve(const VersionSelector& selector) const;
};

struct RegistrySnapshot {
  std::uint64_t generation = 0;  // rises with every change
  std::map<std::string, std::shared_ptr<const ModelInfo>, std::less<>> models;  // by name

  // NOT_FOUND (reason MODEL_NOT_FOUND).
  absl::StatusOr<std::shared_ptr<const ModelInfo>> FindModel(std::string_view name) const;
  // FindModel, then Resolve.
  absl::StatusOr<std::shared_ptr<const VersionInfo>> Resolve(std::string_view model,
                                                             const VersionSelector& selector) const;

  struct ModelPage {
    std::vector<std::shared_ptr<const ModelInfo>> models;  // by name
    std::string next_page_token;
  };
  absl::StatusOr<ModelPage> ListModels(const PageRequest& page) const;
  struct VersionPage {
    std::vector<std::shared_ptr<const VersionInfo>> versions;  // newest first
    std::string next_page_token;
  };
  absl::StatusOr<VersionPage> ListVersions(std::string_view model, const PageRequest& page) const;
  // Where a page goes on that a caller has cut after this entry.
  static std::string TokenAfter(const ModelInfo& model);
  static std::string TokenAfter(const VersionInfo& version);
};

}  // namespace latent

#endif  // LATENT_CORE_STORE_REGISTRY_SNAPSHOT_H_
