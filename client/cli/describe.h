// Messages of the protocol as tables for people. Pure functions; any thread.
#ifndef LATENT_CLIENT_CLI_DESCRIBE_H_
#define LATENT_CLIENT_CLI_DESCRIBE_H_

#include <string>
#include <vector>

#include "client/render/table.h"
#include "google/protobuf/message.h"
#include "google/protobuf/timestamp.pb.h"
#include "latent/v1/dataset_service.pb.h"
#include "latent/v1/registry_service.pb.h"
#include "latent/v1/training_service.pb.h"

namespace latent::cli {

// "2026-01-31 13:45:00 UTC"; empty if it is not set.
std::string FormatTime(const google::protobuf::Timestamp& time);

// "28x28x1".
std::string FormatShape(const google::protobuf::RepeatedField<std::uint32_t>& shape);

// "784 -> 512 relu -> 256 relu -> [32] -> 256 relu -> 512 relu -> 784".
std::string FormatLayers(const v1::TrainingPlan& plan);

// Every field that is set, nested ones as dotted names, one row each; a message without fields (a
// choice) shows as "name {}".
void AddFields(const google::protobuf::Message& message, const std::string& prefix, Table* table);

// "field,value" tables.
Table DescribeDataset(const v1::Dataset& dataset);
Table DescribeJob(const v1::TrainJob& job);
Table DescribePlan(const v1::TrainingPlan& plan);
Table DescribeVersion(const v1::ModelVersion& version);
// "name,value,unit,standard error,part,better" of each figure.
Table DescribeMetrics(const google::protobuf::RepeatedPtrField<v1::Metric>& metrics);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_DESCRIBE_H_
