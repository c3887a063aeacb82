// The verbs of the command line: each adds its subcommand, whose callback sets Context::command.
#ifndef LATENT_CLIENT_CLI_COMMANDS_H_
#define LATENT_CLIENT_CLI_COMMANDS_H_

namespace CLI {
class App;
}

namespace latent::cli {

struct Context;

void AddDatasets(CLI::App& app, Context& context);
void AddTrain(CLI::App& app, Context& context);
void AddEvaluate(CLI::App& app, Context& context);
void AddJobs(CLI::App& app, Context& context);
void AddModels(CLI::App& app, Context& context);
void AddEncode(CLI::App& app, Context& context);
void AddDecode(CLI::App& app, Context& context);
void AddCompress(CLI::App& app, Context& context);
void AddDecompress(CLI::App& app, Context& context);
void AddReconstruct(CLI::App& app, Context& context);
void AddDenoise(CLI::App& app, Context& context);
void AddSample(CLI::App& app, Context& context);
void AddInterpolate(CLI::App& app, Context& context);
void AddScore(CLI::App& app, Context& context);
void AddRecommend(CLI::App& app, Context& context);
void AddSystem(CLI::App& app, Context& context);
void AddCompletion(CLI::App& app, Context& context);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_COMMANDS_H_
