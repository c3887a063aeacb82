#include "server/grpc_server.h"

#include <google/protobuf/stubs/common.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <string_view>

#if GOOGLE_PROTOBUF_VERSION < 4000000
#include <google/protobuf/stubs/logging.h>
#endif

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "server/logging.h"

namespace latent {
namespace {

// Calls of one connection at a time; more wait in the client, where they cost the server nothing.
constexpr int kMaxConcurrentStreams = 128;
constexpr int kMaxMetadataBytes = 8192;

// What gRPC itself has to say, as lines of our log.
void LogFromGrpc(gpr_log_func_args* args) {
  const Severity severity = args->severity == GPR_LOG_SEVERITY_ERROR  ? Severity::kWarning
                            : args->severity == GPR_LOG_SEVERITY_INFO ? Severity::kInfo
                                                                      : Severity::kDebug;
  Log(severity, "grpc", {{"text", args->message}});
}

#if GOOGLE_PROTOBUF_VERSION < 4000000
// What protobuf says of requests that it cannot parse: the caller's fault, and by default bare text
// on stderr. Later versions say it through Abseil.
void LogFromProtobuf(google::protobuf::LogLevel, const char*, int, const std::string& text) {
  Log(Severity::kInfo, "protobuf", {{"text", text}});
}
#endif

// Takes away the socket that a server which was killed has left behind. UNAVAILABLE if another one
// answers there, or if it is no socket: gRPC would take either away without a question.
absl::Status ClearSocket(const std::string& listen) {
  constexpr std::string_view kScheme = "unix:";
  if (listen.rfind(kScheme, 0) != 0) return absl::OkStatus();
  std::string path = listen.substr(kScheme.size());
  if (path.rfind("//", 0) == 0) path.erase(0, 2);
  const auto refuse = [&](const char* why) {
    return MakeError(absl::StatusCode::kUnavailable, "CANNOT_LISTEN",
                     absl::StrCat("cannot listen on ", listen, " for gRPC: ", why, " (--listen)"));
  };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return refuse("expected a path of 1 to 107 bytes");
  }
  path.copy(address.sun_path, path.size());
  struct stat file {};
  if (::lstat(path.c_str(), &file) != 0) return absl::OkStatus();
  if (!S_ISSOCK(file.st_mode)) return refuse("there is a file of that name, which is no socket");
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool answers =
      ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(probe);
  if (answers) return refuse("another server answers there");
  ::unlink(path.c_str());
  return absl::OkStatus();
}

}  // namespace

absl::Status GrpcServer::Listen(const Config& config, const std::vector<grpc::Service*>& services) {
  LATENT_RETURN_IF_ERROR(ClearSocket(config.listen));
  gpr_set_log_function(&LogFromGrpc);
#if GOOGLE_PROTOBUF_VERSION < 4000000
  google::protobuf::SetLogHandler(&LogFromProtobuf);
#endif
  // Linking the library would do, if linkers did not leave out libraries that nobody calls.
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  const int message_bytes = static_cast<int>(config.limits.message_mib << 20);
  builder.SetMaxReceiveMessageSize(message_bytes);
  builder.SetMaxSendMessageSize(message_bytes);
  // A small compressed message may inflate to any size before the size limit is checked.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreams);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  // Two servers on one port would share its calls; the second shall fail instead.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Reflection is the only synchronous service: one thread waits for it.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  builder.AddListeningPort(config.listen, grpc::InsecureServerCredentials(), &port_);
  for (grpc::Service* service : services) builder.RegisterService(service);
  for (int i = 0; i < config.loops; ++i) {
    loops_.push_back(std::make_unique<EventLoop>(i, builder.AddCompletionQueue(),
                                                 std::chrono::microseconds(config.spin_us)));
  }
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || (port_ == 0 && config.listen.rfind("unix:", 0) != 0)) {
    return MakeError(absl::StatusCode::kUnavailable, "CANNOT_LISTEN",
                     absl::StrCat("cannot listen on ", config.listen,
                                  " for gRPC: is the port taken? (--listen)"));
  }
  if (config.listen.rfind("unix:", 0) == 0) port_ = 0;
  return absl::OkStatus();
}

std::vector<EventLoop*> GrpcServer::loops() const {
  std::vector<EventLoop*> loops;
  for (const auto& loop : loops_) loops.push_back(loop.get());
  return loops;
}

void GrpcServer::StartLoops() {
  for (auto& loop : loops_) loop->Start();
}

void GrpcServer::DrainCalls(std::chrono::duration<double> limit) {
  if (server_ == nullptr) return;
  for (auto& loop : loops_) {
    loop->Stop();
    loop->Post([loop = loop.get()] { loop->EndStreams(); });
  }
  const auto deadline = std::chrono::system_clock::now() + limit;
  server_->Shutdown(std::chrono::time_point_cast<std::chrono::system_clock::duration>(deadline));
}

void GrpcServer::JoinLoops() {
  for (auto& loop : loops_) loop->Join();
  if (server_ != nullptr) server_->Wait();
  server_.reset();
  loops_.clear();
}

}  // namespace latent
