#include "web/page_routes.h"

#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace graven::web {
namespace {

// The worker's own script comes with it too: a worker lives by the policy of its file.
constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types graven";

struct FileType {
  std::string_view ending;
  std::string_view content_type;
  bool compressible;
};

constexpr FileType kFileTypes[] = {
    {".html", "text/html; charset=utf-8", true},
    {".js", "text/javascript; charset=utf-8", true},
    {".css", "text/css; charset=utf-8", true},
    {".svg", "image/svg+xml", true},
    {".png", "image/png", false},
    {".json", "application/json", true},
    {".webmanifest", "application/manifest+json", true},
    {".txt", "text/plain; charset=utf-8", true},
};

const FileType& TypeOf(std::string_view path) {
  for (const FileType& type : kFileTypes) {
    if (path.ends_with(type.ending)) return type;
  }
  GRAVEN_CHECK(false);  // a file of our own build whose kind the table lacks
  return kFileTypes[0];
}

http::Response FileResponse(const PageFile& file, const FileType& type) {
  http::Response response;
  response.content_type = type.content_type;
  response.compressible = type.compressible;
  response.cache_control =
      file.path.starts_with("assets/") ? "public, max-age=31536000, immutable" : "no-cache";
  response.content_security_policy = kPagePolicy;
  response.body = file.bytes;
  return response;
}

}  // namespace

void AddPageRoutes(const std::vector<PageFile>& files, Routes* routes) {
  for (const PageFile& file : files) {
    const FileType& type = TypeOf(file.path);
    const bool index = file.path == "index.html";
    Route route{"GET", index ? "/" : "/" + std::string(file.path),
                Directly([file, &type](const Call&) { return FileResponse(file, type); })};
    route.open = true;
    route.page = index;
    routes->Add(std::move(route));
  }
}

}  // namespace graven::web
