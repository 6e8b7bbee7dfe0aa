// The worst day: what does not fit, since when, what is known of it and what is not.

import type { JSX } from 'preact';
import type { Finding, TrustState } from '../engine/protocol.ts';
import { saveText } from '../parts/save.ts';
import { SealShape } from '../parts/seal.tsx';
import { Copy, fullTime, Hash } from '../parts/text.tsx';
import { writeRoute } from '../route.ts';
import { thousands } from '../seal.ts';

interface Props {
  finding: Finding;
  log: string;
  trust: TrustState;
}

export function Incident({ finding, log, trust }: Props): JSX.Element {
  const good = finding.lastGood;
  return (
    <section class="incident" role="alert">
      <h2>
        <SealShape kind="broken" size={20} /> {finding.sentence}
      </h2>
      <dl>
        <div>
          <dt>kind</dt>
          <dd>{finding.kind}</dd>
        </div>
        <div>
          <dt>found</dt>
          <dd>{fullTime(finding.at)}, and again on a second look past all caches</dd>
        </div>
        <div>
          <dt>claimed</dt>
          <dd class="mono">{finding.claimed}</dd>
        </div>
        <div>
          <dt>computed here</dt>
          <dd class="mono">{finding.computed}</dd>
        </div>
        <div>
          <dt>last agreement</dt>
          <dd>
            {good === undefined ? (
              'none: this browser saw nothing of the log before'
            ) : (
              <>
                size {thousands(good.size)}, {fullTime(good.at)}, root <Hash hex={good.root} />
              </>
            )}
          </dd>
        </div>
        {good !== undefined && (
          <div>
            <dt>records between</dt>
            <dd>
              <a href={writeRoute(log, 'explore', { q: `index:>=${good.size}`, order: 'oldest' })}>
                those that came since size {thousands(good.size)}
              </a>
              , as the server shows them now
            </dd>
          </div>
        )}
        {finding.index !== undefined && (
          <div>
            <dt>record</dt>
            <dd>
              <a href={writeRoute(log, 'record', {}, finding.index)}>{thousands(finding.index)}</a>
            </dd>
          </div>
        )}
        <div>
          <dt>who else may know</dt>
          <dd>
            {trust.cosignatures.length > 0
              ? `${trust.cosignatures.map((one) => one.name).join(', ')} cosigned up to size ${thousands(trust.cosignedSize ?? 0)} and remember it; monitors; `
              : 'no witness that this browser knows of; monitors, if there are any; '}
            everybody with a receipt or a checkpoint: this browser saw{' '}
            {thousands(trust.seen.length)}
          </dd>
        </div>
        <div>
          <dt>not known</dt>
          <dd>
            who did it, whether others were shown the same, and which of the two is what was written
            first
          </dd>
        </div>
      </dl>
      <p class="row no-print">
        {finding.evidence !== undefined ? (
          <>
            <button
              type="button"
              class="primary danger"
              onClick={() =>
                saveText(`${log}-${finding.kind.replace(' ', '-')}.evidence`, finding.evidence!)
              }
            >
              save the evidence
            </button>
            <Copy
              text={`graven verify --evidence ${log}-${finding.kind.replace(' ', '-')}.evidence`}
              label="copy the command that judges it"
            />
          </>
        ) : (
          <button
            type="button"
            class="primary danger"
            onClick={() =>
              saveText(`${log}-finding.json`, JSON.stringify(finding, null, 2), 'application/json')
            }
          >
            save what was found
          </button>
        )}
        <button type="button" onClick={() => window.print()}>
          print
        </button>
      </p>
      <p class="fine">
        Ask those who may know for their newest checkpoint. Before anything else is touched, where
        the server runs: <code>graven preserve</code>.
      </p>
    </section>
  );
}
