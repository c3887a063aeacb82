#include "server/reply_reuse.h"

#include <cstdint>
#include <memory>

namespace latent {
namespace {

std::size_t CellBytes(const v1::DenseRows& rows) { return rows.data().capacity(); }
std::size_t CellBytes(const v1::Rows& rows) {
  return rows.has_dense() ? CellBytes(rows.dense()) : SIZE_MAX;
}

// Takes the message that was released, or frees it.
template <typename Message>
std::unique_ptr<Message> Kept(Message* released, std::size_t most) {
  std::unique_ptr<Message> message(released);
  if (message != nullptr && CellBytes(*message) > most) message.reset();
  return message;
}

template <typename Reply>
void EmptyEncodeReply(Reply& reply, std::size_t most) {
  std::unique_ptr<v1::AnsweredBy> answered_by(reply.release_answered_by());
  std::unique_ptr<v1::Rows> codes = Kept(reply.release_codes(), most);
  std::unique_ptr<v1::DenseRows> sigma = Kept(reply.release_sigma(), most);
  reply.Clear();
  reply.set_allocated_answered_by(answered_by.release());
  reply.set_allocated_codes(codes.release());
  reply.set_allocated_sigma(sigma.release());
}

}  // namespace

void EmptyForReuse(v1::EncodeResponse& reply) { EmptyEncodeReply(reply, kKeptCellBytes); }

void EmptyForReuse(v1::StreamEncodeResponse& reply) {
  std::unique_ptr<v1::DenseRows> reconstruction =
      Kept(reply.release_reconstruction(), kKeptStreamCellBytes);
  EmptyEncodeReply(reply, kKeptStreamCellBytes);
  reply.set_allocated_reconstruction(reconstruction.release());
}

}  // namespace latent
