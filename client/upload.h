// Uploading a dataset: declared, sent in checksummed chunks, resumed after breaks, finished.
#ifndef LATENT_CLIENT_UPLOAD_H_
#define LATENT_CLIENT_UPLOAD_H_

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/client.h"
#include "client/retry.h"

namespace latent {

// Where an upload stands; numbers are over all files.
struct UploadProgress {
  enum class Step { kHashing, kSending, kParsing };
  Step step = Step::kHashing;
  std::uint64_t bytes = 0;  // hashed or sent so far
  std::uint64_t total_bytes = 0;
};

struct UploadOptions {
  std::function<void(const UploadProgress&)> progress = {};  // runs in the caller's thread
  std::size_t chunk_bytes = 1 << 20;
  // Bytes a stream carries before the server is asked to make them durable.
  std::uint64_t stream_bytes = 64 << 20;
  std::chrono::milliseconds stream_timeout{300'000};
  std::chrono::milliseconds parse_timeout{900'000};
  ResumePolicy resume = {};
  std::stop_token stop = {};
};

// Uploads the local files `paths`, which belong to declaration.files() in order, and returns the
// dataset, READY or FAILED. Bytes that the server has are not sent again, so that calling this once
// more takes up an upload that broke off; a READY dataset of the same content is returned as it is.
// NOT_FOUND for a file that cannot be opened; DATA_LOSS for one that changes while it is sent;
// otherwise the server's error.
absl::StatusOr<v1::Dataset> Upload(Client& client, const v1::DatasetDeclaration& declaration,
                                   const std::vector<std::string>& paths,
                                   const UploadOptions& options);

}  // namespace latent

#endif  // LATENT_CLIENT_UPLOAD_H_
