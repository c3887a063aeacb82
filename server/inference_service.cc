#include "server/inference_service.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "server/recommend_convert.h"
#include "server/resource_convert.h"

namespace latent {
namespace {

// Cells of a request that a loop copies and checks itself.
constexpr std::size_t kInlineCells = 1 << 18;
// Calls that wait for requests on each loop: how many requests one drain can find.
constexpr int kArmedCalls = 64;
constexpr std::chrono::milliseconds kRetryAfter{50};

// Of rows or codes that do not say how wide they are.
std::size_t WidthOf(const RequestCells& cells, const ServedModel& model) {
  const auto codebook = model.model().codebook();
  if (cells.codes && codebook && cells.rows->dense().dtype() == v1::DTYPE_UINT16) {
    return codebook->groups;
  }
  return cells.codes ? model.model().latent_dim() : model.model().columns();
}

// INT8 cells mean something where a version's scales turn them into codes: in Decode. UINT16 cells
// are indices wherever there are codes.
template <typename Request>
absl::Status CheckDtype(const Request&, const RequestCells& cells) {
  const v1::Dtype dtype = cells.rows->dense().dtype();
  if (dtype == v1::DTYPE_UINT16 && !cells.codes) {
    return InvalidField(absl::StrCat(std::string(cells.field), ".dense.dtype"),
                        "expected DTYPE_FLOAT32 or DTYPE_FLOAT16; DTYPE_UINT16 is for codes");
  }
  if (std::is_same_v<Request, v1::DecodeRequest> || dtype != v1::DTYPE_INT8) {
    return absl::OkStatus();
  }
  return InvalidField(absl::StrCat(std::string(cells.field), ".dense.dtype"),
                      "expected DTYPE_FLOAT32 or DTYPE_FLOAT16; DTYPE_INT8 is for codes in Decode");
}

absl::Status CheckLatentSpace(const v1::ModelSelector& selector, const ServedModel& model) {
  const std::string& expected = selector.expected_latent_space_id();
  if (expected.empty() || expected == model.latent_space_id()) return absl::OkStatus();
  ErrorDetails details;
  details.reason = "LATENT_SPACE_MISMATCH";
  details.metadata["latent_space_id"] = model.latent_space_id();
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("model.expected_latent_space_id: ", model.DebugName(), " has latent space ",
                   model.latent_space_id(),
                   ", not the expected one: its codes must not be compared with those you hold"),
      std::move(details));
}

}  // namespace

InferenceServiceHandler::InferenceServiceHandler(const RequestLimits& limits, Backend* backend,
                                                 IoExecutor* io, IoExecutor* compute,
                                                 const BatchMetrics* metrics)
    : limits_(limits), backend_(backend), io_(io), compute_(compute), metrics_(metrics) {}

void InferenceServiceHandler::Bind(Router& router) {
  for (EventLoop* loop : router.loops()) {
    batchers_.push_back(std::make_unique<RowBatcher>(metrics_));
    loop->AddTask(batchers_.back().get());
  }
  using Service = v1::InferenceService;
  using Async = Service::AsyncService;
  const MethodOptions options{.armed = kArmedCalls};
  const auto begin = [this](auto& call) { Begin(call); };
  // Every call asks for notice of its cancellation: gRPC wants to know before it can be seen how
  // large the request is.
  router.Unary<Service>(&service_, "Encode", &Async::RequestEncode, begin, options, true);
  router.Unary<Service>(&service_, "Decode", &Async::RequestDecode, begin, options, true);
  router.Unary<Service>(&service_, "Reconstruct", &Async::RequestReconstruct, begin, options, true);
  router.Unary<Service>(&service_, "Denoise", &Async::RequestDenoise, begin, options, true);
  router.Unary<Service>(&service_, "Sample", &Async::RequestSample, begin, options, true);
  router.Unary<Service>(&service_, "Interpolate", &Async::RequestInterpolate, begin, options, true);
  router.Unary<Service>(&service_, "Score", &Async::RequestScore, begin, options, true);
  router.Unary<Service>(&service_, "Recommend", &Async::RequestRecommend, begin, options, true);
}

