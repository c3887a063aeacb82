// A closed-loop load on one latentd: keeps a fixed number of calls in flight for a fixed time and
// prints rates and latencies as one line of JSON. One thread, one channel, bounded by --seconds.
//
//   call_load --server 127.0.0.1:7700 --method encode --model m --columns 784 --in-flight 64
//   call_load --server 127.0.0.1:7700 --stream --model m --columns 784 --in-flight 64
//   call_load --server 127.0.0.1:7700 --method get-job --job j-1 --in-flight 1
//   call_load --server 127.0.0.1:7700 --method submit-job --model m --dataset d --calls-per-second
//   5
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "latent/v1/inference_service.grpc.pb.h"
#include "latent/v1/training_service.grpc.pb.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Flags {
  std::string server = "127.0.0.1:7700";
  std::string method = "encode";
  std::string model, job, dataset;
  std::uint32_t columns = 784, rows = 1;
  int in_flight = 1;
  bool stream = false;
  double seconds = 5, warm_up_seconds = 1, calls_per_second = 0;
};

struct Tally {
  std::vector<double> micros;
  std::uint64_t answered = 0;  // in all, warm-up included
  std::uint64_t errors = 0;
  std::string first_error;
  double elapsed = 0;

  void Add(const grpc::Status& status, Clock::duration latency, bool counted) {
    if (!status.ok()) {
      if (errors++ == 0) first_error = status.error_message();
      return;
    }
    ++answered;
    if (counted) {
      micros.push_back(std::chrono::duration<double, std::micro>(latency).count());
    }
  }
  double Quantile(double q) const {
    if (micros.empty()) return 0;
    return micros[static_cast<std::size_t>(q * static_cast<double>(micros.size() - 1))];
  }
};

latent::v1::EncodeRequest EncodeRequestOf(const Flags& flags, std::uint32_t seed) {
  latent::v1::EncodeRequest request;
  request.mutable_model()->set_model(flags.model);
  auto* dense = request.mutable_rows()->mutable_dense();
  dense->set_columns(flags.columns);
  std::vector<float> cells(std::size_t{flags.columns} * flags.rows);
  for (float& cell : cells) {
    seed = seed * 1664525u + 1013904223u;
    cell = static_cast<float>(seed >> 8) / 16777216.0f;
  }
  dense->set_data(cells.data(), cells.size() * sizeof(float));
  return request;
}

// Keeps `in_flight` asynchronous Encode calls on one completion queue.
Tally RunEncode(const Flags& flags, const std::shared_ptr<grpc::Channel>& channel) {
  struct Call {
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<latent::v1::EncodeResponse>> reader;
    latent::v1::EncodeRequest request;
    latent::v1::EncodeResponse response;
    grpc::Status status;
    Clock::time_point start;
  };
  const auto stub = latent::v1::InferenceService::NewStub(channel);
  grpc::CompletionQueue queue;
  std::vector<Call> calls(static_cast<std::size_t>(flags.in_flight));
  const auto issue = [&](Call& call) {
    call.context = std::make_unique<grpc::ClientContext>();
    call.context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    call.start = Clock::now();
    call.reader = stub->AsyncEncode(call.context.get(), call.request, &queue);
    call.reader->Finish(&call.response, &call.status, &call);
  };
  Tally tally;
  const auto begin = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(flags.warm_up_seconds));
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(flags.seconds));
  for (std::size_t i = 0; i < calls.size(); ++i) {
    calls[i].request = EncodeRequestOf(flags, static_cast<std::uint32_t>(i + 1));
    issue(calls[i]);
  }
  std::size_t open = calls.size();
  void* tag = nullptr;
  bool ok = false;
  while (open > 0 && queue.Next(&tag, &ok)) {
    Call& call = *static_cast<Call*>(tag);
    const auto now = Clock::now();
    tally.Add(call.status, now - call.start, call.start >= begin && now <= end);
    if (now < end) {
      issue(call);
    } else {
      --open;
    }
  }
  queue.Shutdown();
  tally.elapsed = flags.seconds;
  return tally;
}

