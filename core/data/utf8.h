// Whether text is well-formed UTF-8, as JSON and protobuf need it. A pure function; any thread.
#ifndef LATENT_CORE_DATA_UTF8_H_
#define LATENT_CORE_DATA_UTF8_H_

#include <string_view>

namespace latent {

// By table 3-7 of the Unicode standard: no overlong forms, surrogates or code points > U+10FFFF.
bool IsUtf8(std::string_view text);

}  // namespace latent

#endif  // LATENT_CORE_DATA_UTF8_H_