template <typename Call>
void InferenceServiceHandler::Begin(Call& call) {
  const v1::ModelSelector& selector = call.request().model();
  call.set_log_model(selector.model());
  const auto version = ResolveVersion(selector);
  if (!version.ok()) return call.Finish(version.status());
  const auto go_on = [this, &call](const absl::StatusOr<ModelPtr>& model) {
    const absl::Status status =
        model.ok() ? Guarded([&] { return WithModel(call, *model); }) : model.status();
    if (!status.ok()) call.Finish(status);
  };
  if (ModelPtr model = backend_->cache().Find((*version)->model, (*version)->version)) {
    return go_on(std::move(model));
  }
  backend_->cache().LoadAsync(*version, [&call, go_on](absl::StatusOr<ModelPtr> model) {
    call.loop().Post([go_on, model = std::move(model)] { go_on(model); });
  });
}

template <typename Call>
absl::Status InferenceServiceHandler::WithModel(Call& call, const ModelPtr& model) {
  LATENT_RETURN_IF_ERROR(CheckLatentSpace(call.request().model(), *model));
  const RequestCells cells = CellsOf(call.request());
  if (cells.codes) LATENT_RETURN_IF_ERROR(CheckHasLatent(*model, cells.field));
  if (cells.rows == nullptr) return Dispatch(call, model, 0, nullptr);
  // Of codes, datasets hold none: refused by ShapeOf.
  if (cells.rows->has_dataset_slice() && !cells.codes) return ReadSlice(call, model);
  LATENT_ASSIGN_OR_RETURN(const RowsShape shape,
                          ShapeOf(*cells.rows, WidthOf(cells, *model), limits_, cells.field));
  LATENT_RETURN_IF_ERROR(CheckDtype(call.request(), cells));
  return Dispatch(call, model, shape.rows, nullptr);
}

template <typename Call>
absl::Status InferenceServiceHandler::ReadSlice(Call& call, const ModelPtr& model) {
  return io_->Submit([this, &call, model] {
    const RequestCells cells = CellsOf(call.request());
    absl::Status status = call.StillWanted();
    if (!status.ok()) metrics_->CountUnwanted(status);
    std::shared_ptr<Cells> slice;
    if (status.ok()) {
      status = Guarded([&]() -> absl::Status {
        LATENT_ASSIGN_OR_RETURN(Cells read,
                                SliceCells(cells.rows->dataset_slice(), *model, cells.field));
        slice = std::make_shared<Cells>(std::move(read));
        if constexpr (requires { call.request().include_labels(); }) {
          if (!call.request().include_labels()) return absl::OkStatus();
          return AddLabels(cells.rows->dataset_slice(), *call.response().mutable_labels());
        }
        return absl::OkStatus();
      });
    }
    call.loop().Post([this, &call, model, status, slice] {
      absl::Status dispatched = status;
      if (dispatched.ok()) dispatched = Dispatch(call, model, slice->rows, slice);
      if (!dispatched.ok()) call.Finish(dispatched);
    });
  });
}

template <typename Call>
absl::Status InferenceServiceHandler::Dispatch(Call& call, const ModelPtr& model,
                                               std::size_t input_rows,
                                               std::shared_ptr<Cells> slice) {
  const RequestCells cells = CellsOf(call.request());
  const auto wanted =
      static_cast<std::size_t>(std::ceil(static_cast<double>(input_rows) * cells.factor) +
                               static_cast<double>(cells.computed));
  // What exceeds the limit is refused by the operation, with the field's name.
  const std::size_t rows = std::clamp<std::size_t>(wanted, 1, limits_.rows);
  LATENT_ASSIGN_OR_RETURN(AdmissionPtr admission, Admit(rows));
  const std::size_t widest = std::max(model->model().columns(), model->model().latent_dim());
  const bool sampled = cells.computed > 0;
  if (MultiplyAdds(*model, rows, sampled) > kPieceMultiplyAdds || rows * widest > kInlineCells) {
    return RunLarge(call, model, std::move(admission), std::move(slice));
  }
  LATENT_ASSIGN_OR_RETURN(auto operation, MakeChecked(call, model, slice.get()));
  BatcherOf(call.loop())
      .Add({.operation = std::move(operation),
            .call = &call,
            .done = [this, &call, admission](const absl::Status& ran, const Operation& result) {
              call.Finish(ran.ok() ? Guarded([&] { return Answer(call, result); }) : ran);
            }});
  return absl::OkStatus();
}

