// The options of `latent train` and the TrainJobSpec that they make. Values; any thread.
#ifndef LATENT_CLIENT_CLI_TRAIN_FLAGS_H_
#define LATENT_CLIENT_CLI_TRAIN_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "latent/v1/spec.pb.h"

namespace CLI {
class App;
}

namespace latent::cli {

// What is not given is left to the preset and the server.
struct TrainFlags {
  std::string model, dataset, preset, config, description;
  std::vector<std::string> labels, aliases;
  // Parts of the model.
  std::optional<std::uint32_t> latent_dim, k;
  std::optional<std::string> hidden, activation, code_activation;
  std::string scaling, corruption, likelihood, condition, l1_per_layer, l2_per_layer;
  std::string binarise;
  std::optional<double> beta, kl_warm_up, free_bits, capacity, mmd_weight, kl_sparsity, rho,
      contractive, l1, l1_code, l1_decoder, l2;
  std::optional<std::uint32_t> draws, groups, codebook_size;
  std::optional<bool> tied, unit_norm_decoder;
  // Training.
  std::optional<double> ridge;
  std::optional<std::uint32_t> importance_draws, importance_rows, epochs, batch_size, threads,
      patience;
  std::optional<std::uint64_t> seed;
  std::optional<double> learning_rate, warm_up, weight_decay, clip_norm, max_duration,
      checkpoint_interval, anomaly_quantile;
  std::string schedule, optimizer, warm_start, sampler;
  std::optional<bool> early_stopping, shuffle, keep_latent_space, optimizer_state;
  // Publishing.
  std::string publish, publish_metric, publish_direction;
  std::optional<double> publish_bound;
  std::optional<bool> allow_schema_change, keep_optimizer_state;
};

// Adds an option for each field. `flags` must outlive the app.
void AddTrainOptions(CLI::App& command, TrainFlags& flags);

// The specification in the file --config, if any, with the other options over it.
// INVALID_ARGUMENT names the option at fault.
absl::StatusOr<v1::TrainJobSpec> BuildTrainJobSpec(const TrainFlags& flags);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_TRAIN_FLAGS_H_
