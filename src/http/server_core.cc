#include "http/server_core.h"

#include <algorithm>

namespace graven::http {
namespace {

bool WaitsForPeer(Stage stage) { return stage == Stage::kIdle || stage == Stage::kPeer; }

}  // namespace

void ServerCore::CountAnswer(int status) {
  const size_t first_digit = static_cast<size_t>(status) / 100;
  if (first_digit >= 1 && first_digit <= answers.size()) ++answers[first_digit - 1];
}

void ServerCore::Add(ConnectionBase* connection) {
  if (connections.size() >= options.limits.connections && !waiting.empty()) Evict(waiting.front());
  connection->place = connections.insert(connections.end(), connection);
  connection_count = connections.size();
}

void ServerCore::Remove(ConnectionBase* connection) {
  SetStage(connection, Stage::kNew);
  Release(connection, Budget::kBodies);
  Release(connection, Budget::kAnswers);
  connections.erase(connection->place);
  connection_count = connections.size();
  if (stopping && connections.empty() && all_gone) all_gone();
}

void ServerCore::SetStage(ConnectionBase* connection, Stage stage) {
  if (WaitsForPeer(connection->stage)) waiting.erase(connection->waiting);
  if (WaitsForPeer(stage)) connection->waiting = waiting.insert(waiting.end(), connection);
  connection->stage = stage;
}

bool ServerCore::Hold(ConnectionBase* connection, Budget budget, size_t bytes) {
  const auto which = static_cast<size_t>(budget);
  const size_t bytes_max =
      budget == Budget::kBodies ? options.limits.bodies_bytes : options.limits.answers_bytes;
  while (held[which] + bytes > bytes_max) {
    const auto victim = std::find_if(
        waiting.begin(), waiting.end(),
        [&](const ConnectionBase* one) { return one != connection && one->held[which] > 0; });
    if (victim == waiting.end()) return false;
    Evict(*victim);
  }
  held[which] += bytes;
  connection->held[which] += bytes;
  return true;
}

void ServerCore::Release(ConnectionBase* connection, Budget budget) {
  const auto which = static_cast<size_t>(budget);
  held[which] -= connection->held[which];
  connection->held[which] = 0;
}

void ServerCore::Evict(ConnectionBase* connection) {
  SetStage(connection, Stage::kNew);  // not to be chosen twice
  // Its memory goes when its coroutine has noticed, which is before anything else is read.
  Release(connection, Budget::kBodies);
  Release(connection, Budget::kAnswers);
  connection->Cut();
  ++evicted;
}

}  // namespace graven::http
