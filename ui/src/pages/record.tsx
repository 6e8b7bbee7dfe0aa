// One record: in a sentence, field by field, byte by byte, and its proof.

import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { ApiError } from '../api/client.ts';
import { verifyReceipt } from '../commands.ts';
import type { RecordProof } from '../engine/protocol.ts';
import type { Feed } from '../feed.ts';
import type { Link } from '../link.ts';
import { toBase64 } from '../proof/bytes.ts';
import { timeOfNs } from '../record/export.ts';
import type { Row } from '../record/row.ts';
import { sentenceOf, whenWords } from '../record/sentence.ts';
import { plainMessage, recordTree, type TreeNode } from '../record/tree.ts';
import { go, recordRoute, recordTabs, writeRoute, type RecordTab } from '../route.ts';
import { Around } from './around.tsx';
import { Fields } from './fields.tsx';
import { plural } from '../numbers.ts';
import { span, thousands } from '../seal.ts';
import { placeOfPage } from '../place.ts';
import { HexView } from '../parts/hex.tsx';
import { useKeys, useLatest } from '../parts/hooks.ts';
import { Icon } from '../parts/icons.tsx';
import { Ladder } from '../parts/ladder.tsx';
import { saveText } from '../parts/save.ts';
import { SealShape } from '../parts/seal.tsx';
import {
  clockTime,
  Command,
  Copy,
  fullTime,
  Hash,
  Lines,
  OutcomeMark,
  Strange,
  useFirst,
  WholeText,
} from '../parts/text.tsx';

const jsonLinesMax = 2000;

interface Props {
  link: Link;
  feed: Feed;
  log: string;
  index: number;
  /** Of the address: what the record was come by. */
  parameters: URLSearchParams;
  back: string;
  tab: RecordTab;
  onTab: (tab: RecordTab) => void;
}

function Sentence({
  row,
  tree,
  holds,
}: {
  row: Row;
  tree: readonly TreeNode[];
  holds: boolean;
}): JSX.Element {
  // A number that has no name is unknown in lists.
  const outcome = tree
    .find((node) => node.path === 'event')
    ?.children.find((node) => node.path === 'event.outcome')?.shown;
  const sentence = sentenceOf(row);
  return (
    <p class="sentence">
      {!holds && <span class="bad">Shown, and not in the log at this place: </span>}
      <b>
        <Strange text={sentence.actor} />
      </b>{' '}
      {sentence.literal ? (
        <>
          {row.outcome === 'denied'
            ? 'was denied'
            : row.outcome === 'failure'
              ? 'failed at'
              : 'did'}{' '}
          <b>
            <Strange text={row.action} />
          </b>
        </>
      ) : (
        <b>{sentence.verb}</b>
      )}
      {sentence.targets.length > 0 && (
        <>
          {' '}
          {sentence.literal ? 'on ' : ''}
          {sentence.targets.slice(0, 3).map((target, i) => (
            <>
              {i > 0 && ', '}
              <b>
                <Strange text={target} />
              </b>
            </>
          ))}
          {sentence.targets.length > 3 && ` and ${sentence.targets.length - 3} more`}
        </>
      )}
      {row.outcome === 'success' && !sentence.literal ? '; success' : ''}
      {row.outcome === 'unknown' &&
        (outcome === undefined || outcome === 'unknown'
          ? '; outcome not said'
          : `; outcome ${outcome}`)}
      ; {whenWords(row, fullTime)}.
    </p>
  );
}

function Neighbours({
  log,
  index,
  parameters,
}: Pick<Props, 'log' | 'index' | 'parameters'>): JSX.Element {
  const to = (other: number): string => recordRoute(log, other, parameters, { hash: undefined });
  return (
    <p class="row neighbours">
      {index > 0 && <a href={to(index - 1)}>← record {thousands(index - 1)}</a>}
      <a href={to(index + 1)}>record {thousands(index + 1)} →</a>
    </p>
  );
}

