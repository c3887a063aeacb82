// InferenceService on the event loops: resolves the version, admits the rows, lets the loop's
// batcher run small requests joined and the compute executor run large ones, and answers. Owned by
// App. Not its job: what the calls mean (core/serve), how messages are read (inference_convert).
#ifndef LATENT_SERVER_INFERENCE_SERVICE_H_
#define LATENT_SERVER_INFERENCE_SERVICE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/mutex.h"
#include "latent/v1/inference_service.grpc.pb.h"
#include "server/admission.h"
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

  std::uint64_t rows_in_flight() const { return in_flight_.rows(); }
  // Over all loops and the compute executor.
  BatchStats batch_stats() const;

 private:
  using VersionPtr = std::shared_ptr<const VersionInfo>;
  // What holds for the messages of one stream.
  struct EncodeSession {
    // The loaded version is looked up for each message: an idle stream holds no memory.
    VersionPtr version;
    v1::ModelSelector selector;  // of the first message
    v1::StreamOutputs outputs;   // that were asked for last
    bool has_outputs = false;    // whether any were
  };
  using EncodeStream =
      ExchangeCall<v1::StreamEncodeRequest, v1::StreamEncodeResponse, EncodeSession>;

  // The way of a call, each step either ending it or leading to the next. `slice` holds rows that
  // were read from a dataset; null: they are in the request.
  template <typename Call>
  void Begin(Call& call);
  void BeginMessage(EncodeStream::Message& message);
  template <typename Call>
  void WithVersion(Call& call, const VersionPtr& version);
  template <typename Call>
  absl::Status WithModel(Call& call, const ModelPtr& model);
  template <typename Call>
  absl::Status ReadSlice(Call& call, const ModelPtr& model, Admission admission);
  template <typename Call>
  absl::Status Dispatch(Call& call, const ModelPtr& model, Admission admission, Cells* slice);
  template <typename Call>
  absl::Status RunLarge(Call& call, const ModelPtr& model, Admission admission, Cells* slice);
  struct LargeWork;
  // On a thread of the compute executor; leads to the call's end on its loop.
  template <typename Call>
  void ComputeLarge(Call& call, LargeWork& work);
  template <typename Call>
  void EndLarge(Call& call, LargeWork& work);
  // Of one that has been used, or of nothing.
  template <typename Call>
  OperationOr MakeChecked(Call& call, const ModelPtr& model, Cells* slice,
                          std::unique_ptr<Operation> used);
  template <typename Call>
  absl::Status Answer(Call& call, const Operation& operation, const RunTimes& times);
  // Pins the stream's version and completes the message by what holds for the stream.
  absl::Status Join(EncodeStream::Message& message);

  absl::StatusOr<VersionPtr> ResolveVersion(const v1::ModelSelector& selector);
  // Rows that the request has computed, up to the limit.
  std::size_t ComputedRows(const RequestCells& cells, std::size_t input_rows) const;
  // What a call takes along to the compute executor. Closures hold pointers alone and so need no
  // memory of their own.
  struct LargeWork {
    InferenceServiceHandler* handler = nullptr;
    void* call = nullptr;
    ModelPtr model;
    Admission admission;
    std::optional<Cells> slice;
    std::unique_ptr<Operation> operation;
    absl::Status status;
  };
  // Of one loop, for its thread alone.
  struct PerLoop {
    explicit PerLoop(const BatchMetrics* metrics) : batcher(metrics) {}
    // An operation of Encode that has been used, if there is one, and back.
    std::unique_ptr<Operation> TakeUsed();
    void KeepUsed(std::unique_ptr<Operation> operation);
    LargeWork& TakeLarge();

    RowBatcher batcher;
    std::vector<std::unique_ptr<Operation>> used;
    std::vector<std::unique_ptr<LargeWork>> large;  // all
    std::vector<LargeWork*> idle;                   // of these
  };
  PerLoop& Of(const EventLoop& loop) { return *loops_[static_cast<std::size_t>(loop.index())]; }
  BatchRunner* TakeRunner();
  void GiveBackRunner(BatchRunner* runner);

  const RequestLimits limits_;
  Backend* const backend_;
  IoExecutor* const io_;
  IoExecutor* const compute_;
  const BatchMetrics* const metrics_;
  v1::InferenceService::AsyncService service_;
  InFlight in_flight_;  // outlives the admissions in `loops_`
  std::vector<std::unique_ptr<PerLoop>> loops_;
  mutable Mutex mutex_;
  // Of the compute executor's threads: made as needed, kept.
  std::vector<std::unique_ptr<BatchRunner>> runners_ ABSL_GUARDED_BY(mutex_);
  std::vector<BatchRunner*> idle_runners_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace latent

#endif  // LATENT_SERVER_INFERENCE_SERVICE_H_
