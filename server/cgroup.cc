#include "server/cgroup.h"

#include <fstream>
#include <iterator>

namespace latent {
namespace {

// This process's path in the v2 hierarchy, e.g. "/system.slice/latentd.service".
std::string OwnCgroup() {
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("0::", 0) == 0) return line.substr(3);
  }
  return "/";
}

}  // namespace

std::string ReadText(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> ReadCgroups(const std::string& root, const std::string& file) {
  std::vector<std::string> texts;
  for (std::string group = OwnCgroup();;) {
    std::string path = root;
    path.append(group).append("/").append(file);
    texts.push_back(ReadText(path));
    if (group.empty() || group == "/") return texts;
    group.resize(group.rfind('/'));
  }
}

}  // namespace latent
