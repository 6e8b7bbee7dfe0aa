#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model.h"
#include "server.h"
#include "world.h"
#include "writers.h"

namespace graven::crash {

// One run: a server that lives, dies and is opened again, some ten times, on one disk, and what has
// to hold each time. Everything in it is a function of the seed.
class Simulation {
 public:
  Simulation(uint64_t seed, Tally& tally, bool told, bool traced);

  void Run();
  // Of all that the disk was asked to do.
  uint64_t fingerprint() const { return world_.story.fingerprint(); }

 private:
  uint64_t Points() const;
  void Reopen();
  bool TryOpen();
  void AdoptDefaultLog();
  void Live();
  void ArmFaults();
  void EndLife();
  void Last();
  void CheckFinalSegment();

  // The end of some runs: one bit on the disk turns.
  struct Flip {
    std::string path;
    uint64_t bit = 0;
    bool in_journal_header = false;
  };
  void LiveUntilFlip();
  Flip PickFlip();
  // A bit of a record that is acknowledged and not published, if there is one.
  std::optional<Flip> PickUnpublished(const std::vector<std::string>& files);
  void FilesBelow(const std::string& folder, std::vector<std::string>* files);
  void JudgeFlipped(const Flip& flip);
  bool JudgeFlippedLog(const Flip& flip, LogModel& log);

  World world_;
  Model model_;
  const Setup setup_;
  Writers writers_;
  Server server_;
  bool stopped_cleanly_ = false;
  bool first_open_ = true;
};

}  // namespace graven::crash
