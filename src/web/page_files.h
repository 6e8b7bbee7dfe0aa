#pragma once

#include <string_view>
#include <vector>

namespace graven::web {

// One file of the page, as its build made it.
struct PageFile {
  std::string_view path;  // "index.html", "assets/index-4f2a.js"
  std::string_view bytes;
};

// All of them; none in a program that was built without the page. For the life of the process.
const std::vector<PageFile>& PageFiles();

}  // namespace graven::web
