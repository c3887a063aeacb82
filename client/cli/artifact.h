// Fetching a file of a version, whole and checked.
#ifndef LATENT_CLIENT_CLI_ARTIFACT_H_
#define LATENT_CLIENT_CLI_ARTIFACT_H_

#include <string>

#include "absl/status/status.h"
#include "client/cli/context.h"
#include "latent/v1/registry_service.pb.h"

namespace latent::cli {

// Streams the version's file `name` to `path` (stdout if empty), and checks its SHA-256. A file
// that breaks off or does not match is not left under `path`. DATA_LOSS if it does not match.
absl::Status FetchArtifact(Context& context, const v1::ModelVersion& version,
                           const std::string& name, const std::string& path);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_ARTIFACT_H_
