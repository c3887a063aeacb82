#include "tests/unit/client/latent_program.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace latent {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Outcome Latent(const std::string& arguments) {
  const std::string err = testing::TempDir() + "/latent_cli_stderr." + std::to_string(getpid());
  const std::string command = "env -u LATENT_SERVER LC_ALL=C.UTF-8 '" LATENT_BINARY "' " +
                              arguments + " 2>'" + err + "' </dev/null";
  Outcome outcome;
  std::FILE* pipe = popen(command.c_str(), "r");
  char buffer[4096];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
    outcome.out.append(buffer, n);
  }
  outcome.code = WEXITSTATUS(pclose(pipe));
  outcome.err = ReadFile(err);
  std::filesystem::remove(err);
  return outcome;
}

}  // namespace latent
