#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"

namespace latent::cli {
namespace {

// The words that may follow `app`, one case of the shell's switch for it and for all below it.
void AddCases(const CLI::App& app, const std::string& path, std::string* cases) {
  std::vector<std::string> words;
  for (const CLI::App* command : app.get_subcommands({})) words.push_back(command->get_name());
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  absl::StrAppend(cases, "    \"", path, "\") words=\"", absl::StrJoin(words, " "), "\" ;;\n");
  for (const CLI::App* command : app.get_subcommands({})) {
    AddCases(*command, absl::StrCat(path, " ", command->get_name()), cases);
  }
}

// The path of subcommands so far decides which words are offered; file names come where none fits.
std::string BashScript(const CLI::App& app) {
  std::string cases;
  AddCases(app, "latent", &cases);
  return absl::StrCat(R"(# Completion of latent: source <(latent completion bash)
_latent() {
  local current=${COMP_WORDS[COMP_CWORD]} path=latent words= word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
      -*) ;;
      *) _latent_words "$path"; [[ " $words " == *" $word "* ]] && path="$path $word" ;;
    esac
  done
  _latent_words "$path"
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "$current"))
}
_latent_words() {
  case $1 in
)",
                      cases, R"(  esac
}
complete -o filenames -F _latent latent
)");
}

}  // namespace

void AddCompletion(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("completion", "Print a script that completes commands");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  command->footer("Example:\n  echo 'source <(latent completion bash)' >> ~/.bashrc");
  command->callback([&app, &context, shell] {
    context.command = [&app, shell] {
      if (*shell == "zsh") WriteOut("autoload -U +X bashcompinit && bashcompinit\n");
      WriteOut(BashScript(app));
      return absl::OkStatus();
    };
  });
}

}  // namespace latent::cli
