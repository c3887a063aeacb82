// The digits as datasets, and short ways to train on them.
#ifndef LATENT_TESTS_UNIT_TRAIN_TRAIN_FIXTURE_H_
#define LATENT_TESTS_UNIT_TRAIN_TRAIN_FIXTURE_H_

#include <memory>
#include <string>
#include <vector>

#include "core/data/dataset.h"
#include "core/train/trainer.h"

namespace latent {

// All 1,797 digits as TRAIN, cells in [0, 1], with their labels.
std::shared_ptr<const Dataset> AllDigits();
// The first `train` of them as TRAIN and the `validation` after those as VALIDATION.
std::shared_ptr<const Dataset> SomeDigits(std::size_t train, std::size_t validation);

// The plan of a request in text format.
v1::TrainingPlan PlanFor(const Dataset& data, const std::string& request);

// Trains without interruption and reports.
absl::StatusOr<TrainResult> Fit(const v1::TrainingPlan& plan, const Dataset& data);
// The weights that Fit ends with; fails the test if it does not.
std::vector<float> FitWeights(const v1::TrainingPlan& plan, const Dataset& data);
std::vector<float> WeightsOf(const Autoencoder& model);

// Mean over TRAIN of the squared error of a row, dataset units.
double SquaredErrorPerRow(const Autoencoder& model, const Dataset& data);

}  // namespace latent

#endif  // LATENT_TESTS_UNIT_TRAIN_TRAIN_FIXTURE_H_
