// Lays one specification over another, by reflection. Pure; any thread.
#ifndef LATENT_CORE_TRAIN_SPEC_MERGE_H_
#define LATENT_CORE_TRAIN_SPEC_MERGE_H_

#include "google/protobuf/message.h"

namespace latent {

// Writes what is set in `over` into `base`, a message of the same type: a scalar replaces, a
// message merges (another member of a oneof replaces the base's), a repeated field replaces whole.
void MergeSpec(const google::protobuf::Message& over, google::protobuf::Message& base);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_SPEC_MERGE_H_
