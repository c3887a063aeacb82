#include "client/cli/artifact.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "client/render/text.h"
#include "core/base/sha256.h"

namespace latent::cli {
namespace {

absl::Status CannotWrite(const std::string& path) {
  return absl::InternalError(absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
}

// Streams into `file` and returns the hash of what came.
absl::StatusOr<std::string> Receive(Context& context, const v1::GetArtifactRequest& request,
                                    std::FILE* file, const std::string& path) {
  LiveLine line = context.Progress();
  Sha256 hash;
  std::uint64_t bytes = 0, total = 0;
  const absl::Status status = context.client().GetArtifact(
      request,
      [&](const v1::GetArtifactResponse& piece) {
        if (piece.total_size() > 0) total = piece.total_size();
        const std::string& data = piece.data();
        hash.Update(data);
        bytes += data.size();
        line.Update(
            absl::StrCat(request.name(), ": ", FormatBytes(bytes), " of ", FormatBytes(total)));
        if (std::fwrite(data.data(), 1, data.size(), file) == data.size()) return absl::OkStatus();
        return CannotWrite(path);
      },
      context.Call());
  if (!status.ok()) return status;
  return hash.Finish();
}

}  // namespace

absl::Status FetchArtifact(Context& context, const v1::ModelVersion& version,
                           const std::string& name, const std::string& path) {
  v1::GetArtifactRequest request;
  request.set_model(version.model());
  request.set_version(version.version());
  request.set_name(name);
  const std::string partial = path + ".part";
  std::FILE* file = path.empty() ? stdout : std::fopen(partial.c_str(), "wb");
  if (file == nullptr) return CannotWrite(partial);
  const auto hash = Receive(context, request, file, path);
  absl::Status status = hash.status();
  for (const v1::Artifact& artifact : version.artifacts()) {
    if (status.ok() && artifact.name() == name && artifact.sha256() != *hash) {
      status = absl::DataLossError(absl::StrCat(name, ": expected SHA-256 ", artifact.sha256(),
                                                ", got ", *hash, "; fetch it again"));
    }
  }
  if (path.empty()) return status;
  if (std::fclose(file) != 0 && status.ok()) status = CannotWrite(partial);
  if (status.ok() && std::rename(partial.c_str(), path.c_str()) != 0) status = CannotWrite(path);
  if (!status.ok()) std::remove(partial.c_str());
  return status;
}

}  // namespace latent::cli
