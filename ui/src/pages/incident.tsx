// The worst day: what does not fit, since when, what is known of it and what is not. On paper it says all of it.

import type { ComponentChildren, JSX } from 'preact';
import { preserve, verifyEvidence } from '../commands.ts';
import type { Finding, TrustState } from '../engine/protocol.ts';
import { saveText } from '../parts/save.ts';
import { SealShape } from '../parts/seal.tsx';
import { Command, fullTime, Hash, Strange } from '../parts/text.tsx';
import { writeRoute } from '../route.ts';
import { rememberer, span, thousands } from '../seal.ts';

interface Props {
  finding: Finding;
  log: string;
  trust: TrustState;
  /** Of all that did not fit, in the order in which it was found. */
  first: boolean;
}

const factMax = 2000;

function Fact({ title, children }: { title: string; children: ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{title}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Between({ finding, log, trust }: Omit<Props, 'first'>): JSX.Element | null {
  const good = finding.lastGood;
  const shown = trust.facts?.publishedSize;
  if (good === undefined) return null;
  if (shown !== undefined && shown < good.size)
    return (
      <Fact title="records between">
        the server says now that it has {thousands(shown)}: those from {thousands(shown)} to{' '}
        {thousands(good.size - 1)} were signed and are not shown any more
      </Fact>
    );
  return (
    <Fact title="records between">
      {shown === good.size ? (
        'none came since'
      ) : (
        <>
          <a href={writeRoute(log, 'explore', { q: `index:>=${good.size}`, order: 'oldest' })}>
            {shown === undefined
              ? `those that came since size ${thousands(good.size)}`
              : `${thousands(shown - good.size)}, from ${thousands(good.size)} to ${thousands(shown - 1)}`}
          </a>
          , as the server shows them now
        </>
      )}
    </Fact>
  );
}

function WhoElse({ trust }: { trust: TrustState }): JSX.Element {
  const now = Date.now();
  const unheard = trust.witnessKeys - trust.cosignatures.length;
  return (
    <Fact title="who else holds checkpoints">
      <ul class="plain">
        {trust.cosignatures.map((one) => (
          <li key={one.name + one.id}>
            witness{' '}
            <b>
              <Strange text={one.name} />
            </b>{' '}
            ({one.id}) signed up to size {thousands(trust.cosignedSize ?? 0)},{' '}
            {span(now - one.time * 1000)} ago, and remembers it
            {one.verdict === 'good'
              ? ''
              : one.verdict === 'bad'
                ? '; DOES NOT VERIFY'
                : '; unchecked'}
          </li>
        ))}
        {trust.cosignatures.length === 0 && <li>no witness that {rememberer(trust)} heard of</li>}
        {unheard > 0 && trust.cosignatures.length > 0 && (
          <li>{thousands(unheard)} more whose keys were given, and whose lines did not come</li>
        )}
        <li>
          {rememberer(trust)}: {thousands(trust.seen.length)}, listed below
        </li>
        <li>monitors, if there are any; everybody with a receipt or a checkpoint of this log</li>
      </ul>
    </Fact>
  );
}

function Unknown({ finding, trust }: { finding: Finding; trust: TrustState }): JSX.Element {
  const witnessed = trust.cosignatures.some((one) => one.verdict === 'good');
  return (
    <Fact title="not known">
      <ul class="plain">
        <li>who did it: somebody with the key, a part of the server, or on the way to here</li>
        <li>whether others were shown the same{witnessed ? '; the witnesses can say' : ''}</li>
        {finding.kind === 'fork' || finding.kind === 'rollback' ? (
          <li>which of the two is what was written first</li>
        ) : (
          <li>what stood there before</li>
        )}
        {finding.lastGood === undefined && <li>since when: nothing was seen before</li>}
      </ul>
    </Fact>
  );
}

function Keep({ finding, log, trust }: Omit<Props, 'first'>): JSX.Element {
  const name = `${log}-${finding.kind.replaceAll(' ', '-')}`;
  const { evidence } = finding;
  return (
    <>
      {evidence !== undefined && (
        <Command
          text={verifyEvidence(trust.vkey, `${name}.evidence`)}
          label="judges the evidence"
        />
      )}
      <p class="row no-print">
        {evidence !== undefined ? (
          <button
            type="button"
            class="primary danger"
            onClick={() => saveText(`${name}.evidence`, evidence)}
          >
            save the evidence
          </button>
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
        {trust.checkpoint !== undefined && (
          <button
            type="button"
            onClick={() => saveText(`${log}-last.checkpoint`, trust.checkpoint!.note)}
          >
            save the last checkpoint that fitted
          </button>
        )}
        <button type="button" onClick={() => window.print()}>
          print
        </button>
      </p>
    </>
  );
}

export function Incident({ finding, log, trust, first }: Props): JSX.Element {
  const good = finding.lastGood;
  return (
    <section class="incident" role="alert">
      <h2>
        <SealShape kind="broken" size={20} />{' '}
        <span>
          <Strange text={finding.sentence} charactersMax={factMax} />
        </span>
      </h2>
      <dl>
        <Fact title={first ? 'first contradiction' : 'found later'}>
          {finding.kind}, {fullTime(finding.at)}, and again on a second look past all caches
        </Fact>
        <Fact title="claimed">
          <span class="mono">
            <Strange text={finding.claimed} charactersMax={factMax} />
          </span>
        </Fact>
        <Fact title="computed here">
          <span class="mono">
            <Strange text={finding.computed} charactersMax={factMax} />
          </span>
        </Fact>
        <Fact title="last agreement">
          {good === undefined ? (
            `none: ${rememberer(trust)} saw nothing of the log before`
          ) : (
            <>
              size {thousands(good.size)}, {fullTime(good.at)}, root <Hash hex={good.root} />
            </>
          )}
        </Fact>
        <Between finding={finding} log={log} trust={trust} />
        {finding.index !== undefined && (
          <Fact title="record">
            <a href={writeRoute(log, 'record', {}, finding.index)}>{thousands(finding.index)}</a>
          </Fact>
        )}
        <WhoElse trust={trust} />
        <Unknown finding={finding} trust={trust} />
        <Fact title="key">
          <span class="mono break">
            <Strange text={trust.vkey} charactersMax={factMax} />
          </span>
        </Fact>
      </dl>
      <Keep finding={finding} log={log} trust={trust} />
      {first && (
        <>
          <p class="fine">
            Ask those who may know for their newest checkpoint. Before anything else is touched,
            where the server runs:
          </p>
          <Command text={preserve} />
        </>
      )}
    </section>
  );
}
