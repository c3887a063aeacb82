// Fits a model to a dataset by a resolved plan. Knows no jobs: it reports to callbacks and obeys a
// stop flag. One call on one thread; makes its own training threads (SCHED_IDLE or nice 19 as
// asked). The result depends on plan and data alone, not on threads, interruptions or resumption.
#ifndef LATENT_CORE_TRAIN_TRAINER_H_
#define LATENT_CORE_TRAIN_TRAINER_H_

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/autoencoder.h"
#include "core/model/model_file.h"
#include "latent/v1/spec.pb.h"

namespace latent {

// How training threads are scheduled beside the threads that answer calls.
enum class TrainingPriority { kNormal, kBackground };

struct TrainCallbacks {
  // At most twice a second, and at the end of every epoch (epoch_end). Must not block: it is called
  // from a training thread.
  std::function<void(const v1::TrainProgress&, bool epoch_end)> on_progress;
  // A checkpoint as bytes, at the plan's interval, at the end of training and when stopped. Called
  // from a training thread; must not block on locks that normal threads hold for long.
  std::function<void(std::string checkpoint)> on_checkpoint;
};

struct TrainResult {
  std::unique_ptr<Autoencoder> model;  // best weights restored
  v1::TrainProgress progress;
  std::string
      ended_because;     // "all epochs", "early stopping after ...", "max_duration", "closed form"
  TensorFile optimizer;  // its state after the last update, if the plan keeps it; else empty
};

// Trains from scratch, or on from `checkpoint` if it is not empty. A plan with a warm start needs
// `start`, the tensors of the version that it names (with those of its optimiser's state, see
// optimizer_state.h, if the plan goes on with it), in either case. INVALID_ARGUMENT if rows lie
// where that version's scaling leads out of what its likelihood knows. CANCELLED if `stop` was
// requested (a last checkpoint was handed out); FAILED_PRECONDITION with reason NOT_FINITE, naming
// step, layer and term, if a loss or gradient is NaN or infinite; DEADLINE_EXCEEDED, reason
// MAX_DURATION, if a closed form has no result in that time. Throws what libraries throw when
// memory or threads run out.
absl::StatusOr<TrainResult> Train(const v1::TrainingPlan& plan, const Dataset& data,
                                  const std::string& checkpoint, TrainingPriority priority,
                                  const TrainCallbacks& callbacks, std::stop_token stop,
                                  const TensorFile* start = nullptr);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_TRAINER_H_
