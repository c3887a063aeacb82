// What verbs do alike: tie a subcommand to the function that runs it (the flags live as long as the
// subcommand) and read lists to their last page.
#ifndef LATENT_CLIENT_CLI_VERB_H_
#define LATENT_CLIENT_CLI_VERB_H_

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "client/cli/context.h"
#include "client/client.h"

namespace latent::cli {

// Where `command` is named, main runs `run(context, *flags)`.
template <typename Flags>
void OnCommand(CLI::App& command, Context& context, std::shared_ptr<Flags> flags,
               absl::Status (*run)(Context&, const Flags&)) {
  command.callback([&context, flags = std::move(flags), run] {
    context.command = [&context, flags, run] { return run(context, *flags); };
  });
}

// One reply with what all pages list.
template <typename Request, typename Response>
absl::StatusOr<Response> AllPages(Context& context,
                                  absl::StatusOr<Response> (Client::*list)(Request,
                                                                           const CallOptions&),
                                  Request request) {
  Response all;
  do {
    const absl::StatusOr<Response> page = (context.client().*list)(request, context.Call());
    if (!page.ok()) return page.status();
    request.set_page_token(page->next_page_token());
    all.MergeFrom(*page);
  } while (!request.page_token().empty());
  all.clear_next_page_token();
  return all;
}

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_VERB_H_
