// The proof, drawn: from the record's own bytes up to the signed root, one rung a sibling, each value computed here.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { RecordProof } from '../engine/protocol.ts';
import { thousands } from '../seal.ts';
import { Hash } from './text.tsx';

const leavesText = (first: string, end: string): string => {
  const from = Number(first);
  const to = Number(end) - 1;
  return from === to
    ? `record ${thousands(from)}`
    : `records ${thousands(from)} to ${thousands(to)}`;
};

export function Ladder({ proof }: { proof: RecordProof }): JSX.Element {
  const [step, setStep] = useState(proof.rungs.length + 1);
  const last = proof.rungs.length;
  // At an end the buttons stay what they are: one that is disabled would take the focus away from whoever steps by keys.
  const go = (by: number): void => setStep((now) => Math.max(0, Math.min(last + 1, now + by)));
  return (
    <div
      class="ladder-box"
      role="group"
      aria-label="The proof, step by step; arrow keys up and down"
      tabIndex={0}
      onKeyDown={(event) => {
        const by = event.key === 'ArrowUp' ? 1 : event.key === 'ArrowDown' ? -1 : 0;
        if (by === 0) return;
        event.preventDefault();
        go(by);
      }}
    >
      <div class="row stepper no-print">
        <button type="button" onClick={() => go(-1)} aria-disabled={step === 0}>
          step down
        </button>
        <button type="button" onClick={() => go(1)} aria-disabled={step > last}>
          step up
        </button>
        <span class="fine">
          {last === 0 ? 'a tree of one record' : `${last} ${last === 1 ? 'step' : 'steps'}`},
          recomputed here in {proof.tookMs.toFixed(1)} ms
        </span>
      </div>
      <ol class="ladder" reversed>
        {step > last && (
          <li class={`rung top ${proof.holds ? 'good' : 'bad'}`}>
            <span class="rung-what">
              {proof.holds ? 'equal to the root that was signed' : 'NOT the root that was signed'}
              <small>checkpoint of size {thousands(proof.size)}</small>
            </span>
            <Hash hex={proof.root} title="root in the signed checkpoint" />
          </li>
        )}
        {proof.rungs
          .map((rung, i) => ({ rung, i }))
          .reverse()
          .filter(({ i }) => i < step)
          .map(({ rung, i }) => (
            <li key={i} class={`rung ${rung.side} ${i === step - 1 ? 'at' : ''}`}>
              <span class="rung-what">
                {leavesText(rung.first, rung.end)}
                <small>
                  {rung.side === 'left'
                    ? 'SHA-256(01 · sibling · own)'
                    : 'SHA-256(01 · own · sibling)'}
                </small>
              </span>
              <span class="pair">
                <span class="computed">
                  <Hash hex={rung.result} title="computed here" />
                </span>
                <span class="sibling">
                  <span class="side">{rung.side === 'left' ? '◧ sibling' : '◨ sibling'}</span>
                  <Hash hex={rung.sibling} title="from the server" />
                </span>
              </span>
            </li>
          ))}
        <li class="rung leaf">
          <span class="rung-what">
            this record's bytes
            <small>SHA-256(00 · {thousands(proof.row.bytes.length)} bytes)</small>
          </span>
          <Hash hex={proof.row.hash} title="computed here" />
        </li>
      </ol>
    </div>
  );
}