// Keeps `in_flight` messages on one StreamEncode; each counts as a call.
class StreamLoad {
 public:
  StreamLoad(const Flags& flags, const std::shared_ptr<grpc::Channel>& channel)
      : flags_(flags), stub_(latent::v1::InferenceService::NewStub(channel)) {
    for (int i = 0; i <= flags.in_flight; ++i) {
      const auto encode = EncodeRequestOf(flags, static_cast<std::uint32_t>(i + 1));
      latent::v1::StreamEncodeRequest message;
      *message.mutable_rows() = encode.rows();
      messages_.push_back(message);
    }
    messages_.back().mutable_model()->set_model(flags.model);  // the first one
  }

  Tally Run() {
    begin_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                std::chrono::duration<double>(flags_.warm_up_seconds));
    end_ = begin_ + std::chrono::duration_cast<Clock::duration>(
                        std::chrono::duration<double>(flags_.seconds));
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(700));
    stream_ = stub_->AsyncStreamEncode(&context_, &queue_, Tag(kStarted));
    void* tag = nullptr;
    bool ok = false;
    while (!finished_ && queue_.Next(&tag, &ok)) {
      Proceed(static_cast<Event>(reinterpret_cast<std::intptr_t>(tag)), ok);
    }
    if (!status_.ok()) tally_.Add(status_, {}, false);
    queue_.Shutdown();
    while (queue_.Next(&tag, &ok)) {
    }
    tally_.elapsed = flags_.seconds;
    return std::move(tally_);
  }

 private:
  enum Event : std::intptr_t { kStarted, kWritten, kRead, kDone, kFinished };
  static void* Tag(Event event) { return reinterpret_cast<void*>(event); }

  void Proceed(Event event, bool ok) {
    switch (event) {
      case kStarted:
        if (!ok) return End();
        stream_->Read(&reply_, Tag(kRead));
        return Write();
      case kWritten:
        writing_ = false;
        return Write();
      case kRead:
        if (!ok) return End();
        tally_.Add(grpc::Status::OK, Clock::now() - starts_.front(),
                   starts_.front() >= begin_ && Clock::now() <= end_);
        starts_.pop_front();
        stream_->Read(&reply_, Tag(kRead));
        return Write();
      case kDone:
        return;
      case kFinished:
        finished_ = true;
        return;
    }
  }
  void Write() {
    if (writing_ || ended_) return;
    if (Clock::now() >= end_) {
      ended_ = true;
      stream_->WritesDone(Tag(kDone));
      return;
    }
    const auto in_flight = static_cast<std::size_t>(flags_.in_flight);
    if (starts_.size() >= in_flight) return;
    const auto& message = sent_ == 0 ? messages_.back() : messages_[sent_ % in_flight];
    ++sent_;
    starts_.push_back(Clock::now());
    grpc::WriteOptions options;
    if (starts_.size() < in_flight) options.set_buffer_hint();  // the next one follows at once
    writing_ = true;
    stream_->Write(message, options, Tag(kWritten));
  }
  void End() { stream_->Finish(&status_, Tag(kFinished)); }

  const Flags& flags_;
  const std::unique_ptr<latent::v1::InferenceService::Stub> stub_;
  std::vector<latent::v1::StreamEncodeRequest> messages_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<latent::v1::StreamEncodeRequest,
                                                latent::v1::StreamEncodeResponse>>
      stream_;
  latent::v1::StreamEncodeResponse reply_;
  std::deque<Clock::time_point> starts_;  // of what is in flight
  std::size_t sent_ = 0;
  bool writing_ = false, ended_ = false, finished_ = false;
  grpc::Status status_;
  Clock::time_point begin_, end_;
  Tally tally_;
};

grpc::Status GetJob(const Flags& flags, latent::v1::TrainingService::Stub& stub) {
  latent::v1::GetTrainJobRequest request;
  request.set_job_id(flags.job);
  latent::v1::GetTrainJobResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  return stub.GetTrainJob(&context, request, &response);
}

