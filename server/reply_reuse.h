// Emptying a reply for the next call that is to use it. Clear() frees the messages within a
// message, so that each Encode would take them from the heap again.
#ifndef LATENT_SERVER_REPLY_REUSE_H_
#define LATENT_SERVER_REPLY_REUSE_H_

#include <cstddef>

#include "latent/v1/inference_service.pb.h"

namespace latent {

// Cells that took more are freed rather than kept. A stream has many replies, idle or not.
inline constexpr std::size_t kKeptCellBytes = 16 << 10;
inline constexpr std::size_t kKeptStreamCellBytes = 1 << 10;

// Empties a reply but for `answered_by`, `codes`, `sigma` and `reconstruction`, which keep what
// they held unless it was large: whoever fills the next reply sets or clears each of them.
void EmptyForReuse(v1::EncodeResponse& reply);
void EmptyForReuse(v1::StreamEncodeResponse& reply);
// Empties other replies.
inline void EmptyForReuse(google::protobuf::Message& reply) { reply.Clear(); }

}  // namespace latent

#endif  // LATENT_SERVER_REPLY_REUSE_H_
