#include "core/data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/formats.h"

namespace latent {
namespace {

class FileSource : public ByteSource {
 public:
  FileSource(int fd, std::string path, std::uint64_t size)
      : fd_(fd), path_(std::move(path)), remaining_(size) {}
  ~FileSource() override { close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  absl::StatusOr<std::size_t> Read(std::span<char> out) override {
    std::size_t got = 0;
    while (got < out.size()) {
      const ssize_t n = read(fd_, out.data() + got, out.size() - got);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return absl::ErrnoToStatus(errno, absl::StrCat("reading ", path_));
      if (n == 0) break;
      got += static_cast<std::size_t>(n);
    }
    remaining_ -= std::min<std::uint64_t>(remaining_, got);
    return got;
  }
  std::uint64_t remaining_bound() const override { return remaining_; }
  std::string path() const override { return path_; }

 private:
  const int fd_;
  const std::string path_;
  std::uint64_t remaining_;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : left_(bytes) {}

  absl::StatusOr<std::size_t> Read(std::span<char> out) override {
    const std::size_t n = std::min(out.size(), left_.size());
    std::copy_n(left_.data(), n, out.data());
    left_.remove_prefix(n);
    return n;
  }
  std::uint64_t remaining_bound() const override { return left_.size(); }

 private:
  std::string_view left_;
};

// Bytes that were taken from a source to look at them, then the rest of it.
class PrefixedSource : public ByteSource {
 public:
  PrefixedSource(std::string prefix, std::unique_ptr<ByteSource> rest)
      : prefix_(std::move(prefix)), rest_(std::move(rest)) {}

  absl::StatusOr<std::size_t> Read(std::span<char> out) override {
    const std::size_t n = std::min(out.size(), prefix_.size() - used_);
    std::copy_n(prefix_.data() + used_, n, out.data());
    used_ += n;
    if (n == out.size()) return n;
    LATENT_ASSIGN_OR_RETURN(const std::size_t more, rest_->Read(out.subspan(n)));
    return n + more;
  }
  std::uint64_t remaining_bound() const override {
    return prefix_.size() - used_ + rest_->remaining_bound();
  }
  std::string path() const override { return rest_->path(); }

 private:
  const std::string prefix_;
  std::size_t used_ = 0;
  const std::unique_ptr<ByteSource> rest_;
};

// Unpacks one or more gzip members.
class GzipSource : public ByteSource {
 public:
  GzipSource(std::unique_ptr<ByteSource> packed, std::string_view name)
      : packed_(std::move(packed)), name_(name), input_(64 << 10) {
    const std::uint64_t size = packed_->remaining_bound();
    limit_ = kGzipRatioFloorBytes +
             kMaxGzipRatio * std::min(size, ~std::uint64_t{0} / (2 * kMaxGzipRatio));
  }
  ~GzipSource() override {
    if (started_) inflateEnd(&stream_);
  }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  absl::StatusOr<std::size_t> Read(std::span<char> out) override {
    std::size_t got = 0;
    while (got < out.size() && !ended_) {
      LATENT_RETURN_IF_ERROR(Refill());
      if (ended_) break;
      LATENT_ASSIGN_OR_RETURN(const std::size_t n, Inflate(out.subspan(got)));
      got += n;
      produced_ += n;
      if (produced_ > limit_) {
        return BadFile(name_, absl::StrCat("unpacks to more than ", kMaxGzipRatio,
                                           " times its size; upload it unpacked"));
      }
    }
    return got;
  }
  std::uint64_t remaining_bound() const override { return limit_ - std::min(limit_, produced_); }

 private:
  // Makes sure that there is packed input, or finds the proper end.
  absl::Status Refill() {
    if (stream_.avail_in == 0) {
      LATENT_ASSIGN_OR_RETURN(const std::size_t n, packed_->Read(input_));
      stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
      stream_.avail_in = static_cast<uInt>(n);
    }
    if (stream_.avail_in == 0) {
      if (in_member_) return BadFile(name_, "the gzip stream is cut off");
      ended_ = true;
      return absl::OkStatus();
    }
    if (in_member_) return absl::OkStatus();
    const int result = started_ ? inflateReset(&stream_) : inflateInit2(&stream_, 15 + 16);
    if (result != Z_OK) return absl::ResourceExhaustedError("zlib could not start");
    started_ = in_member_ = true;
    return absl::OkStatus();
  }

  absl::StatusOr<std::size_t> Inflate(std::span<char> out) {
    const std::size_t room = std::min<std::size_t>(out.size(), 1 << 30);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      in_member_ = false;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return BadFile(name_, absl::StrCat("damaged gzip stream: ",
                                         stream_.msg != nullptr ? stream_.msg : "unknown error"));
    }
    return room - stream_.avail_out;
  }

  const std::unique_ptr<ByteSource> packed_;
  const std::string name_;
  std::vector<char> input_;
  z_stream stream_{};
  bool started_ = false;
  bool in_member_ = false;
  bool ended_ = false;
  std::uint64_t produced_ = 0;
  std::uint64_t limit_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ByteSource>> OpenFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path));
  struct stat info {};
  if (fstat(fd, &info) != 0) {
    const int error = errno;
    close(fd);
    return absl::ErrnoToStatus(error, absl::StrCat("looking at ", path));
  }
  return std::make_unique<FileSource>(fd, path, static_cast<std::uint64_t>(info.st_size));
}

std::unique_ptr<ByteSource> FromMemory(std::string_view bytes) {
  return std::make_unique<MemorySource>(bytes);
}

absl::StatusOr<std::string> Peek(std::unique_ptr<ByteSource>& source, std::size_t count) {
  std::string head(count, '\0');
  LATENT_ASSIGN_OR_RETURN(const std::size_t got, source->Read(head));
  head.resize(got);
  source = std::make_unique<PrefixedSource>(head, std::move(source));
  return head;
}

absl::StatusOr<std::unique_ptr<ByteSource>> UnpackIfGzip(std::unique_ptr<ByteSource> bytes,
                                                         std::string_view name) {
  LATENT_ASSIGN_OR_RETURN(const std::string head, Peek(bytes, 2));
  if (head != "\x1f\x8b") return bytes;
  return std::make_unique<GzipSource>(std::move(bytes), name);
}

}  // namespace latent
