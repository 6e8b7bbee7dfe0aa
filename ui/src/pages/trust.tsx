// Trust: what this browser checked and when, with which keys, and what all of that proves and does not.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { ApiError, HttpDoor, type Json } from '../api/client.ts';
import type { Explained, Finding, TrustState } from '../engine/protocol.ts';
import type { Feed } from '../feed.ts';
import type { Link } from '../link.ts';
import { useFeed, useNow } from '../parts/hooks.ts';
import { saveText } from '../parts/save.ts';
import { SealShape } from '../parts/seal.tsx';
import { Copy, fullTime, Hash, Section, ServerSays } from '../parts/text.tsx';
import { writeRoute } from '../route.ts';
import { sealOf, span, thousands } from '../seal.ts';

interface Props {
  link: Link;
  feed: Feed;
  log: string;
}

function Incident({ finding, log }: { finding: Finding; log: string }): JSX.Element {
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
        Others who may hold checkpoints of this log: its witnesses, monitors, and everybody with a
        receipt. Ask them. Before anything else is touched, where the server runs:{' '}
        <code>graven preserve</code>.
      </p>
    </section>
  );
}

function KeyForm({
  link,
  log,
  trust,
}: {
  link: Link;
  log: string;
  trust: TrustState;
}): JSX.Element {
  const [text, setText] = useState('');
  const [error, setError] = useState('');
  const give = (event: Event): void => {
    event.preventDefault();
    link.ask({ call: 'policy', log, text }).then(
      () => {
        setText('');
        setError('');
      },
      (failed: unknown) => setError(failed instanceof ApiError ? failed.message : String(failed)),
    );
  };
  return (
    <form class="key-form no-print" onSubmit={give}>
      <label for="key">
        {trust.pin?.how === 'first visit' ? 'Pin the key' : 'Other keys'}: a verifier key or a
        policy with the log and its witnesses, from somewhere else than this server
      </label>
      <textarea
        id="key"
        rows={3}
        spellcheck={false}
        value={text}
        placeholder={'example.com/audit+1a2b3c4d+AT…'}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {error !== '' && (
        <p class="bad" role="alert">
          {error}
        </p>
      )}
      <p class="row">
        <button type="submit" class="primary" disabled={text.trim() === ''}>
          pin
        </button>
        <span class="fine">`graven keys show --data DIR` prints it where the server runs</span>
      </p>
    </form>
  );
}

function Forget({ link, log }: { link: Link; log: string }): JSX.Element {
  const [typed, setTyped] = useState('');
  return (
    <details class="how no-print">
      <summary>Throw away what this browser remembers of this log</summary>
      <p>
        Then a rollback or a rewritten history cannot be noticed by it any more, and findings are
        gone. Type the log's name to do it.
      </p>
      <p class="row">
        <label class="off-screen" for="forget">
          Name of the log
        </label>
        <input
          id="forget"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
          placeholder={log}
        />
        <button
          type="button"
          class="danger"
          disabled={typed !== log}
          onClick={() => {
            setTyped('');
            void link.ask({ call: 'forget', log });
          }}
        >
          forget
        </button>
      </p>
    </details>
  );
}

export function DropExplain({ link, log }: { link: Link; log: string }): JSX.Element {
  const [said, setSaid] = useState<{ name: string; explained: Explained }>();
  const input = useRef<HTMLInputElement>(null);
  const read = (file: File): void => {
    void file.arrayBuffer().then(async (bytes) => {
      const explained = await link.ask<Explained>({
        call: 'explain',
        log,
        name: file.name,
        bytes: new Uint8Array(bytes),
      });
      setSaid({ name: file.name, explained });
    });
  };
  useEffect(() => {
    const over = (event: DragEvent): void => event.preventDefault();
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file !== undefined) read(file);
    };
    window.addEventListener('dragover', over);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragover', over);
      window.removeEventListener('drop', drop);
    };
  }, [link, log]);
  const verdict = said?.explained.holds;
  return (
    <Section title="What is this file?">
      <p class="fine">
        Drop a receipt, checkpoint, key, evidence or export anywhere on the page. It stays in this
        browser.
      </p>
      <p class="no-print">
        <input
          ref={input}
          type="file"
          aria-label="A file to explain"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            if (file !== undefined) read(file);
          }}
        />
      </p>
      {said !== undefined && (
        <div
          class={`verdict ${verdict === true ? 'good' : verdict === false ? 'bad' : ''}`}
          role="status"
          data-explained={String(verdict)}
        >
          <SealShape
            kind={verdict === true ? 'verified' : verdict === false ? 'broken' : 'unpinned'}
            size={22}
          />
          <div>
            <p>
              <b>{said.name}</b>: {said.explained.sentence}
            </p>
            <dl>
              {said.explained.facts.map(([name, value]) => (
                <div key={name} class="field-line">
                  <dt>{name}</dt>
                  <dd class="mono">{value}</dd>
                </div>
              ))}
            </dl>
          </div>
        </div>
      )}
    </Section>
  );
}

