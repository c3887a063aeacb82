// SHA-256 of bytes that come in pieces. A hasher belongs to one thread at a time.
#ifndef LATENT_CORE_BASE_SHA256_H_
#define LATENT_CORE_BASE_SHA256_H_

#include <memory>
#include <string>
#include <string_view>

namespace latent {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(std::string_view bytes);
  // 64 lower-case hex digits of everything since the start; the hasher then starts anew.
  std::string Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// SHA-256 of `bytes` as 64 lower-case hex digits.
std::string Sha256Hex(std::string_view bytes);

}  // namespace latent

#endif  // LATENT_CORE_BASE_SHA256_H_
