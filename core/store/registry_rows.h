// The registry's tables and how their rows become values. Private to the registry's sources.
#ifndef LATENT_CORE_STORE_REGISTRY_ROWS_H_
#define LATENT_CORE_STORE_REGISTRY_ROWS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/store/db.h"
#include "core/store/registry_snapshot.h"
#include "core/store/state_dir.h"

namespace latent {

// versions.state; persisted.
inline constexpr std::int64_t kRowStaging = 1;
inline constexpr std::int64_t kRowReady = 2;
inline constexpr std::int64_t kRowDeleting = 3;

inline constexpr char kManifestName[] = "manifest.json";

// The model with its aliases and READY versions; nothing if there is none.
absl::StatusOr<std::optional<ModelInfo>> ReadModelRows(Transaction& tx, const StateDir& dir,
                                                       std::string_view model);
// All models by name, in a fixed number of statements, however many there are.
absl::StatusOr<std::map<std::string, ModelInfo>> ReadAllRows(Transaction& tx, const StateDir& dir);
// Turns the STAGING row into a READY one and writes its artifacts.
absl::Status WriteReadyRow(Transaction& tx, const VersionInfo& info);

}  // namespace latent

#endif  // LATENT_CORE_STORE_REGISTRY_ROWS_H_
