#include "server/idempotent.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message_lite.h>

namespace latent {

std::string DeterministicBytes(const google::protobuf::MessageLite& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&out);
  }
  return bytes;
}

absl::Status ReadAnswer(const std::string& bytes, google::protobuf::MessageLite* response) {
  if (response->ParseFromString(bytes)) return absl::OkStatus();
  return absl::DataLossError("the stored answer of this request_id cannot be read");
}

}  // namespace latent
