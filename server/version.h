// What this build is. Filled in by CMake.
#ifndef LATENT_SERVER_VERSION_H_
#define LATENT_SERVER_VERSION_H_

namespace latent {

extern const char kVersion[];   // semantic version
extern const char kRevision[];  // of the sources, "unknown" outside a checkout

}  // namespace latent

#endif  // LATENT_SERVER_VERSION_H_
