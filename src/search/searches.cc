#include "search/searches.h"

#include <utility>

namespace graven::search {

void Searches::TakeTurns(TakeTurn take_turn) {
  workers_.Submit([this, take_turn = std::move(take_turn)]() mutable {
    if (take_turn({&clock_, clock_.SteadyNs() + kTurnNs})) TakeTurns(std::move(take_turn));
  });
}

}  // namespace graven::search
