#include <filesystem>
#include <fstream>

#include "base/encoding.h"
#include "gtest/gtest.h"
#include "merkle/frontier.h"
#include "merkle/proof.h"
#include "merkle/slow_tree.h"
#include "nlohmann/json.hpp"

// Published vectors: the probes of transparency-dev/merkle, RFC 6962's constants, and the
// accumulated hashes of draft-ietf-plants-merkle-tree-certs.
namespace graven::merkle {
namespace {

using nlohmann::json;

const std::filesystem::path kVectors = "../shared/vectors/merkle";

json ReadJson(const std::filesystem::path& path) { return json::parse(std::ifstream(path)); }

// A probe may carry a hash of a wrong length, which no Hash can hold: then it is refused before any
// check, as a parser of ours would.
std::optional<Hash> ProbeHash(const json& value) {
  if (value.is_null()) return std::nullopt;
  const std::optional<std::string> raw = Base64Decode(value.get<std::string>());
  if (!raw || raw->size() != Hash::kSize) return std::nullopt;
  return Hash::FromBytes(*raw);
}

// Some valid probes name roots that are no hashes at all and only have to be equal: each such text
// stands for its own SHA-256.
Hash ProbeRoot(const json& value) {
  if (const std::optional<Hash> hash = ProbeHash(value)) return *hash;
  return Sha256(value.is_null() ? "" : value.get<std::string>());
}

bool CheckProbe(const std::string& kind, const json& probe) {
  std::vector<Hash> proof;
  if (!probe["proof"].is_null()) {
    for (const json& item : probe["proof"]) {
      const std::optional<Hash> hash = ProbeHash(item);
      if (!hash) return false;
      proof.push_back(*hash);
    }
  }
  const auto number = [&](const char* name) { return probe[name].get<uint64_t>(); };
  const auto root = [&](const char* name) { return ProbeRoot(probe[name]); };
  if (kind == "inclusion" || kind == "subtreeinclusion") {
    const std::optional<Hash> leaf = ProbeHash(probe["leafHash"]);
    if (!leaf) return false;
    const LogIndex index(number("leafIdx"));
    if (kind == "inclusion") {
      return CheckInclusion(index, TreeSize(number("treeSize")), *leaf, proof, root("root")).ok();
    }
    return CheckSubtreeInclusion(index, {number("start"), number("end")}, *leaf, proof,
                                 root("root"))
        .ok();
  }
  if (kind == "consistency") {
    return CheckConsistency(TreeSize(number("size1")), TreeSize(number("size2")), proof,
                            root("root1"), root("root2"))
        .ok();
  }
  return CheckSubtreeConsistency({number("start"), number("end")}, TreeSize(number("size")), proof,
                                 root("root1"), root("root2"))
      .ok();
}

class ProofVectorsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kVectors)) GTEST_SKIP() << kVectors << " is not there";
  }

  // Runs each probe of a kind and holds the verdicts against the expected ones.
  void RunProbes(const std::string& kind, int expected_valid, int expected_invalid) {
    int valid = 0;
    int invalid = 0;
    for (const auto& file :
         std::filesystem::recursive_directory_iterator(kVectors / "testdata" / kind)) {
      if (file.path().extension() != ".json") continue;
      const json probe = ReadJson(file.path());
      const bool want_error = probe["wantErr"].get<bool>();
      ++(want_error ? invalid : valid);
      EXPECT_EQ(CheckProbe(kind, probe), !want_error) << file.path() << ": " << probe["desc"];
    }
    EXPECT_EQ(valid, expected_valid);
    EXPECT_EQ(invalid, expected_invalid);
  }
};

TEST_F(ProofVectorsTest, InclusionProbes) { RunProbes("inclusion", 6, 92); }
TEST_F(ProofVectorsTest, ConsistencyProbes) { RunProbes("consistency", 6, 92); }
TEST_F(ProofVectorsTest, SubtreeInclusionProbes) { RunProbes("subtreeinclusion", 12, 192); }
TEST_F(ProofVectorsTest, SubtreeConsistencyProbes) { RunProbes("subtreeconsistency", 12, 106); }

