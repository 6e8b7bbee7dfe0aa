// Rows for tests, as if they had been decoded.

import { decodeRow, type Row } from '../src/record/row.ts';

export const row = (change: Partial<Row>): Row => ({
  ...decodeRow(new Uint8Array(), ''),
  ...change,
});
export const one = row({
  index: 41,
  receivedMs: Date.parse('2026-03-05T10:00:00Z'),
  actorId: 'alice',
  actorName: 'Alice Müller',
  action: 'invoice.approve',
  outcome: 'denied',
  ip: '10.1.2.3',
  service: 'billing',
  targets: [
    { type: 'invoice', id: '42', name: '' },
    { type: 'order', id: '7', name: '' },
  ],
  labels: [['env', 'prod']],
  reason: 'Not authorized',
  detailText: 'left-over ＴＥＸＴ',
});
