#include "core/jobs/train_mailbox.h"

#include <iterator>
#include <utility>

namespace latent {

void TrainMailbox::PutProgress(const v1::TrainProgress& progress, bool epoch_end) {
  MutexLock lock(&mutex_);
  last_step_ = progress.step();
  if (epoch_end) {
    step_.reset();
    epochs_.push_back(progress);
    if (epochs_.size() > kMaxEpochs) epochs_.pop_front();
  } else {
    step_ = progress;
  }
  news_.NotifyOne();
}

void TrainMailbox::PutCheckpoint(std::string bytes) {
  MutexLock lock(&mutex_);
  checkpoint_ = PendingCheckpoint{std::move(bytes), last_step_};
  news_.NotifyOne();
}

void TrainMailbox::PutResult(absl::StatusOr<TrainResult> result) {
  MutexLock lock(&mutex_);
  result_ = std::move(result);
  news_.NotifyOne();
}

TrainMailbox::Mail TrainMailbox::Take() {
  MutexLock lock(&mutex_);
  while (epochs_.empty() && !step_ && !checkpoint_ && !result_) news_.Wait(&mutex_);
  Mail mail;
  mail.epochs.assign(std::make_move_iterator(epochs_.begin()),
                     std::make_move_iterator(epochs_.end()));
  epochs_.clear();
  mail.step = std::exchange(step_, std::nullopt);
  mail.checkpoint = std::exchange(checkpoint_, std::nullopt);
  mail.result = std::exchange(result_, std::nullopt);
  return mail;
}

}  // namespace latent