TEST_F(ProofVectorsTest, ConstantsOfRfc6962) {
  const json constants = ReadJson(kVectors / "rfc6962_constants.json");
  EXPECT_EQ(HexEncode(EmptyRoot()), constants["empty_root"]);
  for (const json& leaf : constants["leaf_hash"]) {
    EXPECT_EQ(HexEncode(HashLeaf(*HexDecode(leaf["leaf_hex"].get<std::string>()))), leaf["hash"]);
  }
  std::vector<Hash> leaves;
  Frontier frontier;
  std::vector<std::string> roots = {HexEncode(frontier.Root())};
  for (const json& input : constants["leaf_inputs_hex"]) {
    leaves.push_back(HashLeaf(*HexDecode(input.get<std::string>())));
    frontier.Append(leaves.back());
    roots.push_back(HexEncode(frontier.Root()));
  }
  ASSERT_EQ(leaves.size(), 8u);
  EXPECT_EQ(json(roots), constants["roots_by_size"]);
  LeafSource source(leaves);
  int nodes = 0;
  for (size_t level = 0; level < constants["node_hashes_by_level"].size(); ++level) {
    const json& row = constants["node_hashes_by_level"][level];
    for (size_t i = 0; i < row.size(); ++i, ++nodes) {
      EXPECT_EQ(HexEncode(*source.Node(static_cast<int>(level), i)), row[i]);
    }
  }
  EXPECT_EQ(nodes, 15);
}

// The lines of one accumulator of the draft.
class Accumulator {
 public:
  void Add(const std::string& head, std::span<const Hash> hashes) {
    text_ += head;
    for (const Hash& hash : hashes) text_ += " " + HexEncode(hash);
    text_ += "\n";
  }
  std::string Sha256Hex() const { return HexEncode(Sha256(text_)); }

 private:
  std::string text_;
};

std::string RangeText(uint64_t first, uint64_t end) {
  return "[" + std::to_string(first) + ", " + std::to_string(end) + ")";
}

std::vector<Hash> RootsOf(NodeSource& source, const std::vector<LeafRange>& ranges) {
  std::vector<Hash> roots;
  for (const LeafRange& range : ranges) roots.push_back(*RangeRoot(source, range));
  return roots;
}

TEST_F(ProofVectorsTest, AccumulatedSubtreeHashesAndProofsOfTheDraft) {
  const json expected = ReadJson(kVectors / "draft_subtree_rolling.json");
  const std::vector<Hash> leaves = CountedLeaves(130);
  const std::span<const Hash> all(leaves);
  Accumulator hashes;
  Accumulator inclusions;
  Accumulator consistencies;
  LeafSource source(leaves);
  for (uint64_t end = 0; end <= 130; ++end) {
    for (uint64_t first = 0; first <= end; ++first) {
      if (!IsSubtree({first, end})) continue;
      const Hash root = *RangeRoot(source, {first, end});
      hashes.Add(RangeText(first, end), std::span(&root, 1));
      LeafSource part(all.subspan(first, end - first));
      for (uint64_t index = first; index < end; ++index) {
        const auto proof = *InclusionProof(part, LogIndex(index - first), TreeSize(end - first));
        inclusions.Add(std::to_string(index) + " " + RangeText(first, end), proof);
        ASSERT_TRUE(
            CheckSubtreeInclusion(LogIndex(index), {first, end}, leaves[index], proof, root).ok());
      }
    }
  }
  for (uint64_t size = 0; size <= 130; ++size) {
    const Hash tree_root = *RootFromNodes(source, TreeSize(size));
    for (uint64_t end = 0; end <= size; ++end) {
      for (uint64_t first = 0; first <= end; ++first) {
        if (!IsSubtree({first, end})) continue;
        const auto proof = RootsOf(source, SubtreeConsistencyRanges({first, end}, TreeSize(size)));
        consistencies.Add(RangeText(first, end) + " " + std::to_string(size), proof);
        const Hash root = *RangeRoot(source, {first, end});
        ASSERT_TRUE(
            CheckSubtreeConsistency({first, end}, TreeSize(size), proof, root, tree_root).ok())
            << first << " " << end << " " << size;
      }
    }
  }
  EXPECT_EQ(hashes.Sha256Hex(), expected["subtree_hash"]["sha256"]);
  EXPECT_EQ(inclusions.Sha256Hex(), expected["subtree_inclusion"]["sha256"]);
  EXPECT_EQ(consistencies.Sha256Hex(), expected["subtree_consistency"]["sha256"]);
}

}  // namespace
}  // namespace graven::merkle
