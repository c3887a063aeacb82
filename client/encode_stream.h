// Encoding many rows over StreamEncode, across broken connections and restarts of the server.
#ifndef LATENT_CLIENT_ENCODE_STREAM_H_
#define LATENT_CLIENT_ENCODE_STREAM_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>

#include "absl/status/status.h"
#include "client/client.h"
#include "client/retry.h"

namespace latent {

struct EncodeStreamOptions {
  // The version that answers the first message answers all, also after a restart.
  v1::ModelSelector model;
  v1::StreamOutputs outputs;
  // A stream lives so long, then it is taken up anew: a connection that died silently is noticed.
  std::chrono::milliseconds stream_timeout{60'000};
  // Ends the whole of it with DEADLINE_EXCEEDED; none: as long as there are replies.
  std::optional<std::chrono::milliseconds> timeout = {};
  ResumePolicy resume = {};
  std::stop_token stop = {};
};

// Fills in `rows` and `seed` of message `index`; false behind the last one. Called from a thread of
// its own while replies are handed over; again for an index that was sent but not answered before a
// stream broke off.
using MessageSource = std::function<bool(std::uint64_t index, v1::StreamEncodeRequest* message)>;

// Hands over one reply a message, in order, each once; its message_index counts from the first
// message of all. Blocks; `on_reply` runs in the caller's thread, and the error that it returns
// ends the whole. UNAVAILABLE, and refusals under load that say when to come again, are resumed.
// INTERNAL if a stream ends with OK before each message was answered.
absl::Status EncodeStream(
    Client& client, const EncodeStreamOptions& options, const MessageSource& source,
    const std::function<absl::Status(const v1::StreamEncodeResponse&)>& on_reply);

}  // namespace latent

#endif  // LATENT_CLIENT_ENCODE_STREAM_H_
