// Between each InferenceService message and core's operation for it. Free functions, one set a
// call, so that one template serves them all; any thread.
#ifndef LATENT_SERVER_INFERENCE_CONVERT_H_
#define LATENT_SERVER_INFERENCE_CONVERT_H_

#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/serve/operations.h"
#include "latent/v1/inference_service.pb.h"
#include "server/config.h"

namespace latent {

// The rows or codes that a request brings.
struct RequestCells {
  const v1::Rows* rows = nullptr;  // null: none (Sample)
  bool codes = false;              // of the code's width rather than the row's
  std::string_view field = {};
  // Rows that are computed: `computed` in all where there is no input, else `factor` an input row.
  double factor = 1;
  std::size_t computed = 0;
};

RequestCells CellsOf(const v1::EncodeRequest& request);
RequestCells CellsOf(const v1::StreamEncodeRequest& request);
RequestCells CellsOf(const v1::DecodeRequest& request);
RequestCells CellsOf(const v1::ReconstructRequest& request);
RequestCells CellsOf(const v1::DenoiseRequest& request);
RequestCells CellsOf(const v1::SampleRequest& request);
RequestCells CellsOf(const v1::InterpolateRequest& request);
RequestCells CellsOf(const v1::ScoreRequest& request);

// The checked operation. May note in the response what the request left open (Sample's seed).
using OperationOr = absl::StatusOr<std::unique_ptr<Operation>>;
// Encode and StreamEncode make theirs of one that has been used.
absl::Status BeginEncode(const v1::EncodeRequest& request, ModelPtr model,
                         EncodeOperation::Rows rows, EncodeOperation* operation);
absl::Status BeginEncode(const v1::StreamEncodeRequest& request, ModelPtr model,
                         EncodeOperation::Rows rows, EncodeOperation* operation);
OperationOr MakeOperation(const v1::DecodeRequest& request, ModelPtr model, Cells cells,
                          const OperationLimits& limits, v1::DecodeResponse* response);
OperationOr MakeOperation(const v1::ReconstructRequest& request, ModelPtr model, Cells cells,
                          const OperationLimits& limits, v1::ReconstructResponse* response);
OperationOr MakeOperation(const v1::DenoiseRequest& request, ModelPtr model, Cells cells,
                          const OperationLimits& limits, v1::DenoiseResponse* response);
OperationOr MakeOperation(const v1::SampleRequest& request, ModelPtr model, const Cells& cells,
                          const OperationLimits& limits, v1::SampleResponse* response);
OperationOr MakeOperation(const v1::InterpolateRequest& request, ModelPtr model, Cells cells,
                          const OperationLimits& limits, v1::InterpolateResponse* response);
OperationOr MakeOperation(const v1::ScoreRequest& request, ModelPtr model, Cells cells,
                          const OperationLimits& limits, v1::ScoreResponse* response);

// The results of an operation that has been run and was made from this request. Replies of Encode
// and StreamEncode may hold what an earlier call left (EmptyForReuse).
void FillResponse(const v1::EncodeRequest& request, const Operation& operation,
                  v1::EncodeResponse* response);
void FillResponse(const v1::StreamEncodeRequest& request, const Operation& operation,
                  v1::StreamEncodeResponse* response);
void FillResponse(const v1::DecodeRequest& request, const Operation& operation,
                  v1::DecodeResponse* response);
void FillResponse(const v1::ReconstructRequest& request, const Operation& operation,
                  v1::ReconstructResponse* response);
void FillResponse(const v1::DenoiseRequest& request, const Operation& operation,
                  v1::DenoiseResponse* response);
void FillResponse(const v1::SampleRequest& request, const Operation& operation,
                  v1::SampleResponse* response);
void FillResponse(const v1::InterpolateRequest& request, const Operation& operation,
                  v1::InterpolateResponse* response);
void FillResponse(const v1::ScoreRequest& request, const Operation& operation,
                  v1::ScoreResponse* response);

}  // namespace latent

#endif  // LATENT_SERVER_INFERENCE_CONVERT_H_
