// latent: the command line over a Latent server. Parses, runs the command that was named, and turns
// its status into an exit code.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <map>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/render/text.h"

namespace latent::cli {
namespace {

constexpr char kFooter[] = R"(Examples:
  latent datasets upload digits --train digits.csv.gz --label-column -1 --value-scale 0.0625
  latent train digits-vae --dataset digits --preset vae --latent-dim 8 --watch
  latent encode --model digits-vae --dataset digits --part test --output codes.npy
  latent sample --model digits-vae --count 64 --image samples.png

Answers go to stdout, progress and errors to stderr.
Exit codes: 0 done; 1 failed (also: the watched job failed, a file cannot be written);
  2 wrong usage or input; 3 not found; 4 refused in the present state; 5 server unreachable,
  overloaded or too slow; 130 interrupted.
Environment: LATENT_SERVER (as --server), NO_COLOR.
)";

// Ctrl-C asks the running call to stop; a second one ends the program at once. Signals are waited
// for in a thread of their own, which every later thread leaves them to.
std::stop_token StopOnSignals() {
  static std::stop_source source;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    source.request_stop();
    sigwait(&signals, &signal);
    _exit(kExitInterrupted);
  }).detach();
  return source.get_token();
}

void AddGlobalOptions(CLI::App& app, Context& context) {
  static const std::map<std::string, OutputFormat> kFormats = {
      {"table", OutputFormat::kTable}, {"json", OutputFormat::kJson}, {"csv", OutputFormat::kCsv}};
  app.add_option("--server", context.server, "Host and port of the server")
      ->envname("LATENT_SERVER")
      ->capture_default_str();
  app.add_option("--timeout", context.timeout_seconds,
                 "Seconds that a call may take (default: 30; watching has no limit unless given). "
                 "Uploads are calls of 5 minutes each")
      ->check(CLI::Range(0.001, 86400.0));
  app.add_option_function<std::string>(
         "--output-format",
         [&context](const std::string& name) { context.format = kFormats.at(name); },
         "How answers are printed: table (default), json or csv")
      ->check(CLI::IsMember({"table", "json", "csv"}));
  app.add_flag("-q,--quiet", context.quiet, "No progress and no remarks on stderr");
}

int Main(int argc, char** argv) {
  Context context;
  context.stop = StopOnSignals();
  CLI::App app("Trains autoencoders on a Latent server and asks them.", "latent");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(kFooter);
  app.set_version_flag("--version", "latent " LATENT_VERSION);
  AddGlobalOptions(app, context);
  AddDatasets(app, context);
  AddTrain(app, context);
  AddEvaluate(app, context);
  AddJobs(app, context);
  AddModels(app, context);
  AddEncode(app, context);
  AddDecode(app, context);
  AddReconstruct(app, context);
  AddDenoise(app, context);
  AddSample(app, context);
  AddInterpolate(app, context);
  AddScore(app, context);
  AddCompress(app, context);
  AddDecompress(app, context);
  AddRecommend(app, context);
  AddSystem(app, context);
  AddCompletion(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
    if (unknown.empty()) return app.exit(error) == 0 ? 0 : kExitUsage;
    std::fprintf(stderr, "There is no \"%s\" here\nRun with --help for more information.\n",
                 Printable(unknown[0]).c_str());
    return kExitUsage;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  const absl::Status status = context.command();
  if (!status.ok()) {
    std::fputs(DescribeError(status, context.server).c_str(), stderr);
    return ExitCodeOf(status);
  }
  if (std::fflush(stdout) != 0) {
    std::perror("error: cannot write to stdout");
    return kExitFailure;
  }
  return 0;
}

}  // namespace
}  // namespace latent::cli

int main(int argc, char** argv) {
  try {
    return latent::cli::Main(argc, argv);
  } catch (const std::exception& error) {  // of a library: out of memory and the like
    std::fprintf(stderr, "error: %s\n", error.what());
    return latent::cli::kExitFailure;
  }
}