function Verdict({ proof, feed }: { proof: RecordProof; feed: Feed }): JSX.Element {
  const good = proof.cosignatures.filter((one) => one.verdict === 'good').length;
  const broken = (feed.trust?.broken.length ?? 0) > 0;
  if (!proof.holds) {
    return (
      <div class="verdict bad" role="alert" data-verdict="bad">
        <SealShape kind="broken" size={22} />
        <p>
          <b>Does not fit.</b> What the server shows as this record is not what the tree that the
          log's key signed has at this place. Asked twice, past all caches.
        </p>
      </div>
    );
  }
  return (
    <div class="verdict good" data-verdict="good">
      <SealShape kind={broken ? 'stale' : 'verified'} size={22} />
      <p>
        <b>In the log.</b> These {plural(proof.row.bytes.length, 'byte')} are leaf{' '}
        {thousands(proof.row.index)} of the tree of size {thousands(proof.size)}, by a path of{' '}
        {plural(proof.rungs.length, 'hash', 'hashes')}, recomputed by this page; the root is signed
        by{' '}
        <code>
          <Strange text={proof.signedBy.split('+')[0]!} />
        </code>
        {good > 0 ? ` and cosigned by ${plural(good, 'witness', 'witnesses')}` : ''}.
        {broken && ' But something else about this log does not fit.'}
      </p>
    </div>
  );
}

function Proof({
  proof,
  log,
  index,
}: {
  proof: RecordProof;
  log: string;
  index: number;
}): JSX.Element {
  const name = `${log}-${index}.tlog-proof`;
  return (
    <>
      <Ladder key={proof.row.hash + proof.root} proof={proof} />
      <pre class="note" tabIndex={0} aria-label="The signed checkpoint">
        <Lines text={proof.note} />
      </pre>
      {proof.cosignatures.map((one) => (
        <p key={one.name + one.id} class={one.verdict === 'bad' ? 'bad' : 'fine'}>
          witness <Strange text={one.name} />: {one.verdict}, {span(Date.now() - one.time * 1000)}{' '}
          ago
        </p>
      ))}
      <p class="row no-print">
        <button type="button" class="primary" onClick={() => saveText(name, proof.receipt)}>
          download receipt
        </button>
        <button type="button" onClick={() => window.print()}>
          print
        </button>
      </p>
      <Command
        text={verifyReceipt(proof.signedBy, name)}
        label={`verifies the receipt, ${name}, without this page`}
      />
    </>
  );
}

function JsonText({ json }: { json: string }): JSX.Element {
  const [lines, more] = useFirst(json.split('\n'), jsonLinesMax);
  return (
    <>
      <pre class="json" tabIndex={0}>
        {lines.map((line, i) => (
          <div key={i}>
            <WholeText text={line} />
          </div>
        ))}
      </pre>
      {more}
    </>
  );
}

