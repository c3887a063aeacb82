// What the kernel's control groups say of this process. Free functions; any thread.
#ifndef LATENT_SERVER_CGROUP_H_
#define LATENT_SERVER_CGROUP_H_

#include <string>
#include <vector>

namespace latent {

// The whole file; empty if it cannot be read.
std::string ReadText(const std::string& path);
// The texts of a v2 file, e.g. "cpu.max", of the process's own group and of each one above it, as
// limits may stand at any level. `root` is where cgroups are mounted.
std::vector<std::string> ReadCgroups(const std::string& root, const std::string& file);

}  // namespace latent

#endif  // LATENT_SERVER_CGROUP_H_
