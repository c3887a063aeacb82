#include "core/base/ids.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace latent {
namespace {

constexpr std::size_t kMaxIdBytes = 63;
constexpr char kHex[] = "0123456789abcdef";

bool IsLetterOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// No process of ours can go on if the kernel has no random bytes.
void FillRandom(std::uint8_t* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t got = getrandom(bytes, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) std::abort();
    bytes += got;
    size -= static_cast<std::size_t>(got);
  }
}

}  // namespace

bool IsValidId(std::string_view id) {
  if (id.empty() || id.size() > kMaxIdBytes || !IsLetterOrDigit(id[0])) return false;
  for (const char c : id) {
    if (!IsLetterOrDigit(c) && c != '_' && c != '-') return false;
  }
  return true;
}

absl::Status CheckId(std::string_view path, std::string_view id) {
  FieldErrors errors;
  CheckId(path, id, errors);
  return errors.ToStatus();
}

void CheckId(std::string_view path, std::string_view id, FieldErrors& errors) {
  if (IsValidId(id)) return;
  errors.Add(path,
             absl::StrCat("expected 1 to 63 of a-z, 0-9, '_' and '-', the first a letter or digit; "
                          "got ",
                          id.size() > kMaxIdBytes ? absl::StrCat(id.size(), " bytes: ") : "",
                          id.empty() ? "nothing" : Quoted(id)));
}

std::string RandomUuid() {
  std::array<std::uint8_t, 16> bytes{};
  FillRandom(bytes.data(), bytes.size());
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  std::string uuid;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) uuid.push_back('-');
    uuid.push_back(kHex[bytes[i] >> 4]);
    uuid.push_back(kHex[bytes[i] & 15]);
  }
  return uuid;
}

std::string RandomId(std::string_view prefix) {
  constexpr char kAlphabet[] = "0123456789abcdefghijklmnopqrstuv";  // 32: 5 bits a character
  std::array<std::uint8_t, 16> bytes{};
  FillRandom(bytes.data(), bytes.size());
  std::string id(prefix);
  id.push_back('-');
  for (const std::uint8_t byte : bytes) id.push_back(kAlphabet[byte & 31]);
  return id;
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kMaxShown = 80;
  std::string quoted = "\"";
  for (const char c : text.substr(0, kMaxShown)) {
    if (c >= ' ' && c <= '~') {
      quoted.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      quoted += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  quoted.push_back('"');
  if (text.size() > kMaxShown) quoted += "...";
  return quoted;
}

std::string Listed(const std::vector<std::string>& names) {
  constexpr std::size_t kMaxNamed = 10;
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == kMaxNamed) {
      absl::StrAppend(&list, " and ", names.size() - kMaxNamed, " more");
      break;
    }
    absl::StrAppend(&list, i == 0 ? "" : ", ", names[i]);
  }
  return list;
}

}  // namespace latent