export function RecordPage({
  link,
  feed,
  log,
  index,
  parameters,
  back,
  tab,
  onTab,
}: Props): JSX.Element {
  // The record hash of the link that led here, if it named one.
  const linkHash = parameters.get('hash') ?? undefined;
  // By what was asked for, and not by what was answered: that may be another record, and the proof says so then.
  const [answer, setAnswer] = useState<{ index: number; proof?: RecordProof; error?: string }>();
  const { proof, error } = answer?.index === index ? answer : {};
  const ready = feed.trust?.checkpoint !== undefined;
  const ask = useLatest([link, log, index]);
  const verify = useCallback(() => {
    const isWanted = ask();
    // What is proven stays on the screen while it is asked for again.
    setAnswer((before) =>
      before?.index === index && before.proof !== undefined
        ? { index, proof: before.proof }
        : undefined,
    );
    link.ask<RecordProof>({ call: 'prove', log, index }).then(
      (made) => isWanted() && setAnswer({ index, proof: made }),
      (failed: unknown) =>
        isWanted() &&
        setAnswer((before) => ({
          ...before,
          index,
          error: failed instanceof ApiError ? failed.message : String(failed),
        })),
    );
  }, [link, log, index]);
  useEffect(() => {
    if (ready) verify();
  }, [verify, ready]);
  useKeys({
    v: () => {
      onTab('proof');
      verify();
    },
    Escape: () => go(back),
  });

  const held = feed.rows.find((row) => row.index === index);
  const row = proof?.row ?? held;
  const tree = useMemo(() => {
    if (row === undefined) return [];
    try {
      return recordTree(row.bytes);
    } catch {
      return [];
    }
  }, [row?.hash]);
  const json = useMemo(() => JSON.stringify(plainMessage(tree), null, 2), [tree]);
  const foreign = row !== undefined && linkHash !== undefined && linkHash !== row.hash;
  useEffect(() => {
    if (!foreign || proof?.holds !== true || !/^[0-9a-f]{64}$/.test(linkHash)) return;
    feed.keepLink({ index, named: linkHash, shown: row.hash, at: Date.now() });
  }, [feed, index, foreign, linkHash, row?.hash, proof?.holds]);
  const permalink =
    row === undefined
      ? ''
      : new URL(writeRoute(log, 'record', { hash: row.hash }, index), placeOfPage().base).href;
  return (
    <article class="record" aria-label={`Record ${index}`}>
      <header class="record-head">
        <h1>record {thousands(index)}</h1>
        {row !== undefined && <OutcomeMark outcome={row.outcome} />}
        <span class="grow" />
        <Copy
          text={permalink}
          label="copy link"
          title="With the record's hash in it, so that another browser notices a substitution"
        />
        <a class="button quiet" href={back} aria-label="Close (Esc)" title="Esc">
          <Icon name="close" />
        </a>
      </header>
      {foreign && (
        <div class="notice amber row" role="alert" data-verdict="substituted">
          <SealShape kind="stale" size={22} />
          <p>
            <b>Not the record of the link.</b> Whoever made this link saw a record with hash{' '}
            <code>
              <Strange text={linkHash.slice(0, 16)} />…
            </code>{' '}
            at this place; here is one with <code>{row.hash.slice(0, 16)}…</code>
            {proof?.holds === true && ', which is included in the signed tree'}. A link is signed by
            nobody. If it is honest, its sender saw another history: keep the link, and ask for the
            receipt that belongs to it.
          </p>
        </div>
      )}
      {error !== undefined && (
        <p class="notice amber" role="alert">
          Not verified: <WholeText text={error} />.
        </p>
      )}
      {row === undefined && error === undefined && <p class="fine">Asking for the record.</p>}
      {proof !== undefined && row !== undefined && <Verdict proof={proof} feed={feed} />}
      {proof === undefined && row !== undefined && error === undefined && (
        <div class="verdict">
          <SealShape kind="checking" size={22} />
          <p>Recomputing its way to the signed root.</p>
        </div>
      )}
      {row !== undefined && <Sentence row={row} tree={tree} holds={proof?.holds !== false} />}
      {row !== undefined && (
        <p class="written-by">
          Written by{' '}
          <b>
            <Strange text={row.writtenBy} />
          </b>
          , as the server knew it; the actor is what the writer says.
        </p>
      )}
      {row !== undefined && <Neighbours log={log} index={index} parameters={parameters} />}
      {row !== undefined && (
        <div class="tabs" role="tablist" aria-label="Views of the record">
          {recordTabs.map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`record-${name}`}
              aria-selected={tab === name}
              aria-controls="record-panel"
              onClick={() => onTab(name)}
            >
              {name === 'json' ? 'JSON' : name}
            </button>
          ))}
        </div>
      )}
      {row !== undefined && (
        <div id="record-panel" role="tabpanel" aria-labelledby={`record-${tab}`} tabIndex={0}>
          {tab === 'fields' && <Fields log={log} tree={tree} />}
          {tab === 'around' && <Around link={link} log={log} row={row} parameters={parameters} />}
          {tab === 'json' && (
            <>
              <p class="row">
                <Copy text={json} label="copy JSON" />
                <span class="fine">for reading; the bytes are the record</span>
              </p>
              <JsonText json={json} />
            </>
          )}
          {tab === 'bytes' && (
            <>
              <p class="row">
                <Copy text={toBase64(row.bytes)} label="copy base64" />{' '}
                <Hash hex={row.hash} title="record hash" />
              </p>
              <HexView bytes={row.bytes} tree={tree} />
            </>
          )}
          {tab === 'proof' &&
            (proof === undefined ? (
              <p class="fine">Not verified yet.</p>
            ) : (
              <Proof proof={proof} log={log} index={index} />
            ))}
        </div>
      )}
      {row !== undefined && (
        // Whatever is open on the screen: an auditor prints a record for what it says and for what proves it.
        <div class="paper-only">
          {tab !== 'fields' && <Fields log={log} tree={tree} />}
          {tab !== 'proof' && proof !== undefined && (
            <Proof proof={proof} log={log} index={index} />
          )}
        </div>
      )}
      {row !== undefined && (
        <p class="fine record-time">
          Received {timeOfNs(row.receivedNs)} ({clockTime(row.receivedMs)} here).
        </p>
      )}
    </article>
  );
}
