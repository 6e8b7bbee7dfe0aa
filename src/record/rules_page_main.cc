#include <cstdio>

#include "record/rules.h"

// Prints docs/rules.md.
int main() {
  std::fputs(graven::record::RulesPage().c_str(), stdout);
  return 0;
}