template <typename Call>
absl::Status InferenceServiceHandler::RunLarge(Call& call, const ModelPtr& model,
                                               AdmissionPtr admission,
                                               std::shared_ptr<Cells> slice) {
  return compute_->Submit([this, &call, model, admission = std::move(admission),
                           slice = std::move(slice)] {
    absl::Status wanted = call.StillWanted();
    absl::Status status = wanted;
    if (wanted.ok()) {
      const std::chrono::duration<double> waited = CallBase::SteadyClock::now() - call.arrival();
      metrics_->queue_wait_seconds->Observe(waited.count());
      status = Guarded([&]() -> absl::Status {
        LATENT_ASSIGN_OR_RETURN(auto operation, MakeChecked(call, model, slice.get()));
        const auto give_back = [this](BatchRunner* runner) { GiveBackRunner(runner); };
        const std::unique_ptr<BatchRunner, decltype(give_back)> runner(TakeRunner(), give_back);
        wanted = runner->Run(*operation, [&call] { return call.StillWanted(); });
        LATENT_RETURN_IF_ERROR(wanted);
        return Answer(call, *operation);
      });
    }
    if (!wanted.ok()) metrics_->CountUnwanted(wanted);
    call.loop().Post([&call, status, admission] { call.Finish(status); });
  });
}

template <typename Call>
OperationOr InferenceServiceHandler::MakeChecked(Call& call, const ModelPtr& model, Cells* slice) {
  const RequestCells cells = CellsOf(call.request());
  Cells input;
  if (slice != nullptr) {
    input = std::move(*slice);
  } else if (cells.rows != nullptr) {
    LATENT_ASSIGN_OR_RETURN(input,
                            ToCells(*cells.rows, WidthOf(cells, *model), limits_, cells.field));
  }
  const auto& labels = call.request().labels();
  if (!labels.empty()) input.labels.assign(labels.begin(), labels.end());
  const OperationLimits limits{.rows = limits_.rows, .cells = limits_.cells};
  return MakeOperation(call.request(), model, std::move(input), limits, &call.response());
}

template <typename Call>
absl::Status InferenceServiceHandler::Answer(Call& call, const Operation& operation) {
  LATENT_RETURN_IF_ERROR(operation.outcome());
  auto& response = call.response();
  FillResponse(call.request(), operation, &response);
  v1::AnsweredBy* answered_by = response.mutable_answered_by();
  answered_by->set_model(operation.model().key().model);
  answered_by->set_version(operation.model().key().version);
  answered_by->set_latent_space_id(operation.model().latent_space_id());
  metrics_->rows->Increment(static_cast<double>(operation.cost_rows()));
  const std::size_t limit = std::size_t{limits_.message_mib} << 20;
  if (response.ByteSizeLong() <= limit) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, "REPLY_TOO_LARGE",
                   absl::StrCat("the reply would have ", response.ByteSizeLong(),
                                " bytes, more than the limit of ", limit,
                                "; ask for fewer rows or outputs a request"));
}

absl::StatusOr<std::shared_ptr<const VersionInfo>> InferenceServiceHandler::ResolveVersion(
    const v1::ModelSelector& selector) {
  if (selector.model().empty()) return InvalidField("model.model", "expected a model's name");
  LATENT_ASSIGN_OR_RETURN(const VersionSelector choice, ToSelector(selector, "model."));
  return backend_->store().registry().Get()->Resolve(selector.model(), choice);
}