function TimeLine({ trust, now }: { trust: TrustState; now: number }): JSX.Element {
  const [all, setAll] = useState(false);
  const seen = [...trust.seen].reverse();
  const shown = all ? seen : seen.slice(0, 12);
  return (
    <Section title="Checkpoints seen by this browser">
      <ol class="time-line">
        {shown.map((one, i) => {
          const before = seen[i + 1];
          const gap = before === undefined ? 0 : one.at - before.at;
          return (
            <li key={`${one.size} ${one.at}`}>
              <span class="number">{thousands(one.size)}</span> <Hash hex={one.root} />{' '}
              <span class="fine">
                {span(now - one.at)} ago{one.witnesses > 0 ? `, ${one.witnesses} cosigned` : ''}
              </span>
              {gap > 3_600_000 && <span class="gap">nothing seen for {span(gap)}</span>}
            </li>
          );
        })}
      </ol>
      {seen.length > shown.length && (
        <button type="button" onClick={() => setAll(true)}>
          all {thousands(seen.length)}
        </button>
      )}
      <p class="fine">
        Each was signed by the key on the right and proven to begin with the one before it.
        {trust.memoryKept ? '' : ' This browser keeps nothing: the list ends with this visit.'}
      </p>
    </Section>
  );
}

function Proves({ trust, shared }: { trust: TrustState; shared: boolean }): JSX.Element {
  const covered = trust.recomputed - trust.uncovered;
  const pinned = trust.pin !== undefined && trust.pin.how !== 'first visit';
  const good = trust.cosignatures.filter((one) => one.verdict === 'good').length;
  return (
    <Section title="What this proves, and what it does not">
      <div class="two">
        <ul class="does">
          <li>
            {thousands(covered)} records were hashed here, each links to the one before it, and
            together they lead to the signed root of size {thousands(trust.checkpoint?.size ?? 0)}.
          </li>
          {trust.memory !== undefined && (
            <li>
              Nothing that this browser saw since size {thousands(trust.consistentSince ?? 0)} was
              changed or taken away.
            </li>
          )}
          <li>
            {pinned
              ? `The key is the one that was given ${trust.pin!.how === 'link' ? 'in the link' : 'by hand'}.`
              : 'The checkpoint is signed by the key that the server names.'}
          </li>
          {good > 0 && (
            <li>
              {good} of {trust.witnessKeys} witnesses signed the same tree.
            </li>
          )}
        </ul>
        <ul class="does-not">
          <li>
            That an event is true, or that everything that happened was sent: a log keeps what it
            was given.
          </li>
          <li>
            Records before {thousands(trust.recomputedFrom)} were not recomputed here, only those
            that you open: `graven verify` does all.
          </li>
          {trust.witnessKeys === 0 && (
            <li>That others see the same log: no witness keys are known here.</li>
          )}
          {!pinned && <li>That the key is the right one.</li>}
          <li>
            Counts, facets, rates and states marked <ServerSays />.
          </li>
          <li>
            That this page is honest: it comes from the server that it judges. `graven verify` and
            `graven monitor`, run from your own binary elsewhere, do not.
          </li>
          {!shared && (
            <li>Each tab of this browser checks for itself: it has no shared workers.</li>
          )}
        </ul>
      </div>
    </Section>
  );
}

const shownStatus: readonly [string, string][] = [
  ['state', 'state'],
  ['stateReason', 'why'],
  ['version', 'version'],
  ['startedAt', 'started'],
  ['eventsAppended', 'events since then'],
  ['eventsDuplicate', 'duplicates'],
  ['requestsRefused', 'refused'],
  ['checkpointsSigned', 'checkpoints signed'],
  ['batches', 'batches'],
  ['diskFreeBytes', 'disk left'],
  ['journalBytesUsed', 'journal'],
  ['recoveryReport', 'recovery'],
];

function shownValue(value: string): string {
  if (/^\d+$/.test(value)) return Number(value).toLocaleString('en-US');
  if (value.startsWith('SERVER_STATE_'))
    return value.slice('SERVER_STATE_'.length).toLowerCase().replaceAll('_', ' ');
  return /^\d{4}-\d\d-\d\dT/.test(value) ? fullTime(Date.parse(value)) : value;
}

/** What the scrubber, which reads all that is stored again and again, says. */
function scrubLines(status: Json): [string, string][] {
  const scrub = status['scrub'] as Json | undefined;
  if (scrub === undefined || scrub === null) return [];
  const last =
    typeof scrub['lastRoundEndedAt'] === 'string'
      ? fullTime(Date.parse(scrub['lastRoundEndedAt']))
      : 'not yet';
  return [
    [
      'scrubber',
      `round ${Number(scrub['rounds'] ?? 0) + 1}, ${Math.round(Number(scrub['progress'] ?? 0) * 100)} %`,
    ],
    ['last full pass', last],
    ['found by it', thousands(Number(scrub['findingsCount'] ?? 0))],
  ];
}

