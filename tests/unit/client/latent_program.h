// Runs the `latent` program itself, as a shell does.
#ifndef LATENT_TESTS_UNIT_CLIENT_LATENT_PROGRAM_H_
#define LATENT_TESTS_UNIT_CLIENT_LATENT_PROGRAM_H_

#include <string>

namespace latent {

struct Outcome {
  int code = -1;
  std::string out, err;
};

std::string ReadFile(const std::string& path);

// Arguments are shell words.
Outcome Latent(const std::string& arguments);

}  // namespace latent

#endif  // LATENT_TESTS_UNIT_CLIENT_LATENT_PROGRAM_H_