absl::StatusOr<Cells> InferenceServiceHandler::SliceCells(const v1::DatasetSlice& slice,
                                                          const ServedModel& model,
                                                          std::string_view field) {
  const std::string path = absl::StrCat(std::string(field), ".dataset_slice");
  LATENT_ASSIGN_OR_RETURN(const auto dataset,
                          backend_->store().datasets().OpenRows(slice.dataset()));
  const v1::Part part = slice.part() == v1::PART_UNSPECIFIED ? v1::PART_TEST : slice.part();
  if (part < v1::PART_TRAIN || part > v1::PART_TEST) {
    return InvalidField(path + ".part", absl::StrCat("expected TRAIN, VALIDATION or TEST, got ",
                                                     static_cast<int>(part)));
  }
  const auto rows = RowsFor(model.plan().architecture(), *dataset, part);
  LATENT_RETURN_IF_ERROR(CheckLimits({slice.count(), rows.columns}, limits_, path + ".count"));
  if (slice.offset() >= rows.rows || slice.count() > rows.rows - slice.offset()) {
    return InvalidField(path, absl::StrCat("expected rows within the part's ", rows.rows, ", got ",
                                           slice.count(), " from ", slice.offset()));
  }
  Cells cells(slice.count(), rows.columns);
  for (std::size_t r = 0; r < cells.rows; ++r) {
    rows.CopyRow(slice.offset() + r, cells.view().row(r));
    if (rows.labels().given()) cells.labels.push_back(rows.labels()[slice.offset() + r]);
  }
  return cells;
}

absl::Status InferenceServiceHandler::AddLabels(
    const v1::DatasetSlice& slice, google::protobuf::RepeatedField<std::int32_t>& labels) {
  LATENT_ASSIGN_OR_RETURN(const auto dataset,
                          backend_->store().datasets().OpenRows(slice.dataset()));
  const v1::Part part = slice.part() == v1::PART_UNSPECIFIED ? v1::PART_TEST : slice.part();
  const auto all = dataset->labels(part);
  if (all.empty()) return absl::OkStatus();
  const auto chosen = all.subspan(slice.offset(), slice.count());
  labels.Assign(chosen.begin(), chosen.end());
  return absl::OkStatus();
}

absl::StatusOr<InferenceServiceHandler::AdmissionPtr> InferenceServiceHandler::Admit(
    std::size_t rows) {
  const std::uint64_t before = rows_in_flight_.fetch_add(rows, std::memory_order_relaxed);
  auto admission = std::make_shared<const Admission>(&rows_in_flight_, rows);
  if (before + rows <= limits_.rows_in_flight || before == 0) return admission;
  metrics_->dropped_overload->Increment();
  ErrorDetails details;
  details.reason = "TOO_MANY_ROWS_IN_FLIGHT";
  details.metadata["limit"] = absl::StrCat(limits_.rows_in_flight);
  details.retry_after = kRetryAfter;
  return MakeError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat(before, " rows are in flight, and ", rows, " more would exceed the limit of ",
                   limits_.rows_in_flight, "; try again shortly"),
      std::move(details));
}

BatchRunner* InferenceServiceHandler::TakeRunner() {
  MutexLock lock(&mutex_);
  if (idle_runners_.empty()) {
    runners_.push_back(std::make_unique<BatchRunner>());
    return runners_.back().get();
  }
  BatchRunner* runner = idle_runners_.back();
  idle_runners_.pop_back();
  return runner;
}

void InferenceServiceHandler::GiveBackRunner(BatchRunner* runner) {
  MutexLock lock(&mutex_);
  idle_runners_.push_back(runner);
}

BatchStats InferenceServiceHandler::batch_stats() const {
  BatchStats stats;
  for (const auto& batcher : batchers_) stats += batcher->stats();
  MutexLock lock(&mutex_);
  for (const auto& runner : runners_) stats += runner->stats();
  return stats;
}

}  // namespace latent
