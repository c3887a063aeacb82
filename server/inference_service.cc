#include "server/inference_service.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "server/dataset_slice.h"
#include "server/recommend_convert.h"
#include "server/resource_convert.h"

namespace latent {
namespace {

// Cells of a request that a loop copies and checks itself.
constexpr std::size_t kInlineCells = 1 << 18;
// Calls that wait for requests on each loop: how many requests one drain can find.
constexpr int kArmedCalls = 64;
// Operations that a loop keeps for the next calls.
constexpr std::size_t kKeptOperations = 256;

// Requests whose operation is an EncodeOperation.
template <typename Request>
concept Encodes = requires(const Request& request, EncodeOperation* operation) {
  BeginEncode(request, nullptr, EncodeOperation::Rows(), operation);
};

// Whether the call's operation is one.
template <typename Call>
constexpr bool kEncodes = Encodes<std::decay_t<decltype(std::declval<Call&>().request())>>;

bool WantsLabels(const v1::EncodeRequest& request) { return request.include_labels(); }
bool WantsLabels(const v1::StreamEncodeRequest& request) {
  return request.outputs().include_labels();
}

// Whether a later message of a stream names what the first one did, or nothing.
bool SameVersion(const v1::ModelSelector& first, const v1::ModelSelector& later) {
  return later.model() == first.model() && later.choice_case() == first.choice_case() &&
         later.version() == first.version() && later.alias() == first.alias() &&
         later.expected_latent_space_id() == first.expected_latent_space_id();
}

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
    : limits_(limits),
      backend_(backend),
      io_(io),
      compute_(compute),
      metrics_(metrics),
      in_flight_(limits.rows_in_flight, backend->memory().rows) {}

void InferenceServiceHandler::Bind(Router& router) {
  for (EventLoop* loop : router.loops()) {
    loops_.push_back(std::make_unique<PerLoop>(metrics_));
    loop->AddTask(&loops_.back()->batcher);
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
  router.Exchange<Service, EncodeSession>(
      &service_, "StreamEncode", &Async::RequestStreamEncode,
      [this](EncodeStream::Message& message) { BeginMessage(message); });
}

template <typename Call>
void InferenceServiceHandler::Begin(Call& call) {
  const v1::ModelSelector& selector = call.request().model();
  call.set_log_model(selector.model());
  const auto version = ResolveVersion(selector);
  if (!version.ok()) return call.Finish(version.status());
  WithVersion(call, *version);
}

void InferenceServiceHandler::BeginMessage(EncodeStream::Message& message) {
  const absl::Status status = message.again() ? absl::OkStatus() : Join(message);
  if (!status.ok()) return message.Finish(status);
  WithVersion(message, message.session().version);
}

absl::Status InferenceServiceHandler::Join(EncodeStream::Message& message) {
  EncodeSession& session = message.session();
  v1::StreamEncodeRequest& request = message.mutable_request();
  if (session.version == nullptr) {
    LATENT_ASSIGN_OR_RETURN(session.version, ResolveVersion(request.model()));
    message.set_log_model(request.model().model());
    session.selector = request.model();
  } else if (request.has_model() && !SameVersion(session.selector, request.model())) {
    return InvalidField("model",
                        absl::StrCat("expected nothing or what the stream's first message names (",
                                     session.selector.model(),
                                     "), got another choice; open another stream for it"));
  }
  if (session.selector.include_timing()) request.mutable_model()->set_include_timing(true);
  if (request.has_outputs()) {
    session.outputs = request.outputs();
    session.has_outputs = true;
  } else if (session.has_outputs) {
    *request.mutable_outputs() = session.outputs;
  }
  return absl::OkStatus();
}

template <typename Call>
void InferenceServiceHandler::WithVersion(Call& call, const VersionPtr& version) {
  const auto go_on = [this, &call](const absl::StatusOr<ModelPtr>& model) {
    const absl::Status status =
        model.ok() ? Guarded([&] { return WithModel(call, *model); }) : model.status();
    if (!status.ok()) call.Finish(status);
  };
  if (ModelPtr model = backend_->cache().Find(version->model, version->version)) {
    return go_on(std::move(model));
  }
  backend_->cache().LoadAsync(version, [&call, go_on](absl::StatusOr<ModelPtr> model) {
    call.loop().Post([go_on, model = std::move(model)] { go_on(model); });
  });
}

template <typename Call>
absl::Status InferenceServiceHandler::WithModel(Call& call, const ModelPtr& model) {
  LATENT_RETURN_IF_ERROR(CheckLatentSpace(call.request().model(), *model));
  const RequestCells cells = CellsOf(call.request());
  if (cells.codes) LATENT_RETURN_IF_ERROR(CheckHasLatent(*model, cells.field));
  // Of codes, datasets hold none: refused by ShapeOf.
  const bool from_slice = cells.rows != nullptr && cells.rows->has_dataset_slice() && !cells.codes;
  std::size_t input_rows = 0;
  if (from_slice) {
    input_rows = cells.rows->dataset_slice().count();
  } else if (cells.rows != nullptr) {
    LATENT_ASSIGN_OR_RETURN(const RowsShape shape,
                            ShapeOf(*cells.rows, WidthOf(cells, *model), limits_, cells.field));
    LATENT_RETURN_IF_ERROR(CheckDtype(call.request(), cells));
    input_rows = shape.rows;
  }
  const std::size_t rows = ComputedRows(cells, input_rows);
  const std::size_t bytes =
      rows * (model->model().columns() + model->model().latent_dim()) * sizeof(float);
  absl::StatusOr<Admission> admission = in_flight_.Admit(rows, bytes);
  if (!admission.ok()) {
    metrics_->dropped_overload->Increment();
    return admission.status();
  }
  if constexpr (requires { call.Hold(bytes); }) call.Hold(bytes);
  return from_slice ? ReadSlice(call, model, *std::move(admission))
                    : Dispatch(call, model, *std::move(admission), nullptr);
}

std::size_t InferenceServiceHandler::ComputedRows(const RequestCells& cells,
                                                  std::size_t input_rows) const {
  const auto wanted =
      static_cast<std::size_t>(std::ceil(static_cast<double>(input_rows) * cells.factor) +
                               static_cast<double>(cells.computed));
  // What exceeds the limit is refused later, with the field's name.
  return std::clamp<std::size_t>(wanted, 1, limits_.rows);
}

template <typename Call>
absl::Status InferenceServiceHandler::ReadSlice(Call& call, const ModelPtr& model,
                                                Admission admission) {
  struct Work {
    Admission admission;
    Cells cells;
  };
  const auto work = std::make_shared<Work>();
  work->admission = std::move(admission);
  return io_->Submit([this, &call, model, work] {
    const RequestCells cells = CellsOf(call.request());
    absl::Status status = call.StillWanted();
    if (!status.ok()) metrics_->CountUnwanted(status);
    if (status.ok()) {
      status = Guarded([&]() -> absl::Status {
        LATENT_ASSIGN_OR_RETURN(
            work->cells, SliceCells(backend_->store().datasets(), cells.rows->dataset_slice(),
                                    *model, limits_, cells.field));
        if constexpr (requires { WantsLabels(call.request()); }) {
          if (!WantsLabels(call.request())) return absl::OkStatus();
          return AddSliceLabels(backend_->store().datasets(), cells.rows->dataset_slice(),
                                *call.response().mutable_labels());
        }
        return absl::OkStatus();
      });
    }
    call.loop().Post([this, &call, model, status, work] {
      absl::Status dispatched = status;
      if (dispatched.ok()) {
        dispatched = Guarded(
            [&] { return Dispatch(call, model, std::move(work->admission), &work->cells); });
      }
      if (!dispatched.ok()) {
        work->admission = {};
        call.Finish(dispatched);
      }
    });
  });
}

template <typename Call>
absl::Status InferenceServiceHandler::Dispatch(Call& call, const ModelPtr& model,
                                               Admission admission, Cells* slice) {
  const RequestCells cells = CellsOf(call.request());
  std::size_t input_rows = slice == nullptr ? 0 : slice->rows;
  if (slice == nullptr && cells.rows != nullptr) {
    LATENT_ASSIGN_OR_RETURN(const RowsShape shape,
                            ShapeOf(*cells.rows, WidthOf(cells, *model), limits_, cells.field));
    input_rows = shape.rows;
  }
  if constexpr (std::is_same_v<std::decay_t<decltype(call.request())>, v1::RecommendRequest>) {
    // They are as many as the model has items, however few the rows.
    if (call.request().include_item_embeddings()) {
      return RunLarge(call, model, std::move(admission), slice);
    }
  }
  const std::size_t rows = ComputedRows(cells, input_rows);
  const std::size_t widest = std::max(model->model().columns(), model->model().latent_dim());
  const bool sampled = cells.computed > 0;
  if (MultiplyAdds(*model, rows, sampled) > kPieceMultiplyAdds || rows * widest > kInlineCells) {
    return RunLarge(call, model, std::move(admission), slice);
  }
  PerLoop& loop = Of(call.loop());
  std::unique_ptr<Operation> used;
  if constexpr (kEncodes<Call>) used = loop.TakeUsed();
  LATENT_ASSIGN_OR_RETURN(auto operation, MakeChecked(call, model, slice, std::move(used)));
  loop.batcher.Add({.operation = std::move(operation),
                    .call = &call.base(),
                    .arrival = call.arrival(),
                    .admission = std::move(admission),
                    .done = [this, &call](const absl::Status& ran, const RunTimes& times,
                                          std::unique_ptr<Operation> result) {
                      PerLoop& mine = Of(call.loop());
                      call.Finish(ran.ok() ? Guarded([&] { return Answer(call, *result, times); })
                                           : ran);
                      if constexpr (kEncodes<Call>) mine.KeepUsed(std::move(result));
                    }});
  return absl::OkStatus();
}

template <typename Call>
absl::Status InferenceServiceHandler::RunLarge(Call& call, const ModelPtr& model,
                                               Admission admission, Cells* slice) {
  PerLoop& loop = Of(call.loop());
  LargeWork& work = loop.TakeLarge();
  work.handler = this;
  work.call = &call;
  work.model = model;
  work.admission = std::move(admission);
  if (slice != nullptr) work.slice = std::move(*slice);
  if constexpr (kEncodes<Call>) work.operation = loop.TakeUsed();
  absl::Status submitted = compute_->Submit(
      [&work] { work.handler->ComputeLarge(*static_cast<Call*>(work.call), work); });
  if (!submitted.ok()) {
    work = {};
    loop.idle.push_back(&work);
  }
  return submitted;
}

template <typename Call>
void InferenceServiceHandler::ComputeLarge(Call& call, LargeWork& work) {
  absl::Status wanted = call.StillWanted();
  work.status = wanted;
  if (wanted.ok()) {
    const auto start = CallBase::SteadyClock::now();
    const std::chrono::duration<double> waited = start - call.arrival();
    metrics_->queue_wait_seconds->Observe(waited.count());
    work.status = Guarded([&]() -> absl::Status {
      LATENT_ASSIGN_OR_RETURN(work.operation,
                              MakeChecked(call, work.model, work.slice ? &*work.slice : nullptr,
                                          std::move(work.operation)));
      const auto give_back = [this](BatchRunner* runner) { GiveBackRunner(runner); };
      const std::unique_ptr<BatchRunner, decltype(give_back)> runner(TakeRunner(), give_back);
      const auto begun = CallBase::SteadyClock::now();
      wanted = runner->Run(*work.operation, [&call] { return call.StillWanted(); });
      LATENT_RETURN_IF_ERROR(wanted);
      const RunTimes times{.queue = start - call.arrival(),
                           .compute = CallBase::SteadyClock::now() - begun,
                           .batch_rows = work.operation->cost_rows()};
      return Answer(call, *work.operation, times);
    });
  }
  if (!wanted.ok()) metrics_->CountUnwanted(wanted);
  call.loop().Post([&work] { work.handler->EndLarge(*static_cast<Call*>(work.call), work); });
}

template <typename Call>
void InferenceServiceHandler::EndLarge(Call& call, LargeWork& work) {
  PerLoop& loop = Of(call.loop());
  if constexpr (kEncodes<Call>) {
    if (work.operation != nullptr) loop.KeepUsed(std::move(work.operation));
  }
  const absl::Status status = std::move(work.status);
  work = {};
  loop.idle.push_back(&work);
  call.Finish(status);
}

std::unique_ptr<Operation> InferenceServiceHandler::PerLoop::TakeUsed() {
  if (used.empty()) return nullptr;
  std::unique_ptr<Operation> operation = std::move(used.back());
  used.pop_back();
  return operation;
}

void InferenceServiceHandler::PerLoop::KeepUsed(std::unique_ptr<Operation> operation) {
  if (used.size() >= kKeptOperations) return;
  static_cast<EncodeOperation&>(*operation).Release();
  used.push_back(std::move(operation));
}

InferenceServiceHandler::LargeWork& InferenceServiceHandler::PerLoop::TakeLarge() {
  if (idle.empty()) return *large.emplace_back(std::make_unique<LargeWork>());
  LargeWork& work = *idle.back();
  idle.pop_back();
  return work;
}

template <typename Call>
OperationOr InferenceServiceHandler::MakeChecked(Call& call, const ModelPtr& model, Cells* slice,
                                                 std::unique_ptr<Operation> used) {
  const RequestCells cells = CellsOf(call.request());
  const auto& labels = call.request().labels();
  const auto give_labels = [&labels](Cells& input) {
    if (!labels.empty()) input.labels.assign(labels.begin(), labels.end());
  };
  if constexpr (kEncodes<Call>) {
    EncodeOperation::Rows rows;
    if (slice != nullptr) {
      rows.owned = std::move(*slice);
    } else {
      LATENT_ASSIGN_OR_RETURN(rows,
                              ToRows(*cells.rows, WidthOf(cells, *model), limits_, cells.field));
    }
    give_labels(rows.owned);
    if (used == nullptr) used = std::make_unique<EncodeOperation>();
    LATENT_RETURN_IF_ERROR(BeginEncode(call.request(), model, std::move(rows),
                                       static_cast<EncodeOperation*>(used.get())));
    return used;
  } else {
    Cells input;
    if (slice != nullptr) {
      input = std::move(*slice);
    } else if (cells.rows != nullptr) {
      LATENT_ASSIGN_OR_RETURN(input,
                              ToCells(*cells.rows, WidthOf(cells, *model), limits_, cells.field));
    }
    give_labels(input);
    const OperationLimits limits{.rows = limits_.rows, .cells = limits_.cells};
    return MakeOperation(call.request(), model, std::move(input), limits, &call.response());
  }
}

template <typename Call>
absl::Status InferenceServiceHandler::Answer(Call& call, const Operation& operation,
                                             const RunTimes& times) {
  LATENT_RETURN_IF_ERROR(operation.outcome());
  auto& response = call.response();
  FillResponse(call.request(), operation, &response);
  if constexpr (requires { call.index(); }) response.set_message_index(call.index());
  v1::AnsweredBy* answered_by = response.mutable_answered_by();
  answered_by->set_model(operation.model().key().model);
  answered_by->set_version(operation.model().key().version);
  answered_by->set_latent_space_id(operation.model().latent_space_id());
  if (call.request().model().include_timing()) {
    v1::Timing* timing = answered_by->mutable_timing();
    timing->set_queue_us(times.queue.count());
    timing->set_compute_us(times.compute.count());
    timing->set_batch_rows(static_cast<std::uint32_t>(times.batch_rows));
  } else {
    answered_by->clear_timing();
  }
  metrics_->rows->Increment(static_cast<double>(operation.cost_rows()));
  const std::size_t limit = std::size_t{limits_.message_mib} << 20;
  if (response.ByteSizeLong() <= limit) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, "REPLY_TOO_LARGE",
                   absl::StrCat("the reply would have ", response.ByteSizeLong(),
                                " bytes, more than the limit of ", limit,
                                "; ask for fewer rows or outputs a request"));
}

absl::StatusOr<InferenceServiceHandler::VersionPtr> InferenceServiceHandler::ResolveVersion(
    const v1::ModelSelector& selector) {
  if (selector.model().empty()) return InvalidField("model.model", "expected a model's name");
  LATENT_ASSIGN_OR_RETURN(const VersionSelector choice, ToSelector(selector, "model."));
  return backend_->store().registry().Get()->Resolve(selector.model(), choice);
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
  for (const auto& loop : loops_) stats += loop->batcher.stats();
  MutexLock lock(&mutex_);
  for (const auto& runner : runners_) stats += runner->stats();
  return stats;
}

}  // namespace latent
