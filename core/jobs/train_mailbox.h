// What training threads have to say, for the runner's thread to take: bounded, never blocking the
// writer for longer than a move. Of steps and checkpoints the newest counts; epochs are kept, the
// oldest give way when nobody takes them. Owned by one run; written from training threads, taken by
// the runner's thread. Its lock is shared with no thread that answers calls.
#ifndef LATENT_CORE_JOBS_TRAIN_MAILBOX_H_
#define LATENT_CORE_JOBS_TRAIN_MAILBOX_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "core/train/trainer.h"
#include "latent/v1/spec.pb.h"

namespace latent {

class TrainMailbox {
 public:
  static constexpr std::size_t kMaxEpochs = 1024;

  struct PendingCheckpoint {
    std::string bytes;
    std::uint64_t step = 0;  // of the last progress before it
  };
  struct Mail {
    std::vector<v1::TrainProgress> epochs;  // finished since the last mail
    std::optional<v1::TrainProgress> step;  // the newest, if it came after the last epoch
    std::optional<PendingCheckpoint> checkpoint;
    std::optional<absl::StatusOr<TrainResult>> result;  // the last thing that comes
  };

  // `step`: where training goes on from.
  explicit TrainMailbox(std::uint64_t step) : last_step_(step) {}

  void PutProgress(const v1::TrainProgress& progress, bool epoch_end);
  void PutCheckpoint(std::string bytes);
  void PutResult(absl::StatusOr<TrainResult> result);
  // Waits until there is something and takes it all.
  Mail Take();

 private:
  Mutex mutex_;
  CondVar news_;
  std::deque<v1::TrainProgress> epochs_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::TrainProgress> step_ ABSL_GUARDED_BY(mutex_);
  std::optional<PendingCheckpoint> checkpoint_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::StatusOr<TrainResult>> result_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_step_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace latent

#endif  // LATENT_CORE_JOBS_TRAIN_MAILBOX_H_
