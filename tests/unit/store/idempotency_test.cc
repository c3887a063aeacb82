#include "core/store/idempotency.h"

#include "core/base/ids.h"
#include "core/base/status.h"
#include "tests/unit/store/store_fixture.h"

namespace latent {
namespace {

class IdempotencyTest : public StoreTest {
 protected:
  absl::StatusOr<std::string> Call(std::string_view id, std::string_view payload,
                                   std::string_view method = "M") {
    const std::string hash = PayloadHash(payload);
    return Mutate(store_->db(), clock_, {method, id, hash},
                  [&](Transaction&) -> absl::StatusOr<std::string> {
                    return "answer " + std::to_string(++runs_);
                  });
  }
  const std::string id_ = RandomUuid();
  int runs_ = 0;
};

TEST_F(IdempotencyTest, GivesTheFirstAnswerAgain) {
  EXPECT_EQ(Call(id_, "p").value(), "answer 1");
  EXPECT_EQ(Call(id_, "p").value(), "answer 1");
}

TEST_F(IdempotencyTest, TheSameIdInCapitalsIsTheSame) {
  EXPECT_EQ(Call("0d9f5c1e-8b1c-4e6f-9d0e-2a7a3f1c5b6d", "p").value(), "answer 1");
  EXPECT_EQ(Call("0D9F5C1E-8B1C-4E6F-9D0E-2A7A3F1C5B6D", "p").value(), "answer 1");
}

TEST_F(IdempotencyTest, GivesTheFirstAnswerAfterARestart) {
  EXPECT_EQ(Call(id_, "p").value(), "answer 1");
  Open();
  EXPECT_EQ(Call(id_, "p").value(), "answer 1");
}

TEST_F(IdempotencyTest, RefusesAnotherPayload) {
  ASSERT_TRUE(Call(id_, "p").ok());
  const absl::Status status = Call(id_, "q").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(DetailsOf(status).reason, "REQUEST_ID_REUSED");
}

TEST_F(IdempotencyTest, TellsMethodsApart) {
  EXPECT_EQ(Call(id_, "p", "A").value(), "answer 1");
  EXPECT_EQ(Call(id_, "p", "B").value(), "answer 2");
}

TEST_F(IdempotencyTest, RemembersNothingWithoutAnId) {
  EXPECT_EQ(Call("", "p").value(), "answer 1");
  EXPECT_EQ(Call("", "p").value(), "answer 2");
}

TEST_F(IdempotencyTest, DoesNotRememberErrors) {
  const auto fails = [](Transaction&) -> absl::StatusOr<std::string> {
    return absl::AbortedError("no");
  };
  const std::string hash = PayloadHash("p");
  EXPECT_EQ(Mutate(store_->db(), clock_, {"M", id_, hash}, fails).status().code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(Call(id_, "p").value(), "answer 1");
}

TEST_F(IdempotencyTest, KeepsAnswersForADay) {
  ASSERT_TRUE(Call(id_, "p").ok());
  clock_.Advance(std::chrono::hours(24));
  ASSERT_TRUE(store_->Maintain().ok());
  EXPECT_EQ(Call(id_, "p").value(), "answer 1");
  clock_.Advance(std::chrono::seconds(1));
  ASSERT_TRUE(store_->Maintain().ok());
  EXPECT_EQ(Call(id_, "p").value(), "answer 2");
}

TEST_F(IdempotencyTest, ChecksRequestIds) {
  EXPECT_TRUE(CheckRequestId("").ok());
  EXPECT_TRUE(CheckRequestId("0D9f5c1e-8b1c-4e6f-9d0e-2a7a3f1c5b6d").ok());
  for (const char* bad : {"x", "0d9f5c1e-8b1c-4e6f-9d0e-2a7a3f1c5b6", "0d9f5c1e8b1c4e6f9d0e",
                          "0d9f5c1e-8b1c-4e6f-9d0e-2a7a3f1c5b6g"}) {
    EXPECT_EQ(CheckRequestId(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace latent
