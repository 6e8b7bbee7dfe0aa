#include "server/answer_key.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "io/durable_file.h"
#include "store/data_folder.h"

namespace graven::server {
namespace {

constexpr size_t kKeyFileBytesMax = 1024;
constexpr uint32_t kPrivate = 0600;

}  // namespace

absl::StatusOr<note::SignerKey> LoadAnswerKey(io::FileSystem& fs, Random& random,
                                              const std::string& folder) {
  const std::string path = io::JoinPath(store::DataPaths(folder).Keys(), kAnswerKeyName);
  absl::StatusOr<std::string> text = io::ReadWholeFile(fs, path, kKeyFileBytesMax);
  if (absl::IsNotFound(text.status())) {
    const std::string name = fmt::format("graven-answers/{}", HexEncode(random.Bytes(8)));
    ASSIGN_OR_RETURN(note::SignerKey key,
                     note::SignerKey::Generate(name, note::KeyType::kEd25519, random));
    RETURN_IF_ERROR(io::WriteFileDurably(fs, path, key.Format() + "\n", kPrivate));
    return key;
  }
  RETURN_IF_ERROR(text.status());
  ASSIGN_OR_RETURN(const io::FileInfo file, fs.Stat(path));
  if ((file.mode & 077) != 0) {
    return absl::FailedPreconditionError(
        fmt::format("{} has mode {:04o}, so that others than its owner may read the private key or "
                    "change it: it must be 0600 (chmod 600)",
                    path, file.mode));
  }
  while (text->ends_with('\n')) text->pop_back();
  return note::SignerKey::Parse(*text);
}

}  // namespace graven::server
