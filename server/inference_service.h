// InferenceService on the event loops: resolves the version, admits the rows, lets the loop's
// batcher run small requests joined and the compute executor run large ones, and answers. Owned by
// App. Not its job: what the calls mean (core/serve), how messages are read (inference_convert).
#ifndef LATENT_SERVER_INFERENCE_SERVICE_H_
#define LATENT_SERVER_INFERENCE_SERVICE_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/base/mutex.h"
#include "latent/v1/inference_service.grpc.pb.h"
#include "server/backend.h"
#include "server/config.h"
#include "server/inference_convert.h"
#include "server/metrics.h"
#include "server/router.h"
#include "server/row_batcher.h"
#include "server/rows_codec.h"

namespace latent {

class InferenceServiceHandler {
 public:
  // All borrowed; `compute` runs what would hold up a loop.
  InferenceServiceHandler(const RequestLimits& limits, Backend* backend, IoExecutor* io,
                          IoExecutor* compute, const BatchMetrics* metrics);
  grpc::Service* service() { return &service_; }
  // Before the loops start.
  void Bind(Router& router);

  std::uint64_t rows_in_flight() const { return rows_in_flight_.load(std::memory_order_relaxed); }
  // Over all loops and the compute executor.
  BatchStats batch_stats() const;

 private:
  // Gives rows back when the call that brought them ends.
  class Admission {
   public:
    Admission(std::atomic<std::uint64_t>* in_flight, std::size_t rows)
        : in_flight_(in_flight), rows_(rows) {}
    ~Admission() { in_flight_->fetch_sub(rows_, std::memory_order_relaxed); }
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;

   private:
    std::atomic<std::uint64_t>* const in_flight_;
    const std::size_t rows_;
  };
  using AdmissionPtr = std::shared_ptr<const Admission>;

  // The way of a call, each step either ending it or leading to the next. `slice` holds rows that
  // were read from a dataset; null: they are in the request.
  template <typename Call>
  void Begin(Call& call);
  template <typename Call>
  absl::Status WithModel(Call& call, const ModelPtr& model);
  template <typename Call>
  absl::Status ReadSlice(Call& call, const ModelPtr& model);
  template <typename Call>
  absl::Status Dispatch(Call& call, const ModelPtr& model, std::size_t input_rows,
                        std::shared_ptr<Cells> slice);
  template <typename Call>
  absl::Status RunLarge(Call& call, const ModelPtr& model, AdmissionPtr admission,
                        std::shared_ptr<Cells> slice);
  template <typename Call>
  OperationOr MakeChecked(Call& call, const ModelPtr& model, Cells* slice);
  template <typename Call>
  absl::Status Answer(Call& call, const Operation& operation);

  absl::StatusOr<std::shared_ptr<const VersionInfo>> ResolveVersion(
      const v1::ModelSelector& selector);
  absl::StatusOr<Cells> SliceCells(const v1::DatasetSlice& slice, const ServedModel& model,
                                   std::string_view field);
  // Labels of a slice that has been read; none if the dataset has none.
  absl::Status AddLabels(const v1::DatasetSlice& slice,
                         google::protobuf::RepeatedField<std::int32_t>& labels);
  absl::StatusOr<AdmissionPtr> Admit(std::size_t rows);
  RowBatcher& BatcherOf(const EventLoop& loop) {
    return *batchers_[static_cast<std::size_t>(loop.index())];
  }
  BatchRunner* TakeRunner();
  void GiveBackRunner(BatchRunner* runner);

  const RequestLimits limits_;
  Backend* const backend_;
  IoExecutor* const io_;
  IoExecutor* const compute_;
  const BatchMetrics* const metrics_;
  v1::InferenceService::AsyncService service_;
  std::vector<std::unique_ptr<RowBatcher>> batchers_;  // one a loop
  std::atomic<std::uint64_t> rows_in_flight_{0};
  mutable Mutex mutex_;
  // Of the compute executor's threads: made as needed, kept.
  std::vector<std::unique_ptr<BatchRunner>> runners_ ABSL_GUARDED_BY(mutex_);
  std::vector<BatchRunner*> idle_runners_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace latent

#endif  // LATENT_SERVER_INFERENCE_SERVICE_H_
