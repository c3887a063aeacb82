// Between Recommend's messages and core's operation: item ids to columns and back. Free functions;
// any thread.
#ifndef LATENT_SERVER_RECOMMEND_CONVERT_H_
#define LATENT_SERVER_RECOMMEND_CONVERT_H_

#include "core/serve/recommend.h"
#include "latent/v1/inference_service.pb.h"
#include "server/inference_convert.h"

namespace latent {

RequestCells CellsOf(const v1::RecommendRequest& request);
// Reads item ids itself, and counts in the response those that the version does not know.
OperationOr MakeOperation(const v1::RecommendRequest& request, ModelPtr model, Cells cells,
                          const OperationLimits& limits, v1::RecommendResponse* response);
void FillResponse(const v1::RecommendRequest& request, const Operation& operation,
                  v1::RecommendResponse* response);

}  // namespace latent

#endif  // LATENT_SERVER_RECOMMEND_CONVERT_H_
