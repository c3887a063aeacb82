// What /metrics shows of the backend: read from core's plain counters at scrape. Free functions;
// the collectors borrow what they are given.
#ifndef LATENT_SERVER_BACKEND_METRICS_H_
#define LATENT_SERVER_BACKEND_METRICS_H_

#include "server/backend.h"
#include "server/inference_service.h"
#include "server/metrics.h"

namespace latent {

// Jobs, training, models, disk. Only after Backend::Open.
Metrics::Collector BackendCollector(Backend* backend);
// Batches and rows in flight.
Metrics::Collector InferenceCollector(const InferenceServiceHandler* inference);

}  // namespace latent

#endif  // LATENT_SERVER_BACKEND_METRICS_H_
