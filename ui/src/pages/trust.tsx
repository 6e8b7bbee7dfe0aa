// Trust: what this browser checked and when, with which keys, and what all of that proves and does not.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { ApiError } from '../api/client.ts';
import type { TrustState } from '../engine/protocol.ts';
import { OtherLinks } from '../parts/links.tsx';
import type { Feed } from '../feed.ts';
import type { Link } from '../link.ts';
import { useFeed, useNow } from '../parts/hooks.ts';
import { SealShape } from '../parts/seal.tsx';
import { Copy, fullTime, Hash, Section, ServerSays, Strange } from '../parts/text.tsx';
import { judgedBy, pinnedHow, rememberer, sealOf, span, thousands } from '../seal.ts';
import { DropExplain } from './drop.tsx';
import { Incident } from './incident.tsx';
import { Server } from './server.tsx';

interface Props {
  link: Link;
  feed: Feed;
  log: string;
  dropped: File | undefined;
  taken: () => void;
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
          <Strange text={error} charactersMax={1000} />
        </p>
      )}
      <p class="row">
        <button type="submit" class="primary" disabled={text.trim() === ''}>
          pin
        </button>
        <span class="fine">
          <code>graven keys show --data DIR</code> prints it where the server runs
        </span>
      </p>
    </form>
  );
}

function Forget({ link, log, who }: { link: Link; log: string; who: string }): JSX.Element {
  const [typed, setTyped] = useState('');
  return (
    <details class="how no-print">
      <summary>Throw away what {who} remembers of this log</summary>
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

function TimeLine({ trust, now }: { trust: TrustState; now: number }): JSX.Element {
  const [all, setAll] = useState(false);
  const seen = [...trust.seen].reverse();
  const shown = all ? seen : seen.slice(0, 12);
  return (
    <Section title={`Checkpoints seen by ${rememberer(trust)}`}>
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
        Each was signed by the log's key and proven to begin with the one before it.
        {trust.memoryKept ? '' : ' This browser keeps nothing: the list ends with this visit.'}
      </p>
    </Section>
  );
}

function Proves({ trust, shared }: { trust: TrustState; shared: boolean }): JSX.Element {
  const covered = trust.recomputed - trust.uncovered;
  const pinned = pinnedHow(trust) !== undefined;
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
              Nothing that {rememberer(trust)} saw since size{' '}
              {thousands(trust.consistentSince ?? 0)} was changed or taken away.
            </li>
          )}
          <li>
            {pinned
              ? `The key is the one that was pinned ${pinnedHow(trust)}.`
              : 'The checkpoint is signed by the key that the server names.'}
          </li>
          {good > 0 && (
            <li>
              {good} of {trust.witnessKeys} witnesses signed the same tree
              {trust.quorumMet === true ? ', which meets the quorum of the policy' : ''}.
            </li>
          )}
        </ul>
        <ul class="does-not">
          <li>
            That an event is true, or that everything that happened was sent: a log keeps what it
            was given, and does not know of a sender that gave up.
          </li>
          <li>
            Records before {thousands(trust.recomputedFrom)} were not recomputed here, only those
            that you open: <code>graven verify</code> does all.
          </li>
          {trust.witnessKeys === 0 && (
            <li>That others see the same log: no witness keys are known here.</li>
          )}
          {!pinned && <li>That the key is the right one.</li>}
          <li>
            Counts, facets, rates and states marked <ServerSays />.
          </li>
          {trust.view === undefined && (
            <li>
              That this page is honest: it comes from the server that it judges.{' '}
              <code>graven view</code>, <code>graven verify</code> and <code>graven monitor</code>,
              run from your own binary elsewhere, do not depend on it.
            </li>
          )}
          {!shared && (
            <li>Each tab of this browser checks for itself: it has no shared workers.</li>
          )}
        </ul>
      </div>
    </Section>
  );
}

export function Trust({ link, feed, log, dropped, taken }: Props): JSX.Element {
  useFeed(feed);
  const now = useNow(1000);
  const trust = feed.trust;
  if (trust === undefined) return <p class="page-text">The page is starting.</p>;
  const seal = sealOf(trust, now);
  return (
    <div class="page-text wide trust">
      {trust.broken.map((finding, i) => (
        <Incident key={finding.id} finding={finding} log={log} trust={trust} first={i === 0} />
      ))}
      <section class={`judgement ${seal.kind}`}>
        <SealShape kind={seal.kind} size={40} />
        <div>
          <h1>
            {seal.word} <small>{judgedBy(trust)}</small>
          </h1>
          {seal.sentences.map((sentence) => (
            <p key={sentence}>
              <Strange text={sentence} charactersMax={1000} />
            </p>
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
                    {fullTime(one.at)}: <Strange text={one.sentence} charactersMax={1000} />
                  </li>
                ))}
              </ul>
            </Section>
          )}
          <OtherLinks feed={feed} log={log} />
          <DropExplain link={link} log={log} dropped={dropped} taken={taken} />
        </div>
        <div>
          <Section title="Key">
            <p class="mono break">
              <Strange text={trust.vkey} charactersMax={1000} /> <Copy text={trust.vkey} />
            </p>
            <p class="fine">
              {trust.pin === undefined
                ? ''
                : pinnedHow(trust) === undefined
                  ? `As the server said ${span(now - trust.pin.at)} ago, when ${rememberer(trust)} was here first. Not pinned.`
                  : `Pinned ${pinnedHow(trust)} ${span(now - trust.pin.at)} ago.`}
            </p>
            <p class="fine">
              It has no history: a log keeps its key for life, there is no older one. Another key is
              another log, and the seal says so.
            </p>
            {trust.view === undefined ? (
              <KeyForm link={link} log={log} trust={trust} />
            ) : (
              <p class="fine">
                Keys, witnesses and the quorum are those of the policy that graven view was started
                with.
              </p>
            )}
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
                  <b>
                    <Strange text={one.name} />
                  </b>{' '}
                  <span class="mono">{one.id}</span>:{' '}
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
          <Forget link={link} log={log} who={rememberer(trust)} />
        </div>
      </div>
      <Proves trust={trust} shared={link.shared} />
    </div>
  );
}
