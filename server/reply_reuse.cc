#include "server/reply_reuse.h"

#include <memory>

namespace latent {
namespace {

bool WorthKeeping(const v1::DenseRows& rows) { return rows.data().capacity() <= kKeptCellBytes; }
bool WorthKeeping(const v1::Rows& rows) { return rows.has_dense() && WorthKeeping(rows.dense()); }

// Takes the message out, or frees it.
template <typename Message>
std::unique_ptr<Message> Kept(Message* released) {
  std::unique_ptr<Message> message(released);
  if (message != nullptr && !WorthKeeping(*message)) message.reset();
  return message;
}

template <typename Reply>
void EmptyEncodeReply(Reply& reply) {
  std::unique_ptr<v1::AnsweredBy> answered_by(reply.release_answered_by());
  std::unique_ptr<v1::Rows> codes = Kept(reply.release_codes());
  std::unique_ptr<v1::DenseRows> sigma = Kept(reply.release_sigma());
  reply.Clear();
  reply.set_allocated_answered_by(answered_by.release());
  reply.set_allocated_codes(codes.release());
  reply.set_allocated_sigma(sigma.release());
}

}  // namespace

void EmptyForReuse(v1::EncodeResponse& reply) { EmptyEncodeReply(reply); }

void EmptyForReuse(v1::StreamEncodeResponse& reply) {
  std::unique_ptr<v1::DenseRows> reconstruction = Kept(reply.release_reconstruction());
  EmptyEncodeReply(reply);
  reply.set_allocated_reconstruction(reconstruction.release());
}

}  // namespace latent
