#include <cstdio>

#include "metrics/instruments.h"

int main() {
  std::fputs(graven::metrics::MetricsPage().c_str(), stdout);
  return 0;
}