// Submits a job; the caller times this alone. `id` is for Forget.
grpc::Status SubmitJob(const Flags& flags, latent::v1::TrainingService::Stub& stub,
                       std::string& id) {
  latent::v1::CreateTrainJobRequest request;
  request.mutable_spec()->set_model(flags.model);
  request.mutable_spec()->set_dataset(flags.dataset);
  request.mutable_spec()->set_preset("pca");
  request.mutable_spec()->mutable_publish()->set_policy(latent::v1::PUBLISH_POLICY_NEVER);
  latent::v1::CreateTrainJobResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const grpc::Status status = stub.CreateTrainJob(&context, request, &response);
  id = response.job().id();
  return status;
}

void Forget(const std::string& id, latent::v1::TrainingService::Stub& stub) {
  grpc::ClientContext cancel_context, delete_context;
  latent::v1::CancelTrainJobRequest cancel;
  latent::v1::CancelTrainJobResponse cancelled;
  cancel.set_job_id(id);
  stub.CancelTrainJob(&cancel_context, cancel, &cancelled);
  latent::v1::DeleteTrainJobRequest remove;
  latent::v1::DeleteTrainJobResponse removed;
  remove.set_job_id(id);
  stub.DeleteTrainJob(&delete_context, remove, &removed);
}

Tally RunJobCalls(const Flags& flags, const std::shared_ptr<grpc::Channel>& channel) {
  const auto stub = latent::v1::TrainingService::NewStub(channel);
  Tally tally;
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(flags.seconds));
  while (Clock::now() < end) {
    const auto start = Clock::now();
    std::string id;
    const grpc::Status status =
        flags.method == "get-job" ? GetJob(flags, *stub) : SubmitJob(flags, *stub, id);
    tally.Add(status, Clock::now() - start, true);
    if (!id.empty()) Forget(id, *stub);
    if (flags.calls_per_second > 0) {
      std::this_thread::sleep_until(start +
                                    std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(1 / flags.calls_per_second)));
    }
  }
  tally.elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  return tally;
}

void Print(const Flags& flags, Tally tally) {
  std::sort(tally.micros.begin(), tally.micros.end());
  std::string error;
  for (const char c : tally.first_error) {
    if (c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20) error += c;
  }
  std::printf(
      "{\"method\": \"%s\", \"in_flight\": %d, \"calls\": %zu, \"answered\": %llu, \"errors\": "
      "%llu, "
      "\"first_error\": \"%s\", \"calls_per_second\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
      flags.method.c_str(), flags.in_flight, tally.micros.size(),
      static_cast<unsigned long long>(tally.answered),
      static_cast<unsigned long long>(tally.errors), error.c_str(),
      static_cast<double>(tally.micros.size()) / tally.elapsed, tally.Quantile(0.5),
      tally.Quantile(0.99));
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("A closed-loop load on one latentd");
  app.add_option("--server", flags.server, "host:port");
  app.add_option("--method", flags.method)
      ->check(CLI::IsMember({"encode", "get-job", "submit-job"}));
  app.add_option("--model", flags.model);
  app.add_option("--job", flags.job);
  app.add_option("--dataset", flags.dataset);
  app.add_option("--columns", flags.columns);
  app.add_option("--rows", flags.rows, "rows a call");
  app.add_option("--in-flight", flags.in_flight)->check(CLI::Range(1, 1024));
  app.add_flag("--stream", flags.stream, "encode: messages of one StreamEncode rather than calls");
  app.add_option("--seconds", flags.seconds)->check(CLI::Range(0.1, 600.0));
  app.add_option("--warm-up-seconds", flags.warm_up_seconds)->check(CLI::Range(0.0, 60.0));
  app.add_option("--calls-per-second", flags.calls_per_second, "0: as fast as answers come");
  CLI11_PARSE(app, argc, argv);

  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(32 << 20);
  const auto channel =
      grpc::CreateCustomChannel(flags.server, grpc::InsecureChannelCredentials(), arguments);
  Tally tally = flags.method != "encode" ? RunJobCalls(flags, channel)
                : flags.stream           ? StreamLoad(flags, channel).Run()
                                         : RunEncode(flags, channel);
  const bool failed = tally.micros.empty();
  Print(flags, std::move(tally));
  return failed ? 1 : 0;
}
