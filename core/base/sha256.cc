#include "core/base/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <cstdlib>
#include <utility>

namespace latent {
namespace {

// OpenSSL fails here only where memory is exhausted or SHA-256 is missing: nothing to go on with.
void CheckDone(int result) {
  if (result != 1) std::abort();
}

}  // namespace

struct Sha256::State {
  State() : context(EVP_MD_CTX_new()) { CheckDone(context != nullptr ? 1 : 0); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void Start() const { CheckDone(EVP_DigestInit_ex(context, EVP_sha256(), nullptr)); }

  EVP_MD_CTX* const context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { state_->Start(); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(std::string_view bytes) {
  CheckDone(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()));
}

std::string Sha256::Finish() {
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  CheckDone(EVP_DigestFinal_ex(state_->context, digest.data(), &size));
  state_->Start();
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * digest.size());
  for (const unsigned char byte : digest) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

std::string Sha256Hex(std::string_view bytes) {
  Sha256 hasher;
  hasher.Update(bytes);
  return hasher.Finish();
}

}  // namespace latent
