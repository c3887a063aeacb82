#include "core/train/spec_merge.h"

#include <memory>
#include <vector>

#include "google/protobuf/descriptor.h"

namespace latent {

void MergeSpec(const google::protobuf::Message& over, google::protobuf::Message& base) {
  using google::protobuf::FieldDescriptor;
  // Protobuf's own MergeFrom does all of it but appends to repeated fields and, within messages
  // that both have, does so too: hence first empty what is about to be replaced.
  std::vector<const FieldDescriptor*> set;
  over.GetReflection()->ListFields(over, &set);
  auto scalars = std::unique_ptr<google::protobuf::Message>(over.New());
  scalars->CopyFrom(over);
  for (const FieldDescriptor* field : set) {
    if (field->is_repeated()) {
      base.GetReflection()->ClearField(&base, field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      MergeSpec(over.GetReflection()->GetMessage(over, field),
                *base.GetReflection()->MutableMessage(&base, field));
      scalars->GetReflection()->ClearField(scalars.get(), field);
    }
  }
  base.MergeFrom(*scalars);
}

}  // namespace latent
