#include "record/producer_view.h"

#include "record/wire.h"

namespace graven::record {
namespace {

constexpr uint32_t kProducerField = 15;  // of Event

}  // namespace

std::optional<ProducerView> ReadProducer(const RecordHeader& header) {
  if (header.kind != BodyKind::kEvent) return std::nullopt;
  std::string_view producer;
  WireField field;
  for (WireReader body(header.body); !body.done();) {
    if (!body.ReadField(&field)) return std::nullopt;
    if (field.number == kProducerField && field.wire == WireType::kBytes) producer = field.bytes;
  }
  ProducerView view;
  for (WireReader reader(producer); !reader.done();) {
    if (!reader.ReadField(&field)) return std::nullopt;
    if (field.number == 1) view.id = field.bytes;
    if (field.number == 2) view.epoch = field.value;
    if (field.number == 3) view.sequence = field.value;
    if (field.number == 4 && field.value <= 3) {
      view.kind = static_cast<ProducerRecordKind>(field.value);
    }
  }
  if (view.id.empty()) return std::nullopt;
  return view;
}

}  // namespace graven::record
