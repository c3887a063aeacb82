#include "client/cli/train_flags.h"

#include <CLI/CLI.hpp>

namespace latent::cli {
namespace {

constexpr char kParts[] = "Parts of the model";
constexpr char kTraining[] = "Training";
constexpr char kPublishing[] = "Publishing";

// --NAME and --no-NAME; neither leaves the preset's choice.
void AddSwitch(CLI::App& command, const char* name, std::optional<bool>& value, const char* text,
               const char* group) {
  const std::string names = std::string("--") + name + ",!--no-" + name;
  command
      .add_flag_function(
          names, [&value](std::int64_t count) { value = count > 0; }, text)
      ->group(group);
}

void AddParts(CLI::App& command, TrainFlags& flags) {
  const auto add = [&command](const char* name, auto& value, const char* text) {
    command.add_option(name, value, text)->group(kParts);
  };
  add("--latent-dim", flags.latent_dim, "Number of code entries");
  add("--k", flags.k, "Entries of a top-k code that are kept in a row");
  add("--hidden", flags.hidden,
      "Widths of the encoder's hidden layers, e.g. 512,256; \"\" for none; the decoder mirrors "
      "them");
  add("--activation", flags.activation,
      "Of hidden layers: relu (default), leaky-relu, elu, silu, softplus, tanh, sigmoid, identity");
  add("--code-activation", flags.code_activation, "Of a deterministic code; same names");
  AddSwitch(command, "tied", flags.tied, "Decoder weights are the encoder's, transposed", kParts);
  add("--scaling", flags.scaling, "none, min-max, standardise or l2-row");
  add("--condition", flags.condition, "none, or label: tell encoder and decoder each row's label");
  add("--corruption", flags.corruption,
      "none, gaussian:SIGMA, masking:FRACTION, dropout:FRACTION or salt-and-pepper:FRACTION");
  add("--likelihood", flags.likelihood,
      "auto, bernoulli, multinomial[:SAMPLED_COLUMNS], gaussian[:VARIANCE], gaussian-learned, "
      "mixed[:VARIANCE] or "
      "mixed-learned");
  add("--beta", flags.beta, "Weight of the KL term");
  add("--kl-warm-up", flags.kl_warm_up, "Share of all updates over which beta rises from 0");
  add("--free-bits", flags.free_bits, "KL in nats a code entry that is not charged");
  add("--capacity", flags.capacity, "KL in nats a row that is asked for, in place of --beta");
  add("--draws", flags.draws, "Draws of the code a row");
  add("--mmd-weight", flags.mmd_weight,
      "Of wae: weight of the codes' distance from a standard Gaussian");
  add("--groups", flags.groups, "Of vq-vae: numbers that a code is made of");
  add("--codebook-size", flags.codebook_size, "Of vq-vae: vectors in the list");
  command
      .add_option("--binarise", flags.binarise,
                  "none, or dynamic: cells of TRAIN rows are drawn anew as 0 or 1 each time")
      ->check(CLI::IsMember({"none", "dynamic"}))
      ->group(kParts);
  add("--l1", flags.l1, "L1 activity penalty on every hidden layer and the code");
  add("--l1-code", flags.l1_code, "L1 activity penalty on the code, in place of --l1 there");
  add("--l1-decoder", flags.l1_decoder, "L1 activity penalty on the decoder's hidden layers");
  add("--l1-per-layer", flags.l1_per_layer, "One L1 weight a layer: encoder, code, decoder");
  add("--l2", flags.l2, "L2 activity penalty, likewise");
  add("--l2-per-layer", flags.l2_per_layer, "One L2 weight a layer");
  add("--kl-sparsity", flags.kl_sparsity,
      "Weight of the penalty on mean activations of a sigmoid code away from --rho");
  add("--rho", flags.rho, "Mean activation that --kl-sparsity asks for (default: 0.05)");
  add("--contractive", flags.contractive, "Weight of the penalty on the code's derivatives");
  AddSwitch(command, "unit-norm-decoder", flags.unit_norm_decoder,
            "Columns of the first decoder layer keep unit norm", kParts);
}

void AddTraining(CLI::App& command, TrainFlags& flags) {
  const auto add = [&command](const char* name, auto& value, const char* text) {
    command.add_option(name, value, text)->group(kTraining);
  };
  add("--epochs", flags.epochs, "Passes over the training rows");
  add("--batch-size", flags.batch_size, "Rows an update");
  add("--learning-rate", flags.learning_rate, "At its height");
  add("--schedule", flags.schedule, "cosine (default), constant or plateau:FACTOR");
  add("--warm-up", flags.warm_up, "Share of all updates over which the learning rate rises");
  add("--optimizer", flags.optimizer,
      "adam (default), adam-lazy, sgd:MOMENTUM or sgd-nesterov:MOMENTUM");
  add("--weight-decay", flags.weight_decay, "Decoupled weight decay");
  add("--clip-norm", flags.clip_norm, "Bound on the gradient's norm; 0 for none");
  add("--patience", flags.patience, "Epochs without improvement before training ends");
  AddSwitch(command, "early-stopping", flags.early_stopping, "Whether training may end early",
            kTraining);
  AddSwitch(command, "shuffle", flags.shuffle, "Whether each epoch has a new order", kTraining);
  add("--warm-start", flags.warm_start,
      "MODEL, MODEL@VERSION or MODEL@ALIAS whose weights training begins with; preset and "
      "architecture are that version's");
  AddSwitch(command, "keep-latent-space", flags.keep_latent_space,
            "After a warm start only the decoder learns, so that codes stay the same", kTraining);
  AddSwitch(command, "optimizer-state", flags.optimizer_state,
            "After a warm start the optimiser goes on with the state that the version keeps",
            kTraining);
  add("--ridge", flags.ridge, "Of ease: charge on squared weights");
  add("--importance-draws", flags.importance_draws,
      "Draws a row behind test_iwae_nll; 0 leaves it out (default: 50)");
  add("--importance-rows", flags.importance_rows,
      "Rows at most that it is computed on; 0 means all (default: 2000)");
  add("--seed", flags.seed, "Every random number follows from it (default: 0)");
  add("--threads", flags.threads, "Training threads; the result does not depend on it");
  add("--sampler", flags.sampler,
      "What codes are drawn from where the latent has no prior: gaussian, or mixture:MOST with at "
      "most so many components (default: mixture:16)");
  add("--max-duration", flags.max_duration, "Seconds after which training ends with what it has");
  add("--checkpoint-interval", flags.checkpoint_interval, "Seconds between checkpoints");
  add("--anomaly-quantile", flags.anomaly_quantile,
      "Quantile of validation scores above which a row is an anomaly");
}

void AddPublishing(CLI::App& command, TrainFlags& flags) {
  const auto add = [&command](const char* name, auto& value, const char* text) {
    return command.add_option(name, value, text)->group(kPublishing);
  };
  add("--publish", flags.publish, "always, never or if-better")
      ->check(CLI::IsMember({"always", "never", "if-better"}));
  add("--publish-metric", flags.publish_metric, "Metric that if-better compares");
  add("--publish-direction", flags.publish_direction,
      "Which way it is better, for metrics that do not say so themselves")
      ->check(CLI::IsMember({"higher", "lower"}));
  add("--publish-bound", flags.publish_bound, "Value that it must reach, instead of the alias's");
  add("--alias", flags.aliases, "Alias that moves to the version (default: production); repeatable")
      ->allow_extra_args(false);
  AddSwitch(command, "allow-schema-change", flags.allow_schema_change,
            "Aliases may move to a version of other width, shape or likelihood", kPublishing);
  AddSwitch(command, "keep-optimizer-state", flags.keep_optimizer_state,
            "The version keeps what --optimizer-state needs", kPublishing);
}

}  // namespace

void AddTrainOptions(CLI::App& command, TrainFlags& flags) {
  command.add_option("MODEL", flags.model, "Model that gets the new version; made if new")
      ->required();
  command.add_option("--dataset", flags.dataset, "Dataset to train on");
  command.add_option("--preset", flags.preset,
                     "pca, plain (default), conv, denoising, sparse, contractive, topk, vae, "
                     "beta-vae, iwae, dlgm, cvae, "
                     "vq-vae, wae, mult-dae, mult-vae, ease, table: see latent info");
  command.add_option("--config", flags.config,
                     "TrainJobSpec as JSON; the other options go over it");
  command.add_option("--label", flags.labels, "KEY=VALUE to find the job by; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--description", flags.description, "Free text");
  AddParts(command, flags);
  AddTraining(command, flags);
  AddPublishing(command, flags);
}

}  // namespace latent::cli
