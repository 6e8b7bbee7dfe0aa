#pragma once

#include "web/page_files.h"
#include "web/routes.h"

namespace graven::web {

// The page: `/`, and what it is made of. It says nothing about the logs by itself, so that a
// browser gets it without a token and then asks for one. Its policy lets it run its own files and
// talk to this server, and nothing else (W3C CSP level 3, Trusted Types). Files below assets/ have
// the hash of their bytes in their names and may be kept for ever.
void AddPageRoutes(const std::vector<PageFile>& files, Routes* routes);

}  // namespace graven::web
