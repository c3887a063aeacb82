// Everything that a run needs to go on as if it had never stopped, and its bytes: a magic number, a
// format version, the hashes of plan and dataset, the state, and SHA-256 of all that. Numbers are
// little-endian. Values and pure functions; any thread. Not its job: files (core/jobs).
#ifndef LATENT_CORE_TRAIN_CHECKPOINT_H_
#define LATENT_CORE_TRAIN_CHECKPOINT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/train/early_stopping.h"
#include "core/train/schedule.h"
#include "latent/v1/spec.pb.h"

namespace latent {

// Why a run is over; stored, never renumbered.
enum class RunEnd : std::uint32_t {
  kNot = 0,
  kAllEpochs = 1,
  kEarlyStopping = 2,
  kMaxDuration = 3,
};

// Sums over the rows of the running epoch.
struct EpochSums {
  std::uint64_t rows = 0;
  double total = 0, reconstruction = 0, kl = 0, l1 = 0, l2 = 0;
  double kl_sparsity = 0, contractive = 0, dead = 0;
};

struct Checkpoint {
  std::uint64_t step = 0;    // updates made
  std::uint64_t epoch = 0;   // epochs finished
  std::uint64_t cursor = 0;  // rows of the running epoch's order that were used
  RunEnd end = RunEnd::kNot;
  double elapsed_seconds = 0;  // training time, earlier attempts included
  EpochSums sums;              // of the running epoch
  EpochSums last_sums;         // of the last finished one
  std::optional<double> validation;
  EarlyStopping stopping;
  PlateauState plateau;
  // All of the model's parameters, padding included; moments and best weights have the same size.
  std::vector<float> weights;
  std::vector<float> first_moment;      // or velocity
  std::vector<float> second_moment;     // empty without Adam
  std::vector<std::uint64_t> counters;  // of the latent, see TrainingPass
  std::vector<float> best_weights;      // empty before the first best
};

// Names the plan up to what cannot change the result (threads, limits of time, names, labels).
std::string PlanFingerprint(const v1::TrainingPlan& plan);

std::string SerializeCheckpoint(const Checkpoint& state, const v1::TrainingPlan& plan);

// DATA_LOSS, reason CHECKPOINT_CORRUPT, if bytes are damaged, cut or no checkpoint;
// FAILED_PRECONDITION if they are of a later format (CHECKPOINT_FORMAT) or of another plan or
// dataset (CHECKPOINT_FOREIGN). `parameters` is the length that the model's weights have.
absl::StatusOr<Checkpoint> ParseCheckpoint(std::string_view bytes, const v1::TrainingPlan& plan,
                                           std::size_t parameters);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_CHECKPOINT_H_