function Server({ link, trust }: { link: Link; trust: TrustState }): JSX.Element {
  const [status, setStatus] = useState<Json>();
  useEffect(() => {
    const door = new HttpDoor(link.base, () => link.token);
    const load = (): void => void door.getJson('status', true).then(setStatus, () => undefined);
    load();
    const timer = setInterval(load, 5000);
    return () => clearInterval(timer);
  }, [link]);
  const size = (value: string): string =>
    Number(value) > 1e9
      ? `${(Number(value) / 1e9).toFixed(1)} GB`
      : `${(Number(value) / 1e6).toFixed(1)} MB`;
  return (
    <Section title="Server" aside={<ServerSays />}>
      <dl class="facts">
        <div>
          <dt>exactly once within</dt>
          <dd>
            {trust.facts === undefined
              ? ''
              : `${Number(trust.facts.duplicateWindow).toLocaleString('en-US')} records`}
          </dd>
        </div>
        <div>
          <dt>durable</dt>
          <dd>{thousands(trust.durable)}</dd>
        </div>
        {trust.facts?.cosignedSize !== undefined && (
          <div>
            <dt>cosigned</dt>
            <dd>{thousands(trust.facts.cosignedSize)}</dd>
          </div>
        )}
        {status !== undefined &&
          shownStatus.map(([name, words]) => {
            const value = status[name];
            if (typeof value !== 'string' || value === '') return null;
            return (
              <div key={name}>
                <dt>{words}</dt>
                <dd>{name.includes('Bytes') ? size(value) : shownValue(value)}</dd>
              </div>
            );
          })}
        {status !== undefined &&
          scrubLines(status).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd class={name === 'found by it' && value !== '0' ? 'bad' : ''}>{value}</dd>
            </div>
          ))}
      </dl>
    </Section>
  );
}

export function Trust({ link, feed, log }: Props): JSX.Element {
  useFeed(feed);
  const now = useNow(1000);
  const trust = feed.trust;
  if (trust === undefined) return <p class="page-text">The page is starting.</p>;
  const seal = sealOf(trust, now);
  return (
    <div class="page-text wide trust">
      {trust.broken.map((finding) => (
        <Incident key={finding.id} finding={finding} log={log} />
      ))}
      <section class={`judgement ${seal.kind}`}>
        <SealShape kind={seal.kind} size={40} />
        <div>
          <h1>
            {seal.word} <small>by this page</small>
          </h1>
          {seal.sentences.map((sentence) => (
            <p key={sentence}>{sentence}</p>
          ))}
          {trust.absent?.word === 'changed' && (
            <p class="row">
              <button type="button" onClick={() => void link.ask({ call: 'accept', log })}>
                I know: this is another log now
              </button>
            </p>
          )}
        </div>
      </section>
      <div class="columns">
        <div>
          <TimeLine trust={trust} now={now} />
          {trust.flickers.length > 0 && (
            <Section title="Wrong once, right when asked again">
              <ul>
                {trust.flickers.map((one) => (
                  <li key={one.at}>
                    {fullTime(one.at)}: {one.sentence}
                  </li>
                ))}
              </ul>
            </Section>
          )}
          <DropExplain link={link} log={log} />
        </div>
        <div>
          <Section title="Key">
            <p class="mono break">
              {trust.vkey} <Copy text={trust.vkey} />
            </p>
            <p class="fine">
              {trust.pin === undefined
                ? ''
                : trust.pin.how === 'first visit'
                  ? `As the server said ${span(now - trust.pin.at)} ago, when this browser was here first. Not pinned.`
                  : `Pinned ${trust.pin.how === 'link' ? 'by a link' : 'by hand'} ${span(now - trust.pin.at)} ago.`}
            </p>
            <KeyForm link={link} log={log} trust={trust} />
          </Section>
          <Section title="Witnesses">
            {trust.cosignatures.length === 0 && (
              <p class="fine">
                No witness's line under the checkpoint. Whether others see the same log is not
                provable by it.
              </p>
            )}
            <ul class="plain">
              {trust.cosignatures.map((one) => (
                <li key={one.name + one.id}>
                  <b>{one.name}</b> <span class="mono">{one.id}</span>:{' '}
                  {one.verdict === 'good'
                    ? 'verified here'
                    : one.verdict === 'bad'
                      ? 'does not verify'
                      : 'not checked, key unknown'}
                  , {span(now - one.time * 1000)} ago
                </li>
              ))}
            </ul>
          </Section>
          <Server link={link} trust={trust} />
          <Forget link={link} log={log} />
        </div>
      </div>
      <Proves trust={trust} shared={link.shared} />
    </div>
  );
}
