#include "client/encode_stream.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/errors.h"

namespace latent {
namespace {

// Whether waiting mends it: the server is away, or has too much to do.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) ||
         (absl::IsResourceExhausted(status) && RpcErrorOf(status).retry_after.has_value());
}

}  // namespace

absl::Status EncodeStream(
    Client& client, const EncodeStreamOptions& options, const MessageSource& source,
    const std::function<absl::Status(const v1::StreamEncodeResponse&)>& on_reply) {
  v1::ModelSelector model = options.model;
  std::uint64_t answered = 0;
  Resumer resumer(options.resume);
  const auto start = std::chrono::steady_clock::now();
  const auto left = [&] {
    if (!options.timeout) return options.stream_timeout;
    return *options.timeout - std::chrono::duration_cast<std::chrono::milliseconds>(
                                  std::chrono::steady_clock::now() - start);
  };
  while (true) {
    const std::uint64_t first = answered;
    std::uint64_t sent = 0;  // the writing thread's until the stream has ended
    const auto next = [&](v1::StreamEncodeRequest* message) {
      if (sent == 0) {
        *message->mutable_model() = model;
        *message->mutable_outputs() = options.outputs;
      }
      if (!source(first + sent, message)) return false;
      ++sent;
      return true;
    };
    absl::Status refused;
    const auto deliver = [&](v1::StreamEncodeResponse& reply) {
      resumer.Progress();
      ++answered;
      reply.set_message_index(first + reply.message_index());
      refused = on_reply(reply);
      return refused;
    };
    const std::chrono::milliseconds most = std::min(options.stream_timeout, left());
    if (most.count() <= 0) {
      return absl::DeadlineExceededError(
          absl::StrCat("only ", answered, " messages were answered within the time given"));
    }
    v1::AnsweredBy answered_by;
    absl::Status status =
        client.StreamEncode(next, deliver, &answered_by, {.timeout = most, .stop = options.stop});
    if (!refused.ok()) return status;
    if (status.ok()) {
      if (answered - first == sent) return status;
      return absl::InternalError(absl::StrCat("expected a reply to each of ", sent,
                                              " messages, but the server ended the stream with OK "
                                              "after ",
                                              answered - first));
    }
    if (options.stop.stop_requested()) return absl::CancelledError("stopped encoding");
    if (answered > first) model.set_version(answered_by.version());
    const bool stream_ran_out = absl::IsDeadlineExceeded(status) && answered > first;
    if (stream_ran_out) continue;
    if (!MayPass(status) || !resumer.Again(absl::UnavailableError(""))) return status;
  }
}

}  // namespace latent
