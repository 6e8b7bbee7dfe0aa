#include "http/message.h"

#include <gtest/gtest.h>

#include <vector>

namespace graven::http {
namespace {

// The status of the refusal; 0: none.
int StatusOf(const std::vector<Header>& headers, bool is_http_1_0 = false) {
  Request request;
  request.headers = headers;
  const std::optional<Refusal> refusal = CheckFraming(request, is_http_1_0);
  return refusal ? refusal->status : 0;
}

TEST(Framing, LengthOrChunkedIsTaken) {
  EXPECT_EQ(StatusOf({}), 0);
  EXPECT_EQ(StatusOf({{"content-length", "17"}}), 0);
  EXPECT_EQ(StatusOf({{"transfer-encoding", "Chunked"}}), 0);
}

TEST(Framing, LengthThatIsSaidTwiceIsRefused) {
  EXPECT_EQ(StatusOf({{"content-length", "5"}, {"host", "a"}, {"content-length", "5"}}), 400);
  EXPECT_EQ(StatusOf({{"content-length", "5"}, {"transfer-encoding", "chunked"}}), 400);
  EXPECT_EQ(StatusOf({{"transfer-encoding", "chunked"}, {"transfer-encoding", "chunked"}}), 400);
  EXPECT_EQ(StatusOf({{"transfer-encoding", "chunked"}}, /*is_http_1_0=*/true), 400);
}

TEST(Framing, LengthThatIsNoNumberAndOtherCodingsAreRefused) {
  for (const char* length : {"+5", "5,5", "0x5", " 5", "-1"}) {
    EXPECT_EQ(StatusOf({{"content-length", length}}), 400) << length;
  }
  for (const char* coding : {"gzip, chunked", "identity", "chunked;a", ""}) {
    EXPECT_EQ(StatusOf({{"transfer-encoding", coding}}), 501) << coding;
  }
}

TEST(Request, HeaderThatComesTwiceIsNoHeader) {
  Request request;
  request.headers = {{"a", "1"}, {"b", "2"}, {"b", "3"}};
  EXPECT_EQ(request.Find("a"), "1");
  EXPECT_FALSE(request.Find("b"));
  EXPECT_FALSE(request.Find("c"));
}

TEST(LowerAscii, LeavesOtherBytesAlone) {
  EXPECT_EQ(LowerAscii("AbZ-\xC3\x84@[`{9"), "abz-\xC3\x84@[`{9");
}

}  // namespace
}  // namespace graven::http
