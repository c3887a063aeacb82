// Ties a subcommand to the function that runs it. Used while the command line is put together; the
// flags live as long as the subcommand.
#ifndef LATENT_CLIENT_CLI_VERB_H_
#define LATENT_CLIENT_CLI_VERB_H_

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

#include "client/cli/context.h"

namespace latent::cli {

// Where `command` is named, main runs `run(context, *flags)`.
template <typename Flags>
void OnCommand(CLI::App& command, Context& context, std::shared_ptr<Flags> flags,
               absl::Status (*run)(Context&, const Flags&)) {
  command.callback([&context, flags = std::move(flags), run] {
    context.command = [&context, flags, run] { return run(context, *flags); };
  });
}

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_VERB_H_
